//! Compares links as configured with links as observed, with the difference that chance explains.
//! `links.csv` and everything that shows links use this one list of stages.

use skipbeat_core::{Direction, Span, Unit};
use skipbeat_link::Cause;
use skipbeat_link::loss::GilbertElliottTime;
use skipbeat_link::{Chosen, DelayOrder, How, LinkOptions, LossModel};
use skipbeat_measure::{DatagramTally, PathTally, Results};
use skipbeat_scenario::Plan;

/// One stage of the links of one group in one direction.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkRow {
    /// The name of the group.
    pub group: String,
    /// Towards the server or towards the clients.
    pub direction: Direction,
    /// Which stage, such as `loss`.
    pub stage: String,
    /// The unit of its figures: ratio or seconds.
    pub unit: Unit,
    /// The configured figure; `None` if the scenario does not give one number.
    pub configured: Option<f64>,
    /// The observed figure.
    pub observed: Option<f64>,
    /// The largest difference that chance explains: four standard errors. `None` if there is no
    /// formula for it, or if the sample is too small for the formula.
    pub interval: Option<f64>,
    /// The number of datagrams that the observed figure is based on.
    pub datagrams: u64,
}

impl LinkRow {
    /// Whether chance alone explains the difference; `None` if there is nothing to compare.
    pub fn agrees(&self) -> Option<bool> {
        let (configured, observed) = (self.configured?, self.observed?);
        // Times are rounded to nanoseconds.
        Some((configured - observed).abs() <= self.interval? + 1e-9)
    }
}

/// Every stage that is switched on, or that lost something.
pub fn link_rows(plan: &Plan, results: &Results) -> Vec<LinkRow> {
    let mut rows = Vec::new();
    for (number, group) in plan.groups.iter().enumerate() {
        for (direction, schedule) in Direction::BOTH.into_iter().zip([&group.up, &group.down]) {
            let group_tally = &results.tally.groups[number];
            let links = &group_tally.links[direction as usize];
            let own_events = plan.events.iter().any(|event| event.group == number);
            let seen = Seen {
                watched: group.behaviour.churn == Default::default()
                    && group.behaviour.acks == Default::default()
                    && schedule.outages.is_empty()
                    && !own_events,
                options: &schedule.options,
                steady: schedule.is_steady(),
                links,
                path: &group_tally.order[direction as usize],
                clients: group.behaviour.clients,
                run_s: results.end().seconds(),
            };
            rows.extend(seen.stages().into_iter().map(|(stage, unit, figure)| LinkRow {
                group: group.name.clone(),
                direction,
                stage: stage.to_owned(),
                unit,
                configured: figure.configured.filter(|_| schedule.is_steady()),
                observed: figure.observed,
                interval: figure.interval.filter(|_| schedule.is_steady()),
                datagrams: figure.datagrams,
            }));
        }
    }
    rows
}

struct Seen<'a> {
    /// Whether each client sends all the time, and sends nothing because of a loss.
    watched: bool,
    options: &'a LinkOptions,
    steady: bool,
    links: &'a DatagramTally,
    path: &'a PathTally,
    clients: u32,
    run_s: f64,
}

/// The figures of a stage.
struct Figure {
    configured: Option<f64>,
    observed: Option<f64>,
    interval: Option<f64>,
    datagrams: u64,
}

impl Figure {
    /// A share that is configured and applies to each datagram independently.
    fn share(configured: f64, count: u64, of: u64) -> Self {
        let interval = nearly_normal(configured, of)
            .then(|| 4.0 * (configured * (1.0 - configured) / of as f64).sqrt());
        Figure { configured: Some(configured), interval, ..Figure::seen(count, of) }
    }

    /// A share that no single key configures.
    fn seen(count: u64, of: u64) -> Self {
        let observed = (of > 0).then(|| count as f64 / of as f64);
        Figure { configured: None, observed, interval: None, datagrams: of }
    }
}

/// Whether the number of hits in `of` trials, each a hit with probability `share`, is nearly
/// normal: at least ten hits and ten misses are expected.
///
/// ```
/// use skipbeat_results::nearly_normal;
/// assert!(nearly_normal(0.1, 1000) && !nearly_normal(0.001, 1000));
/// ```
pub fn nearly_normal(share: f64, of: u64) -> bool {
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
            let figure = Figure { observed: mean, ..Figure::seen(0, arrived) };
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
            let configured = corrupt.probability.get();
            row("corrupted", Unit::Ratio, Figure::share(configured, links.changed, all));
        }
        if delayed && path.received > 0 {
            row("reordered", Unit::Ratio, Figure::seen(path.reordered, path.received));
        }
        rows
    }

    /// Loss in bursts varies more than independent loss, so the variance is that of the model.
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
            // The datagrams see the state of the link as if at random times. Besides the variance
            // of each datagram, the state adds 2·πG·πB·(eB-eG)²·τ, with τ = 1/(λ+μ), over the time
            // observed to the variance of the mean.
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
        let many = model.mean().is_some_and(|loss| nearly_normal(loss, n));
        let interval = variance.filter(|_| many).map(|v| 4.0 * (v / n as f64).sqrt());
        Figure { configured: model.mean(), interval, ..Figure::seen(lost, n) }
    }

    /// The mean travel time of datagrams, with what reordering adds or takes away.
    fn delay(&self, n: u64) -> Figure {
        let Seen { options, links, .. } = self;
        let own = options.delay.mean().seconds();
        let configured = options.reorder.map_or(own, |reorder| match reorder.how {
            How::Hold(extra) => own + reorder.share() * extra.seconds(),
            How::Early => own * (1.0 - reorder.share()),
        });
        let mean = links.delay_ns as f64 / n.max(1) as f64 / 1e9;
        let variance = (links.delay_squares as f64 / 1e18 / n.max(1) as f64 - mean * mean).max(0.0);
        // n delays with a correlation ρ are worth n(1-ρ)/(1+ρ) independent ones.
        let rho = options.delay.correlation;
        let independent = n as f64 * (1.0 - rho) / (1.0 + rho);
        let free = options.delay.order == DelayOrder::Free && options.delay.has_light_tail();
        let interval = (n > 0 && free).then(|| 4.0 * (variance / independent).sqrt());
        Figure {
            configured: Some(configured),
            observed: (n > 0).then_some(mean),
            interval,
            datagrams: n,
        }
    }
}
