//! `skipbeat link LINK`: what a link is asked to do beside what it does to many datagrams.

use skipbeat_core::{Span, Time};
use skipbeat_link::{Cause, DelayModel, DelayOrder, How, LinkOptions, LossModel, Verdict};
use skipbeat_measure::{PathTally, StreamOrder};

use crate::links::enough;
use crate::summary::{UNKNOWN, percent, seconds, table};

/// In so many parts a sequence is cut, to see how much a figure varies.
const BATCHES: usize = 20;

/// A figure of one link.
struct Row {
    name: String,
    asked: Option<f64>,
    got: Option<f64>,
    /// Four standard errors.
    interval: Option<f64>,
    show: fn(Option<f64>) -> String,
}

/// What a model is asked for beside what these verdicts of it came to; datagrams came every
/// `spacing`.
pub fn describe(options: &LinkOptions, verdicts: &[(Time, Verdict)], spacing: Span) -> String {
    let mut rows = vec![["", "asked", "got", ""].map(str::to_owned).to_vec()];
    let mut off = Vec::new();
    for row in figures(options, verdicts, spacing) {
        let interval = row.interval.filter(|i| *i > 0.0);
        if let (Some(asked), Some(got), Some(interval)) = (row.asked, row.got, interval)
            && (asked - got).abs() > interval + 1e-9
        {
            off.push(row.name.clone());
        }
        let shown = |value: Option<f64>| {
            if value.is_some() { (row.show)(value) } else { UNKNOWN.to_owned() }
        };
        let interval = interval.map_or(String::new(), |i| format!("± {}", (row.show)(Some(i))));
        rows.push(vec![row.name.clone(), shown(row.asked), shown(row.got), interval]);
    }
    let mut text = table("link", &rows);
    if !off.is_empty() {
        text.push_str(&format!("warning: off by more than chance allows: {}\n", off.join(", ")));
    }
    text
}

fn figures(options: &LinkOptions, verdicts: &[(Time, Verdict)], spacing: Span) -> Vec<Row> {
    let mut rows = Vec::new();
    let n = verdicts.len() as f64;
    let lost_by = |cause: Cause| verdicts.iter().filter(|(_, v)| v.arrival == Err(cause)).count();
    let model = &options.loss.model;
    let share = |count: usize| Some(count as f64 / n);
    if !options.loss.is_none() {
        rows.push(Row {
            name: "loss".to_owned(),
            asked: model.mean(),
            got: share(lost_by(Cause::Loss)),
            interval: (model.variance(spacing))
                .filter(|_| model.mean().is_some_and(|loss| enough(loss, verdicts.len() as u64)))
                .map(|v| 4.0 * (v / n).sqrt()),
            show: percent,
        });
        rows.push(Row {
            name: "mean loss run".to_owned(),
            asked: model.mean_run(spacing),
            got: ratio(runs(verdicts)),
            interval: spread(verdicts, runs),
            show: |v| v.map_or(UNKNOWN.to_owned(), |v| format!("{v:.3}")),
        });
    }
    for (name, cause) in
        [("too long", Cause::Mtu), ("queue full", Cause::Queue), ("policed", Cause::Policed)]
    {
        if lost_by(cause) > 0 {
            let got = share(lost_by(cause));
            rows.push(Row {
                name: name.to_owned(),
                asked: None,
                got,
                interval: None,
                show: percent,
            });
        }
    }
    let arrived: Vec<_> = verdicts.iter().filter(|(_, v)| v.arrival.is_ok()).collect();
    let m = arrived.len() as f64;
    let mut chosen = |name: &str, asked: f64, count: usize, of: f64| {
        let interval = enough(asked, of as u64).then(|| 4.0 * (asked * (1.0 - asked) / of).sqrt());
        let got = (of > 0.0).then_some(count as f64 / of);
        rows.push(Row { name: name.to_owned(), asked: Some(asked), got, interval, show: percent });
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
        asked: expected_reordering(options, spacing),
        got: ratio(reordered(verdicts)),
        interval: spread(verdicts, reordered),
        show: percent,
    });
    rows
}

/// Mean and quantiles of the time that datagrams travel that no other stage delays.
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
    // With a correlation ρ there are as good as n(1-ρ)/(1+ρ) independent delays.
    let independent = n * (1.0 - delay.correlation) / (1.0 + delay.correlation);
    let mean = travels.iter().sum::<f64>() / n;
    let variance = travels.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / n;
    let free = delay.order == DelayOrder::Free;
    let normal = free && delay.has_light_tail();
    let mut rows = vec![Row {
        name: "delay, mean".to_owned(),
        asked: Some(delay.mean().seconds()),
        got: Some(mean),
        interval: normal.then(|| 4.0 * (variance / independent).sqrt()),
        show: seconds,
    }];
    for q in [0.01, 0.5, 0.9, 0.99, 0.999] {
        let away = 4.0 * (q * (1.0 - q) / independent).sqrt();
        let at = |u: f64| delay.model.quantile(u.clamp(0.0, 1.0 - 1e-12)).seconds();
        let within = q - away > 0.0 && q + away < 1.0 && free;
        rows.push(Row {
            name: format!("delay, {} %", q * 100.0),
            asked: Some(at(q)),
            got: Some(travels[((q * n) as usize).min(travels.len() - 1)]),
            interval: within.then(|| (at(q + away) - at(q)).max(at(q) - at(q - away))),
            show: seconds,
        });
    }
    let waited: f64 = arrived.iter().map(|(_, v)| v.waited().seconds()).sum();
    if waited > 0.0 {
        let got = Some(waited / arrived.len() as f64);
        let name = "wait in the queue, mean".to_owned();
        rows.push(Row { name, asked: None, got, interval: None, show: seconds });
    }
    rows
}

/// Two sums over part of a sequence, whose ratio is a figure.
type Sums = fn(&[(Time, Verdict)]) -> (f64, f64);

/// Losses, and the runs that they come in.
fn runs(verdicts: &[(Time, Verdict)]) -> (f64, f64) {
    let lost = |(_, v): &(Time, Verdict)| v.arrival == Err(Cause::Loss);
    let losses = verdicts.iter().filter(|entry| lost(entry)).count();
    let begins = verdicts.windows(2).filter(|w| !lost(&w[0]) && lost(&w[1])).count();
    let runs = begins + usize::from(verdicts.first().is_some_and(lost));
    (losses as f64, runs as f64)
}

/// Datagrams that were overtaken, and those that arrived.
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

/// Four standard errors of a ratio of two sums, from how its parts vary: `Σ(aᵢ-R·bᵢ)²` for the ratio
/// estimator R (Cochran, *Sampling Techniques*, 6.4). None where there is too little to tell.
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

/// The RFC 4737 ratio where one stage alone puts a periodic stream out of order and has a closed
/// form.
fn expected_reordering(options: &LinkOptions, spacing: Span) -> Option<f64> {
    let delay = &options.delay;
    if options.rate.is_some() || delay.correlation > 0.0 || spacing.is_zero() {
        return None;
    }
    if delay.order == DelayOrder::Preserve && options.reorder.is_none() {
        return Some(0.0);
    }
    let t = spacing.seconds();
    // Loss by itself keeps a share of the neighbours; loss in bursts keeps another.
    let LossModel::Bernoulli(loss) = options.loss.model else { return None };
    let (kept, lossless) = (1.0 - loss.probability.get(), loss.probability.is_zero());
    match (&delay.model, &options.reorder) {
        (DelayModel::Constant { .. }, None) => Some(0.0),
        (DelayModel::Constant(delay), Some(reorder)) if lossless => {
            let q = match reorder.chosen {
                skipbeat_link::Chosen::Probability(q) => q.get(),
                skipbeat_link::Chosen::Every(_) => return None,
            };
            // Who arrives at the same moment does not overtake.
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
                // Only neighbours change places, and both must arrive.
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
