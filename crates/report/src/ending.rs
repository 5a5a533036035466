//! How a run ended: what became of its thresholds, and what ended it early.

use skipbeat_core::Time;
use skipbeat_measure::{Figures, Judged, Outcome};
use skipbeat_scenario::Plan;

/// How a run ended, beside its results.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Every threshold.
    pub judged: Vec<Judged>,
    /// All in one word.
    pub outcome: Outcome,
    /// The threshold that ended it early.
    pub stopped_by: Option<String>,
    /// What went wrong in the middle.
    pub failure: Option<String>,
}

impl Ending {
    /// The end of a run with these figures, which can be relied on if `certain`.
    pub fn new(plan: &Plan, whole: &Figures, groups: &[Figures], certain: bool) -> Self {
        let judged = plan.judge(whole, groups);
        let outcome = Outcome::of(&judged, certain);
        Ending { judged, outcome, stopped_by: None, failure: None }
    }

    /// The same of a run that a threshold ended. What was under way then may count again when the
    /// books are closed; the threshold was not met all the same.
    pub fn stopped_by(self, threshold: Option<String>) -> Self {
        let outcome = match (self.outcome, &threshold) {
            (Outcome::Pass, Some(_)) => Outcome::Threshold,
            (outcome, _) => outcome,
        };
        Ending { outcome, stopped_by: threshold, ..self }
    }

    /// The same of a run that somebody ended.
    pub fn interrupted(self) -> Self {
        Ending { outcome: Outcome::Interrupted, ..self }
    }

    /// The same of a run that failed.
    pub fn failed(self, failure: String) -> Self {
        Ending { outcome: Outcome::Failed, failure: Some(failure), ..self }
    }

    /// What ended it before its time, in words.
    pub(crate) fn early(&self, ended: Time) -> Option<String> {
        let at = ended.seconds();
        match (&self.stopped_by, self.outcome) {
            (Some(threshold), _) => Some(format!("stopped at {at:.1} s: not met: {threshold}\n")),
            (None, Outcome::Interrupted) => Some(format!("interrupted at {at:.1} s\n")),
            _ => None,
        }
    }
}
