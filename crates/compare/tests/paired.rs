//! Interleaved pairs with simulated noise: noise alone is no regression, a planted slowdown is one,
//! and a comparison that can't tell does not pass.

use std::collections::BTreeMap;

use skipbeat_compare::{Finding, Pair, Rule, compare_pairs, noise};
use skipbeat_core::{Seed, normal_quantile, unit};
use skipbeat_measure::Outcome;

/// The figures of each run: two that vary with the machine, and one that never changes.
const METRICS: [&str; 3] = ["server_ns_per_datagram", "latency_p99_s", "delivery_ratio"];

fn rule(trial: u64) -> Rule {
    Rule {
        judged: METRICS.map(str::to_owned).to_vec(),
        minimum_effect: 0.02,
        visible: BTreeMap::new(),
        seed: Seed(trial),
    }
}

/// Pairs whose first two figures have log-normal noise of deviation `sigma`, a drift of the machine
/// that both sides share, and on the new side the factor `slower`.
fn pairs(trial: u64, count: u64, sigma: f64, slower: f64) -> Vec<Pair> {
    let draws = Seed(trial).family("test.pairs");
    let normal = |pair: u64, draw: u64| normal_quantile(unit(draws.stream(pair).bits(draw)));
    let side = |pair: u64, first: u64, slower: f64| {
        let drift = (0.2 * normal(pair, 9)).exp();
        let value = |draw: u64| drift * slower * (sigma * normal(pair, first + draw)).exp();
        let values = [value(0), value(1), 0.91];
        METRICS.iter().map(|metric| (*metric).to_owned()).zip(values).collect()
    };
    let pair = |pair| Pair { base: side(pair, 0, 1.0), new: side(pair, 2, slower) };
    (0..count).map(pair).collect()
}

/// How often each outcome comes out in this many trials of 20 pairs.
fn conclusions(trials: u64, sigma: f64, slower: f64) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    for trial in 0..trials {
        let pairs = pairs(trial, 20, sigma, slower);
        let outcome = compare_pairs(["a", "b"], &pairs, &rule(trial)).outcome;
        *counts.entry(outcome.name()).or_default() += 1;
    }
    counts
}

#[test]
fn a_binary_against_itself_is_a_regression_in_at_most_one_of_twenty_trials() {
    let quiet = conclusions(200, 0.01, 1.0);
    assert_eq!(quiet.get("regression"), None, "{quiet:?}");
    assert!(quiet["pass"] > 190, "{quiet:?}");
    // With noise far above the minimum effect most trials are inconclusive: they may not pass
    // either.
    let loud = conclusions(200, 0.1, 1.0);
    assert!(loud.get("regression").copied().unwrap_or(0) <= 10, "{loud:?}");
    assert!(loud["inconclusive"] >= 180, "{loud:?}");
}

#[test]
fn five_per_cent_more_is_a_regression_and_one_per_cent_is_not() {
    let slower = conclusions(100, 0.01, 1.05);
    assert_eq!(slower, BTreeMap::from([("regression", 100)]));
    let little = conclusions(100, 0.005, 1.01);
    assert_eq!(little.get("regression"), None, "{little:?}");
    let faster = pairs(1, 20, 0.01, 0.9);
    let comparison = compare_pairs(["a", "b"], &faster, &rule(1));
    assert_eq!(comparison.outcome, Outcome::Pass);
    assert_eq!(comparison.rows[0].finding, Finding::Better);
    assert!((comparison.rows[0].effect.unwrap() + 0.1).abs() < 0.02);
}

#[test]
fn a_figure_that_never_changes_does_not_count_in_the_correction_for_many_tests() {
    let comparison = compare_pairs(["a", "b"], &pairs(3, 8, 0.001, 1.05), &rule(3));
    let by_name = |name| comparison.rows.iter().find(|row| row.metric == name).unwrap();
    // The smallest p of 8 pairs is 2/2^8, and the correction for two tests doubles it.
    assert_eq!(by_name("latency_p99_s").p, Some(4.0 / 256.0));
    let same = by_name("delivery_ratio");
    assert_eq!((same.p, same.finding, same.effect), (None, Finding::Same, Some(0.0)));
}

#[test]
fn a_figure_that_rises_from_zero_is_worse_without_a_relative_effect() {
    let one = |count: f64| BTreeMap::from([("false_evictions".to_owned(), count)]);
    let pairs: Vec<Pair> =
        (0..10).map(|n| Pair { base: one(0.0), new: one(f64::from(n) + 1.0) }).collect();
    let rule = Rule { judged: vec!["false_evictions".to_owned()], ..rule(1) };
    let comparison = compare_pairs(["a", "b"], &pairs, &rule);
    let row = &comparison.rows[0];
    assert_eq!((row.finding, row.effect, row.interval), (Finding::Worse, None, None));
    assert_eq!(comparison.outcome, Outcome::Regression);
}

#[test]
fn a_metric_missing_on_one_side_is_reported_and_does_not_pass() {
    let mut pairs = pairs(5, 10, 0.01, 1.0);
    pairs[4].new.remove("latency_p99_s");
    let by_name = |comparison: &skipbeat_compare::Comparison| {
        comparison.rows.iter().find(|row| row.metric == "latency_p99_s").unwrap().clone()
    };
    let comparison = compare_pairs(["a", "b"], &pairs, &rule(5));
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    assert_eq!(by_name(&comparison).finding, Finding::CannotTell);
    assert!(comparison.notes[0].contains("one side only in 1 of 10 pairs"));
    // A pair that lacks it on both sides is left out.
    pairs[4].base.remove("latency_p99_s");
    assert!(compare_pairs(["a", "b"], &pairs, &rule(5)).notes.is_empty());
    // A metric that the new side never has does not pass.
    for pair in &mut pairs {
        pair.new.remove("latency_p99_s");
    }
    pairs[4].base.insert("latency_p99_s".to_owned(), 1.0);
    let gone = compare_pairs(["a", "b"], &pairs, &rule(5));
    assert_eq!(gone.outcome, Outcome::Regression);
    assert_eq!((by_name(&gone).finding, by_name(&gone).effect), (Finding::Changed, None));
    let none = compare_pairs(["a", "b"], &[], &rule(5));
    assert_eq!(none.outcome, Outcome::Inconclusive);
}

#[test]
fn a_change_below_what_this_machine_can_see_is_inconclusive() {
    let visible = BTreeMap::from([("server_ns_per_datagram".to_owned(), 0.5)]);
    let judged = vec!["server_ns_per_datagram".to_owned()];
    let rule = Rule { visible, judged, ..rule(9) };
    let slower = compare_pairs(["a", "b"], &pairs(9, 20, 0.01, 1.2), &rule);
    assert_eq!(slower.outcome, Outcome::Inconclusive);
    let much_slower = compare_pairs(["a", "b"], &pairs(9, 20, 0.01, 1.8), &rule);
    assert_eq!(much_slower.outcome, Outcome::Regression);
    let same = compare_pairs(["a", "b"], &pairs(9, 20, 0.01, 1.0), &rule);
    assert_eq!(same.outcome, Outcome::Pass);
}

#[test]
fn six_pairs_are_reported_as_too_few_for_two_metrics() {
    let six = compare_pairs(["a", "b"], &pairs(2, 6, 0.001, 1.5), &rule(2));
    assert!(six.notes.iter().any(|note| note.contains("6 pairs are too few")), "{:?}", six.notes);
    assert_eq!(six.outcome, Outcome::Inconclusive);
}

#[test]
fn pairs_of_one_binary_tell_the_smallest_effect_that_can_be_seen() {
    let of = |sigma| noise(&pairs(7, 20, sigma, 1.0), &rule(7));
    let (quiet, loud) = (of(0.005), of(0.1));
    assert_eq!((quiet.pairs, quiet.trials), (20, 1000));
    assert!(quiet.false_alarms < 50 && loud.false_alarms < 50);
    let smallest = |noise: &skipbeat_compare::Noise, metric: &str| {
        let row = noise.metrics.iter().find(|row| row.metric == metric).unwrap();
        row.smallest_effect.unwrap()
    };
    let (few, many) =
        (smallest(&quiet, "server_ns_per_datagram"), smallest(&loud, "server_ns_per_datagram"));
    assert!((0.02..=0.03).contains(&few), "{few}");
    assert!((0.05..=0.2).contains(&many), "{many}");
    // Without noise it is the minimum effect itself.
    assert_eq!(smallest(&quiet, "delivery_ratio"), 0.02);
}
