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
    /// The end of a run with these figures, which can be relied on if `certain`, and which a threshold
    /// may have ended early. What was under way then may count again when the books are closed; the
    /// threshold was not met all the same.
    pub fn new(
        plan: &Plan,
        whole: &Figures,
        groups: &[Figures],
        certain: bool,
        stopped_by: Option<String>,
    ) -> Self {
        let judged = plan.judge(whole, groups);
        let outcome = match &stopped_by {
            Some(_) if certain => Outcome::Threshold,
            _ => Outcome::of(&judged, certain),
        };
        Ending { judged, outcome, stopped_by, failure: None }
    }

    /// The same of a run that somebody ended.
    pub fn interrupted(self) -> Self {
        Ending { outcome: Outcome::Interrupted, ..self.unjudged() }
    }

    /// The same of a run that failed.
    pub fn failed(self, failure: String) -> Self {
        Ending { outcome: Outcome::Failed, failure: Some(failure), ..self.unjudged() }
    }

    /// A run that was to go on says nothing of what it has to come to: most of it is still under way.
    fn unjudged(mut self) -> Self {
        self.judged.iter_mut().for_each(|judged| judged.met = None);
        self
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
