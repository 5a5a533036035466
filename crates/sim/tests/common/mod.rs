//! Helpers for tests of whole runs, whose figures are compared with closed forms.

use skipbeat_measure::{Figures, Results};
use skipbeat_scenario::Plan;

/// Runs a scenario and checks that its ledgers close.
pub(crate) fn run(text: &str) -> Results {
    let plan = Plan::parse("test.toml", text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let results = skipbeat_sim::run(&plan, &mut |_| true);
    assert_eq!(results.doubts, [], "{text}");
    results
}

/// The value of a figure, which must be defined.
pub(crate) fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or_else(|| panic!("{name} is undefined"))
}

/// Checks a figure against its closed form.
pub(crate) fn close(what: &str, got: f64, expected: f64, interval: f64) {
    println!("{what:<44} expected {expected:<12.6} got {got:<12.6} ± {interval:.6}");
    assert!(
        (got - expected).abs() <= interval,
        "{what}: expected {expected}, got {got}, interval ± {interval}"
    );
}
