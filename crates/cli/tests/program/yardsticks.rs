//! The benchmark scenarios give the figures that theory predicts.

use crate::support::{Bench, shipped};

#[test]
fn a_heartbeat_only_run_makes_as_many_mistakes_as_theory_says() {
    let bench = Bench::new();
    let run = bench.summary(&shipped("bench/w1-100k.toml"), &["--out", "out", "--quiet"]);
    let evictions = run.get("false_evictions");
    assert!((24_500.0..=24_950.0).contains(&evictions), "{evictions}");
    assert_eq!(run.get("unexplained"), 0.0);
}

#[test]
fn a_room_is_reordered_as_much_as_the_closed_form_says() {
    let bench = Bench::new();
    let arguments = ["--out", "out", "--quiet", "--replications", "6"];
    bench.summary(&shipped("bench/w2.toml"), &arguments);
    let mean: f64 = bench.cell("out/sweep.csv", "reordered_ratio_mean").parse().expect("a number");
    let half: f64 = bench.cell("out/sweep.csv", "reordered_ratio_ci95").parse().expect("a number");
    let expected = reordered(95.0 * 0.95 * 0.020);
    assert!((expected - 0.3843).abs() < 1e-4, "{expected}");
    assert!(half < 0.01 && (mean - expected).abs() <= half, "{mean} ± {half}, {expected}");
}

/// The probability that a datagram of a Poisson stream with exponential delays is reordered, where
/// `a` datagrams come per mean delay: `1 - E[exp(-a(u - 1 + e^-u))]` with u exponential of mean 1,
/// integrated by the midpoint rule.
fn reordered(a: f64) -> f64 {
    const STEP: f64 = 1e-3;
    let term = |k: u32| {
        let u = (f64::from(k) + 0.5) * STEP;
        (-a * (u - 1.0 + (-u).exp()) - u).exp() * STEP
    };
    1.0 - (0..40_000).map(term).sum::<f64>()
}
