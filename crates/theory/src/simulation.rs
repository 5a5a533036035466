//! The parameters that most experiments share, and how they run a scenario.

use skipbeat_measure::{Figures, Results};
use skipbeat_scenario::Plan;

/// h: the heartbeat period in seconds.
pub(crate) const H: f64 = 5.0;
/// T: the timeout in seconds, unless a row gives another.
pub(crate) const T: f64 = 10.0;
/// d: the constant delay in seconds.
pub(crate) const D: f64 = 0.05;
/// p: the probability of loss towards the server, where there is loss.
pub(crate) const P: f64 = 0.1;
/// q: the probability of loss from the server, where there is loss.
pub(crate) const Q: f64 = 0.1;

/// Runs a scenario, given as TOML, in virtual time.
pub(crate) fn run(text: &str) -> Results {
    let plan = Plan::parse("theory", text, &[]);
    let plan = plan.unwrap_or_else(|e| unreachable!("the scenario is ours: {e}\n{text}"));
    skipbeat_sim::run(&plan, &mut |_| true)
}

/// The value of a metric, or NaN if the run has no basis for it. A row with NaN has
/// [`TooFew`](crate::Agreement::TooFew) samples.
pub(crate) fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or(f64::NAN)
}
