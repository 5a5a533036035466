//! What was asked of the links beside what came out, with the interval that chance allows: for the
//! summary and for `links.csv`. One list of stages serves both.

use skipbeat_core::{Direction, Span};
use skipbeat_link::Cause;
use skipbeat_link::loss::GilbertElliottTime;
use skipbeat_link::{Chosen, DelayOrder, How, LinkOptions, LossModel};
use skipbeat_measure::{DatagramTally, PathTally, Results};
use skipbeat_scenario::Plan;

/// One stage of the links of one group in one direction.
pub(crate) struct LinkRow<'a> {
    pub(crate) group: &'a str,
    pub(crate) direction: Direction,
    pub(crate) stage: &'static str,
    pub(crate) unit: Unit,
    /// What the scenario asks for, where that is one number.
    pub(crate) asked: Option<f64>,
    /// What came out.
    pub(crate) got: Option<f64>,
    /// How far off chance may take it: four standard errors.
    pub(crate) interval: Option<f64>,
    /// Datagrams behind it.
    pub(crate) datagrams: u64,
}

/// What a figure is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Ratio,
    Seconds,
}

impl Unit {
    /// The name in `links.csv`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Unit::Ratio => "ratio",
            Unit::Seconds => "s",
        }
    }
}

impl LinkRow<'_> {
    /// Whether chance alone explains the difference; unknown where there is nothing to compare.
    pub(crate) fn agrees(&self) -> Option<bool> {
        let (asked, got, interval) = (self.asked?, self.got?, self.interval?);
        // Nanoseconds are rounded.
        Some((asked - got).abs() <= interval + 1e-9)
    }
}

/// Every stage that is switched on, or that lost something.
pub(crate) fn link_rows<'a>(plan: &'a Plan, results: &Results) -> Vec<LinkRow<'a>> {
    let mut rows = Vec::new();
    for (number, group) in plan.groups.iter().enumerate() {
        for (direction, schedule) in Direction::BOTH.into_iter().zip([&group.up, &group.down]) {
            let links = &results.links[direction as usize][number];
            let own_events = plan.events.iter().any(|event| event.group == number);
            let seen = Seen {
                watched: group.behaviour.churn == Default::default()
                    && group.behaviour.acks == Default::default()
                    && schedule.outages.is_empty()
                    && !own_events,
                options: &schedule.options,
                steady: schedule.is_steady(),
                links,
                path: &results.paths[direction as usize][number],
                clients: group.behaviour.clients,
                run_s: results.end.seconds(),
            };
            rows.extend(seen.stages().into_iter().map(|(stage, unit, figure)| LinkRow {
                group: &group.name,
                direction,
                stage,
                unit,
                asked: figure.asked.filter(|_| schedule.is_steady()),
                got: figure.got,
                interval: figure.interval.filter(|_| schedule.is_steady()),
                datagrams: figure.datagrams,
            }));
        }
    }
    rows
}

struct Seen<'a> {
    /// Whether each client sends all the time, and nothing because of a loss.
    watched: bool,
    options: &'a LinkOptions,
    steady: bool,
    links: &'a DatagramTally,
    path: &'a PathTally,
    clients: u32,
    run_s: f64,
}

/// A figure of a stage, over so many datagrams.
struct Figure {
    asked: Option<f64>,
    got: Option<f64>,
    interval: Option<f64>,
    datagrams: u64,
}

impl Figure {
    /// A share that was asked for, each datagram by itself.
    fn share(asked: f64, count: u64, of: u64) -> Self {
        let interval = enough(asked, of).then(|| 4.0 * (asked * (1.0 - asked) / of as f64).sqrt());
        Figure { asked: Some(asked), interval, ..Figure::seen(count, of) }
    }

    /// A share that follows from no single key.
    fn seen(count: u64, of: u64) -> Self {
        let got = (of > 0).then(|| count as f64 / of as f64);
        Figure { asked: None, got, interval: None, datagrams: of }
    }
}

/// Whether a count of these is nearly normal: ten of either kind are expected.
pub(crate) fn enough(share: f64, of: u64) -> bool {
    share * of as f64 >= 10.0 && (1.0 - share) * of as f64 >= 10.0
}

impl Seen<'_> {
    fn lost(&self, cause: Cause) -> u64 {
        self.links.lost[cause as usize]
    }

    fn stages(&self) -> Vec<(&'static str, Unit, Figure)> {
        let Seen { options, links, path, .. } = self;
        let mut rows = Vec::new();
        let mut row = |name, unit, figure| rows.push((name, unit, figure));
        let entered = links.entered();
        let after_outage = entered - self.lost(Cause::Partition);
        let after_loss = after_outage - self.lost(Cause::Loss);
        let arrived = entered - links.all_lost();
        if self.lost(Cause::Partition) > 0 {
            row("partition", Unit::Ratio, Figure::seen(self.lost(Cause::Partition), entered));
        }
        if !options.loss.is_none() || self.lost(Cause::Loss) > 0 {
            row("loss", Unit::Ratio, self.loss(after_outage));
        }
        for (name, cause) in
            [("mtu", Cause::Mtu), ("queue full", Cause::Queue), ("policed", Cause::Policed)]
        {
            if self.lost(cause) > 0 {
                row(name, Unit::Ratio, Figure::seen(self.lost(cause), after_loss));
            }
        }
        if options.rate.is_some() || links.waited_ns > 0 {
            let mean = (arrived > 0).then(|| links.waited_ns as f64 / arrived as f64 / 1e9);
            let figure = Figure { got: mean, ..Figure::seen(0, arrived) };
            row("wait, mean", Unit::Seconds, figure);
        }
        let delayed = options.delay.mean() > Span::ZERO || options.reorder.is_some();
        if delayed || !self.steady {
            row("delay, mean", Unit::Seconds, self.delay(arrived));
        }
        if let Some(reorder) = &options.reorder {
            let mut figure = Figure::share(reorder.share(), links.held, arrived);
            if let Chosen::Every(_) = reorder.chosen {
                // Exact but for the ends of the streams, and for what is lost after the choice.
                figure.interval = None;
            }
            let name = if reorder.how == How::Early { "sent early" } else { "held back" };
            row(name, Unit::Ratio, figure);
        }
        let copied = options.duplicate.probability;
        if !copied.is_zero() {
            row("duplicated", Unit::Ratio, Figure::share(copied.get(), links.duplicated, arrived));
        }
        if let Some(corrupt) = &options.corrupt {
            let all = arrived + links.duplicated;
            let asked = corrupt.probability.get();
            row("corrupted", Unit::Ratio, Figure::share(asked, links.changed, all));
        }
        if delayed && path.received > 0 {
            row("reordered", Unit::Ratio, Figure::seen(path.reordered, path.received));
        }
        rows
    }

    /// Loss in bursts varies more than loss by itself: the variance is that of the model.
    fn loss(&self, n: u64) -> Figure {
        let model = &self.options.loss.model;
        let lost = self.lost(Cause::Loss);
        if !self.options.loss.only.is_empty() {
            // How many datagrams were of those classes is not counted.
            return Figure::seen(lost, n);
        }
        let per_link = n as f64 / f64::from(self.clients.max(1));
        let spacing = Span::from_seconds(self.run_s / per_link.max(1.0));
        let variance = match model {
            // Datagrams come when they like: as if they looked at the state of the link at random
            // times, 2·πG·πB·(eB-eG)²·τ per second, τ = 1/(λ+μ), beside the variance of each.
            LossModel::GilbertElliottTime { .. } if !self.watched => None,
            LossModel::GilbertElliottTime(chain) => {
                let GilbertElliottTime { mean_good, mean_bad, good_loss, bad_loss } = chain;
                let (good, bad) = (mean_good.seconds(), mean_bad.seconds());
                let shares = good * bad / ((good + bad) * (good + bad));
                let step = (bad_loss.get() - good_loss.get()).powi(2);
                let memory = good * bad / (good + bad);
                let loss = model.mean().unwrap_or(0.0);
                let watched = self.run_s * f64::from(self.clients);
                Some(loss * (1.0 - loss) + 2.0 * shares * step * memory / watched * n as f64)
            }
            _ => model.variance(spacing),
        };
        let many = model.mean().is_some_and(|loss| enough(loss, n));
        let interval = variance.filter(|_| many).map(|v| 4.0 * (v / n as f64).sqrt());
        Figure { asked: model.mean(), interval, ..Figure::seen(lost, n) }
    }

    /// The mean time that datagrams travel, with what reordering adds or takes.
    fn delay(&self, n: u64) -> Figure {
        let Seen { options, links, .. } = self;
        let own = options.delay.mean().seconds();
        let asked = options.reorder.map_or(own, |reorder| match reorder.how {
            How::Hold(extra) => own + reorder.share() * extra.seconds(),
            How::Early => own * (1.0 - reorder.share()),
        });
        let mean = links.delay_ns as f64 / n.max(1) as f64 / 1e9;
        let variance = (links.delay_squares as f64 / 1e18 / n.max(1) as f64 - mean * mean).max(0.0);
        // With a correlation ρ there are as good as n(1-ρ)/(1+ρ) independent delays.
        let rho = options.delay.correlation;
        let independent = n as f64 * (1.0 - rho) / (1.0 + rho);
        let free = options.delay.order == DelayOrder::Free && options.delay.has_light_tail();
        let interval = (n > 0 && free).then(|| 4.0 * (variance / independent).sqrt());
        Figure { asked: Some(asked), got: (n > 0).then_some(mean), interval, datagrams: n }
    }
}
