//! Figures of interleaved pairs: each pair is one run of the base and one of the new, right after each
//! other in random order, with the same seed. The machine's slow moods are in both, and their ratio is
//! free of them (Kalibera and Jones 2013, "Rigorous benchmarking in reasonable time").
//!
//! A metric is *worse* if the bootstrap interval of the median log ratio lies on the bad side, the
//! median is at least the smallest effect that matters (and that this machine can see), and Wilcoxon's p,
//! by Holm's correction, is below 0.05. It is *the same* (or better) if the interval excludes the
//! smallest effect that matters. Else it can't be told.

use std::collections::{BTreeMap, BTreeSet};

use skipbeat_core::Seed;

use crate::statistics::{bootstrap_median, holm, median, wilcoxon};
use crate::verdict::{ComparedMetric, Comparison, Conclusion, Design, Finding, Way, unit, way};

/// Bootstrap samples behind an interval that is shown.
const RESAMPLES: u32 = 10_000;
/// The level of the test.
const ALPHA: f64 = 0.05;

/// The figures of two runs, by metric; what is undefined is missing.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Of the base.
    pub base: BTreeMap<String, f64>,
    /// Of the new.
    pub new: BTreeMap<String, f64>,
}

/// What is judged, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The metrics that have a say.
    pub judged: Vec<String>,
    /// The smallest effect that matters, as a share.
    pub minimum_effect: f64,
    /// What this machine can see of metrics, where that is known: a smaller change is not called worse,
    /// but not passed either.
    pub visible: BTreeMap<String, f64>,
    /// The seed of bootstrap samples.
    pub seed: Seed,
}

impl Rule {
    /// The smallest effect of a metric that is called worse, as a share.
    fn bar(&self, metric: &str) -> f64 {
        self.visible.get(metric).copied().unwrap_or(0.0).max(self.minimum_effect)
    }
}

/// The log ratios of a metric, the bad side above zero.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) metric: String,
    pub(crate) way: Way,
    pub(crate) worse: Vec<f64>,
    /// Pairs in which only one side has the figure.
    pub(crate) lonely: usize,
    /// Whether the base has it in every pair and the new in none.
    pub(crate) gone: bool,
}

/// What is decided of a series.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) median: f64,
    pub(crate) interval: (f64, f64),
    pub(crate) p: Option<f64>,
    pub(crate) finding: Finding,
}

/// Compares pairs by a rule; `names` are those of the base and the new.
pub fn compare(names: [&str; 2], pairs: &[Pair], rule: &Rule) -> Comparison {
    let (judged, others): (Vec<_>, Vec<_>) =
        series(pairs).into_iter().partition(|series| rule.judged.contains(&series.metric));
    let decisions = decide(&judged, rule, RESAMPLES);
    // What has no say does not weaken the test of what has.
    let beside = others.iter().map(|one| decide(std::slice::from_ref(one), rule, RESAMPLES));
    let beside: Vec<Decision> = beside.flatten().collect();
    let mut rows: Vec<ComparedMetric> = (judged.iter().zip(&decisions))
        .map(|(series, decision)| row(pairs, series, decision, true))
        .chain(others.iter().zip(&beside).map(|(s, d)| row(pairs, s, d, false)))
        .collect();
    let order = |row: &ComparedMetric| rule.judged.iter().position(|metric| *metric == row.metric);
    rows.sort_by_key(|row| order(row).unwrap_or(usize::MAX));
    let found = |finding| rows.iter().any(|row| row.judged && row.finding == finding);
    let conclusion = if found(Finding::Worse) || found(Finding::Changed) {
        Conclusion::Regression
    } else if found(Finding::CannotTell) || judged.len() < rule.judged.len() || judged.is_empty() {
        // What was to be judged and is nowhere defined can't be told either.
        Conclusion::Inconclusive
    } else {
        Conclusion::Pass
    };
    Comparison {
        design: Design::InterleavedPairs,
        base: names[0].to_owned(),
        new: names[1].to_owned(),
        pairs: pairs.len(),
        minimum_effect: Some(rule.minimum_effect),
        conclusion,
        notes: notes(pairs, &judged, rule),
        rows,
    }
}

/// What has to be known of what is judged.
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
    let way = way(metric)?;
    let mut series =
        Series { metric: metric.to_owned(), way, worse: Vec::new(), lonely: 0, gone: true };
    for pair in pairs {
        match (pair.base.get(metric), pair.new.get(metric)) {
            (Some(base), Some(new)) => series.worse.push(log_ratio(*base, *new) * way.worse()),
            // Neither has it: the pair says nothing.
            (None, None) => {}
            _ => series.lonely += 1,
        }
        series.gone &= pair.base.contains_key(metric) && !pair.new.contains_key(metric);
    }
    Some(series)
}

/// ln(new / base). Where one is zero it is infinite, and ranks and medians bear that.
fn log_ratio(base: f64, new: f64) -> f64 {
    if base == new { 0.0 } else { (new / base).ln() }
}

/// Decides all series together. Series of nothing but zeros are the same on both sides and can give no
/// false alarm, so they do not count among the tests (Tarone 1990).
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

/// What a median log ratio with its interval and p means; the bad side is above zero.
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
    // Back from logarithms, and from the bad side to the sign of the change.
    let effect = |log: f64| (log * series.way.worse()).exp() - 1.0;
    let (one, other) = (effect(decision.interval.0), effect(decision.interval.1));
    let known = series.lonely == 0 && !series.worse.is_empty();
    let finite = |value: f64| (known && value.is_finite()).then_some(value);
    ComparedMetric {
        point: String::new(),
        group: None,
        metric: metric.clone(),
        unit: unit(metric).to_owned(),
        better: Some(series.way),
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
