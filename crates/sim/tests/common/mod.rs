//! Helpers for tests of whole runs: run a scenario, read figures, compare them within an interval.

use skipbeat_measure::{Figures, Results};
use skipbeat_scenario::Plan;

/// Runs a scenario. Its ledger must close, and there must be no other reason to doubt it.
pub(crate) fn run(text: &str) -> Results {
    let plan = Plan::parse("test.toml", text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let results = skipbeat_sim::run(&plan, &mut |_| true);
    assert_eq!(results.doubts, [], "{text}");
    results
}

/// The value of a metric, which must be defined.
pub(crate) fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or_else(|| panic!("{name} is undefined"))
}

/// Checks a figure against its closed form.
pub(crate) fn close(what: &str, simulated: f64, expected: f64, interval: f64) {
    println!("{what:<44} expected {expected:<12.6} simulated {simulated:<12.6} ± {interval:.6}");
    assert!(
        (simulated - expected).abs() <= interval,
        "{what}: {simulated}, expected {expected} ± {interval}"
    );
}
