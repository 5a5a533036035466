//! Compares interleaved pairs: each pair is a run of the base and a run of the new build, one right
//! after the other in random order, with the same seed. Slow changes of the machine affect both
//! runs, so their ratio is free of them (Kalibera and Jones 2013, "Rigorous benchmarking in
//! reasonable time").
//!
//! A metric is *worse* if the bootstrap interval of the median log ratio lies on the bad side, the
//! median is at least the smallest effect that matters (and that this machine can detect), and
//! Wilcoxon's p with Holm's correction is below 0.05. It is *the same* (or better) if the interval
//! excludes the smallest effect that matters. Otherwise it is *cannot tell*.

use std::collections::{BTreeMap, BTreeSet};

use skipbeat_core::{Better, Seed};
use skipbeat_measure::Outcome;

use crate::statistics::{bootstrap_median, holm, median, wilcoxon};
use crate::verdict::{ComparedMetric, Comparison, Design, Finding, better, unit};

/// Bootstrap samples for an interval that is shown.
const RESAMPLES: u32 = 10_000;
/// The significance level of the tests.
const ALPHA: f64 = 0.05;

/// The figures of two runs, by metric; undefined ones are missing.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Those of the base.
    pub base: BTreeMap<String, f64>,
    /// Those of the build that is judged.
    pub new: BTreeMap<String, f64>,
}

/// What is judged, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The metrics that decide the outcome.
    pub judged: Vec<String>,
    /// The smallest effect that matters, as a share.
    pub minimum_effect: f64,
    /// The smallest effect that this machine can detect, as a share, by metric, where known. A
    /// smaller change is not called worse, but does not pass either.
    pub visible: BTreeMap<String, f64>,
    /// The seed of the bootstrap samples.
    pub seed: Seed,
}

impl Rule {
    /// The smallest effect on a metric that can be called worse, as a share.
    fn bar(&self, metric: &str) -> f64 {
        self.visible.get(metric).copied().unwrap_or(0.0).max(self.minimum_effect)
    }
}

/// The log ratios of a metric; positive ones are worse.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) metric: String,
    pub(crate) better: Better,
    pub(crate) worse: Vec<f64>,
    /// The number of pairs in which only one side has the figure.
    pub(crate) lonely: usize,
    /// Whether the base has the figure in every pair and the new build in none.
    pub(crate) gone: bool,
}

/// The decision on a series.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) median: f64,
    pub(crate) interval: (f64, f64),
    pub(crate) p: Option<f64>,
    pub(crate) finding: Finding,
}

/// Compares pairs by a rule; `names` are those of the base and of the new build.
pub fn compare(names: [&str; 2], pairs: &[Pair], rule: &Rule) -> Comparison {
    let (judged, others): (Vec<_>, Vec<_>) =
        series(pairs).into_iter().partition(|series| rule.judged.contains(&series.metric));
    let decisions = decide(&judged, rule, RESAMPLES);
    // Metrics that aren't judged must not weaken the tests of those that are.
    let beside = others.iter().map(|one| decide(std::slice::from_ref(one), rule, RESAMPLES));
    let beside: Vec<Decision> = beside.flatten().collect();
    let mut rows: Vec<ComparedMetric> = (judged.iter().zip(&decisions))
        .map(|(series, decision)| row(pairs, series, decision, true))
        .chain(others.iter().zip(&beside).map(|(s, d)| row(pairs, s, d, false)))
        .collect();
    let order = |row: &ComparedMetric| rule.judged.iter().position(|metric| *metric == row.metric);
    rows.sort_by_key(|row| order(row).unwrap_or(usize::MAX));
    let found = |finding| rows.iter().any(|row| row.judged && row.finding == finding);
    let outcome = if found(Finding::Worse) || found(Finding::Changed) {
        Outcome::Regression
    } else if found(Finding::CannotTell) || judged.len() < rule.judged.len() || judged.is_empty() {
        // A metric that should be judged but is undefined in every run can't be decided either.
        Outcome::Inconclusive
    } else {
        Outcome::Pass
    };
    Comparison {
        design: Design::InterleavedPairs,
        base: names[0].to_owned(),
        new: names[1].to_owned(),
        pairs: pairs.len(),
        minimum_effect: Some(rule.minimum_effect),
        outcome,
        notes: notes(pairs, &judged, rule),
        rows,
    }
}

/// Notes on the judged metrics: which are undefined, and whether there are too few pairs.
fn notes(pairs: &[Pair], judged: &[Series], rule: &Rule) -> Vec<String> {
    let here: BTreeSet<&String> = judged.iter().map(|series| &series.metric).collect();
    let missing = rule.judged.iter().filter(|metric| !here.contains(metric));
    let mut notes: Vec<String> =
        missing.map(|metric| format!("{metric} is not defined in any run")).collect();
    for series in judged.iter().filter(|series| series.lonely > 0) {
        notes.push(format!(
            "{} is defined on one side only in {} of {} pairs",
            series.metric,
            series.lonely,
            pairs.len()
        ));
    }
    // The least p of n pairs is 2/2^n, and Holm multiplies it by the number of tests.
    let tests = judged.iter().filter(|series| series.worse.iter().any(|d| *d != 0.0)).count();
    let least = tests as f64 * 2.0 / 2f64.powi(pairs.len() as i32);
    if least >= ALPHA && !pairs.is_empty() {
        notes.push(format!(
            "{} pairs are too few to show anything of {tests} metrics at p < {ALPHA}",
            pairs.len()
        ));
    }
    notes
}

/// The series of every metric that has a better side and is defined in any run.
pub(crate) fn series(pairs: &[Pair]) -> Vec<Series> {
    let names = pairs.iter().flat_map(|pair| pair.base.keys().chain(pair.new.keys()));
    let names: BTreeSet<&String> = names.collect();
    names.into_iter().filter_map(|metric| series_of(metric, pairs)).collect()
}

fn series_of(metric: &str, pairs: &[Pair]) -> Option<Series> {
    let better = better(metric)?;
    let mut series =
        Series { metric: metric.to_owned(), better, worse: Vec::new(), lonely: 0, gone: true };
    for pair in pairs {
        match (pair.base.get(metric), pair.new.get(metric)) {
            (Some(base), Some(new)) => {
                series.worse.push(log_ratio(*base, *new) * better.sign_of_worse())
            }
            // Neither has it: the pair says nothing.
            (None, None) => {}
            _ => series.lonely += 1,
        }
        series.gone &= pair.base.contains_key(metric) && !pair.new.contains_key(metric);
    }
    Some(series)
}

/// ln(new / base). It is infinite if one of them is zero, which ranks and medians can handle.
fn log_ratio(base: f64, new: f64) -> f64 {
    if base == new { 0.0 } else { (new / base).ln() }
}

/// Decides all series together. A series of zeros is the same on both sides and can't give a false
/// alarm, so it does not count as a test (Tarone 1990).
pub(crate) fn decide(all: &[Series], rule: &Rule, resamples: u32) -> Vec<Decision> {
    let p_values: Vec<Option<f64>> = all.iter().map(|series| wilcoxon(&series.worse)).collect();
    let mut corrected = holm(&p_values.iter().flatten().copied().collect::<Vec<_>>()).into_iter();
    let mut decisions = Vec::new();
    for (series, p) in all.iter().zip(&p_values) {
        let p = p.and_then(|_| corrected.next());
        let median = median(&series.worse).unwrap_or(0.0);
        let interval = bootstrap_median(&series.worse, resamples, rule.seed);
        let interval = interval.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let finding = match series.lonely {
            0 => finding(median, interval, p, rule, &series.metric),
            _ if series.gone => Finding::Changed,
            _ => Finding::CannotTell,
        };
        decisions.push(Decision { median, interval, p, finding });
    }
    decisions
}

/// The finding from a median log ratio, its interval and its p; positive ratios are worse.
fn finding(
    median: f64,
    (low, high): (f64, f64),
    p: Option<f64>,
    rule: &Rule,
    metric: &str,
) -> Finding {
    let (matters, bar) = (rule.minimum_effect.ln_1p(), rule.bar(metric).ln_1p());
    let certain = p.is_some_and(|p| p < ALPHA);
    if low > 0.0 && median >= bar && certain {
        Finding::Worse
    } else if high >= matters {
        Finding::CannotTell
    } else if high < 0.0 && median <= -bar && certain {
        Finding::Better
    } else {
        Finding::Same
    }
}

fn row(pairs: &[Pair], series: &Series, decision: &Decision, judged: bool) -> ComparedMetric {
    let metric = &series.metric;
    let of = |side: fn(&Pair) -> &BTreeMap<String, f64>| {
        median(&pairs.iter().filter_map(|pair| side(pair).get(metric)).copied().collect::<Vec<_>>())
    };
    // Undoes the logarithm and restores the sign of the change, where positive meant worse.
    let effect = |log: f64| (log * series.better.sign_of_worse()).exp() - 1.0;
    let (one, other) = (effect(decision.interval.0), effect(decision.interval.1));
    let known = series.lonely == 0 && !series.worse.is_empty();
    let finite = |value: f64| (known && value.is_finite()).then_some(value);
    ComparedMetric {
        point: String::new(),
        group: None,
        metric: metric.clone(),
        unit: unit(metric),
        better: Some(series.better),
        judged,
        base: of(|pair| &pair.base),
        new: of(|pair| &pair.new),
        effect: finite(effect(decision.median)),
        interval: finite(one)
            .zip(finite(other))
            .map(|(one, other)| [one.min(other), one.max(other)]),
        p: decision.p,
        finding: decision.finding,
    }
}
