//! The table that `skipbeat link LINK` prints: what a link is configured to do, and what it does to
//! many datagrams.

use skipbeat_core::{Span, Time, Unit};
use skipbeat_link::{Cause, DelayModel, DelayOrder, How, LinkOptions, LossModel, Verdict};
use skipbeat_measure::{PathTally, StreamOrder};

use skipbeat_results::nearly_normal;

use crate::text::table;

/// A sequence is cut into this many parts to see how much a figure varies between them.
const BATCHES: usize = 20;

/// A row of the table: one figure of the link.
struct Row {
    name: String,
    configured: Option<f64>,
    observed: Option<f64>,
    /// Four standard errors; `None` if they can't be estimated.
    interval: Option<f64>,
    unit: Unit,
}

/// A table of what a link is configured to do and what it did in these verdicts, with a warning
/// where the two differ by more than chance explains. One datagram was sent every `spacing`.
pub fn describe(options: &LinkOptions, verdicts: &[(Time, Verdict)], spacing: Span) -> String {
    let mut rows = vec![["", "configured", "observed", ""].map(str::to_owned).to_vec()];
    let mut off = Vec::new();
    for row in figures(options, verdicts, spacing) {
        let interval = row.interval.filter(|i| *i > 0.0);
        if let (Some(configured), Some(observed), Some(interval)) =
            (row.configured, row.observed, interval)
            && (configured - observed).abs() > interval + 1e-9
        {
            off.push(row.name.clone());
        }
        let shown = |value| row.unit.show(value);
        let interval = interval.map_or(String::new(), |i| format!("± {}", shown(Some(i))));
        rows.push(vec![row.name.clone(), shown(row.configured), shown(row.observed), interval]);
    }
    let mut text = table("link", &rows);
    if !off.is_empty() {
        text.push_str(&format!("warning: off by more than chance explains: {}\n", off.join(", ")));
    }
    text
}

fn figures(options: &LinkOptions, verdicts: &[(Time, Verdict)], spacing: Span) -> Vec<Row> {
    let mut rows = losses(options, verdicts, spacing);
    let arrived: Vec<_> = verdicts.iter().filter(|(_, v)| v.arrival.is_ok()).collect();
    let m = arrived.len() as f64;
    let mut chosen = |name: &str, configured: f64, count: usize, of: f64| {
        let interval = nearly_normal(configured, of as u64)
            .then(|| 4.0 * (configured * (1.0 - configured) / of).sqrt());
        let observed = (of > 0.0).then_some(count as f64 / of);
        rows.push(Row {
            name: name.to_owned(),
            configured: Some(configured),
            observed,
            interval,
            unit: Unit::Ratio,
        });
    };
    if let Some(reorder) = &options.reorder {
        let name = if reorder.how == How::Early { "sent early" } else { "held back" };
        let held = arrived.iter().filter(|(_, v)| v.held()).count();
        chosen(name, reorder.share(), held, m);
    }
    let copies = arrived.iter().filter(|(_, v)| v.copy().is_some()).count();
    let duplicate = options.duplicate.probability;
    if !duplicate.is_zero() {
        chosen("duplicated", duplicate.get(), copies, m);
    }
    if let Some(corrupt) = &options.corrupt {
        let changed = |v: &Verdict| v.changes().iter().flatten().count();
        let changed = arrived.iter().map(|(_, v)| changed(v)).sum();
        chosen("corrupted", corrupt.probability.get(), changed, m + copies as f64);
    }
    rows.extend(delays(options, &arrived));
    rows.push(Row {
        name: "reordered (RFC 4737)".to_owned(),
        configured: expected_reordering(options, spacing),
        observed: ratio(reordered(verdicts)),
        interval: spread(verdicts, reordered),
        unit: Unit::Ratio,
    });
    rows
}

/// Loss by the loss model, the length of its runs, and drops by the MTU, the queue and the policer.
fn losses(options: &LinkOptions, verdicts: &[(Time, Verdict)], spacing: Span) -> Vec<Row> {
    let mut rows = Vec::new();
    let n = verdicts.len() as f64;
    let lost_by = |cause: Cause| verdicts.iter().filter(|(_, v)| v.arrival == Err(cause)).count();
    let share = |count: usize| Some(count as f64 / n);
    let model = &options.loss.model;
    if !options.loss.is_none() {
        let normal = |loss: f64| nearly_normal(loss, verdicts.len() as u64);
        let variance = model.variance(spacing).filter(|_| model.mean().is_some_and(normal));
        rows.push(Row {
            name: "loss".to_owned(),
            configured: model.mean(),
            observed: share(lost_by(Cause::Loss)),
            interval: variance.map(|variance| 4.0 * (variance / n).sqrt()),
            unit: Unit::Ratio,
        });
        rows.push(Row {
            name: "mean loss run".to_owned(),
            configured: model.mean_run(spacing),
            observed: ratio(runs(verdicts)),
            interval: spread(verdicts, runs),
            unit: Unit::Number,
        });
    }
    let others =
        [("too long", Cause::Mtu), ("queue full", Cause::Queue), ("policed", Cause::Policed)];
    for (name, cause) in others {
        let lost = lost_by(cause);
        if lost > 0 {
            rows.push(Row {
                name: name.to_owned(),
                configured: None,
                observed: share(lost),
                interval: None,
                unit: Unit::Ratio,
            });
        }
    }
    rows
}

/// Mean and quantiles of the delay stage alone: reordered datagrams are left out, and waits in the
/// queue are subtracted. The mean wait in the queue is a row of its own.
fn delays(options: &LinkOptions, arrived: &[&(Time, Verdict)]) -> Vec<Row> {
    let plain = arrived.iter().filter(|(_, v)| !v.held());
    let travel =
        |(sent, v): &&&(Time, Verdict)| Some(v.arrival.ok()?.since(*sent + v.waited()).seconds());
    let mut travels: Vec<f64> = plain.filter_map(|entry| travel(&entry)).collect();
    travels.sort_by(f64::total_cmp);
    if travels.is_empty() {
        return Vec::new();
    }
    let delay = &options.delay;
    let n = travels.len() as f64;
    // n delays with correlation ρ say as much as n(1-ρ)/(1+ρ) independent ones.
    let independent = n * (1.0 - delay.correlation) / (1.0 + delay.correlation);
    let mean = travels.iter().sum::<f64>() / n;
    let variance = travels.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / n;
    let free = delay.order == DelayOrder::Free;
    let normal = free && delay.has_light_tail();
    let mut rows = vec![Row {
        name: "delay, mean".to_owned(),
        configured: Some(delay.mean().seconds()),
        observed: Some(mean),
        interval: normal.then(|| 4.0 * (variance / independent).sqrt()),
        unit: Unit::Seconds,
    }];
    for q in [0.01, 0.5, 0.9, 0.99, 0.999] {
        let away = 4.0 * (q * (1.0 - q) / independent).sqrt();
        let at = |u: f64| delay.model.quantile(u.clamp(0.0, 1.0 - 1e-12)).seconds();
        let within = q - away > 0.0 && q + away < 1.0 && free;
        rows.push(Row {
            name: format!("delay, {} %", q * 100.0),
            configured: Some(at(q)),
            observed: Some(travels[((q * n) as usize).min(travels.len() - 1)]),
            interval: within.then(|| (at(q + away) - at(q)).max(at(q) - at(q - away))),
            unit: Unit::Seconds,
        });
    }
    let waited: f64 = arrived.iter().map(|(_, v)| v.waited().seconds()).sum();
    if waited > 0.0 {
        let observed = Some(waited / arrived.len() as f64);
        let name = "wait in the queue, mean".to_owned();
        rows.push(Row { name, configured: None, observed, interval: None, unit: Unit::Seconds });
    }
    rows
}

/// Computes two sums over part of a sequence; their ratio is the figure.
type Sums = fn(&[(Time, Verdict)]) -> (f64, f64);

/// The number of losses, and the number of runs that they form.
fn runs(verdicts: &[(Time, Verdict)]) -> (f64, f64) {
    let lost = |(_, v): &(Time, Verdict)| v.arrival == Err(Cause::Loss);
    let losses = verdicts.iter().filter(|entry| lost(entry)).count();
    let begins = verdicts.windows(2).filter(|w| !lost(&w[0]) && lost(&w[1])).count();
    let runs = begins + usize::from(verdicts.first().is_some_and(lost));
    (losses as f64, runs as f64)
}

/// The number of datagrams that were overtaken, and the number that arrived.
fn reordered(verdicts: &[(Time, Verdict)]) -> (f64, f64) {
    let mut arrivals: Vec<_> =
        verdicts.iter().filter_map(|(_, v)| Some((v.arrival.ok()?, v.index))).collect();
    arrivals.sort_unstable();
    let first = arrivals.iter().map(|(_, index)| *index).min().unwrap_or(0);
    let (mut order, mut tally) = (StreamOrder::NEW, PathTally::default());
    arrivals.iter().for_each(|(_, index)| order.arrive(index - first, &mut tally));
    (tally.reordered as f64, tally.received as f64)
}

fn ratio((part, whole): (f64, f64)) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Four standard errors of a ratio of two sums, estimated from how much the parts of the sequence
/// vary: `Σ(aᵢ-R·bᵢ)²` for the ratio estimator R (Cochran, *Sampling Techniques*, 6.4). `None` if
/// there are too few datagrams to tell.
fn spread(verdicts: &[(Time, Verdict)], sums: Sums) -> Option<f64> {
    let size = verdicts.len() / BATCHES;
    let (part, whole) = sums(verdicts);
    if size < 100 || part < 200.0 || whole < 200.0 {
        return None;
    }
    let mean = part / whole;
    let parts = verdicts.chunks_exact(size).map(sums);
    let squares: f64 = parts.map(|(a, b)| (a - mean * b).powi(2)).sum();
    let n = BATCHES as f64;
    Some(4.0 * (squares * n / (n - 1.0)).sqrt() / whole)
}

/// The expected reordering ratio (RFC 4737) of a periodic stream. `None` unless a single stage
/// reorders it and there is a closed form.
fn expected_reordering(options: &LinkOptions, spacing: Span) -> Option<f64> {
    let delay = &options.delay;
    if options.rate.is_some() || delay.correlation > 0.0 || spacing.is_zero() {
        return None;
    }
    if delay.order == DelayOrder::Preserve && options.reorder.is_none() {
        return Some(0.0);
    }
    let t = spacing.seconds();
    // With independent loss, each neighbour arrives with probability 1 - loss; with loss in bursts
    // the chance is a different one.
    let LossModel::Bernoulli(loss) = options.loss.model else { return None };
    let (kept, lossless) = (1.0 - loss.probability.get(), loss.probability.is_zero());
    match (&delay.model, &options.reorder) {
        (DelayModel::Constant { .. }, None) => Some(0.0),
        (DelayModel::Constant(delay), Some(reorder)) if lossless => {
            let q = match reorder.chosen {
                skipbeat_link::Chosen::Probability(q) => q.get(),
                skipbeat_link::Chosen::Every(_) => return None,
            };
            // A datagram that arrives at the same moment does not overtake.
            let places = |span: &Span| (span.nanos().saturating_sub(1) / spacing.nanos()) as i32;
            Some(match reorder.how {
                How::Hold(extra) => q * (1.0 - q.powi(places(&extra))),
                How::Early => (1.0 - q) * (1.0 - (1.0 - q).powi(places(&delay.value))),
            })
        }
        (DelayModel::Uniform(delay), None) => {
            let w = delay.max.saturating_sub(delay.min).seconds();
            match w / t {
                ratio if ratio <= 1.0 => Some(0.0),
                // Only neighbours can change places, and both must arrive.
                ratio if ratio <= 2.0 => Some(kept * (w - t).powi(2) / (2.0 * w * w)),
                _ => None,
            }
        }
        (DelayModel::Exponential(delay), None) if lossless => {
            let mu = delay.mean.saturating_sub(delay.min).seconds();
            let r = (-t / mu).exp();
            let term = |k: i32| r.powi(k * (k + 1) / 2) / f64::from(k * (k + 1));
            Some((1..200).map(term).sum())
        }
        _ => None,
    }
}
