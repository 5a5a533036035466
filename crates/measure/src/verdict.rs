//! How a run ended. The headline, the exit code, `run.json` and the page are all made from this one
//! value, so they can't disagree.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, number};

use crate::threshold::Judged;

/// What a run comes to, from the best to the worst.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its figures can be relied on, and there was no threshold that they had to meet.
    NothingRequired,
    /// Its figures can be relied on, and every threshold is met.
    Pass,
    /// Its figures can't be relied on, or one that a threshold requires is undefined.
    Inconclusive,
    /// Something is worse than the base, or behaves differently where it must not.
    Regression,
    /// A threshold is not met.
    Threshold,
    /// A signal ended it.
    Interrupted,
    /// It failed in the middle.
    Failed,
}

impl Outcome {
    /// Every outcome, from the best to the worst.
    pub const ALL: [Outcome; 7] = [
        Outcome::NothingRequired,
        Outcome::Pass,
        Outcome::Inconclusive,
        Outcome::Regression,
        Outcome::Threshold,
        Outcome::Interrupted,
        Outcome::Failed,
    ];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::NothingRequired => "nothing-required",
            Outcome::Pass => "pass",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Regression => "regression",
            Outcome::Threshold => "threshold",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed => "failed",
        }
    }

    /// The words for display.
    pub const fn words(self) -> &'static str {
        match self {
            Outcome::NothingRequired => "nothing required",
            Outcome::Threshold => "threshold not met",
            other => other.name(),
        }
    }

    /// A sign for those who don't see colours.
    pub const fn sign(self) -> &'static str {
        match self {
            Outcome::NothingRequired => "○",
            Outcome::Pass => "✓",
            Outcome::Inconclusive => "?",
            Outcome::Regression | Outcome::Threshold => "✗",
            Outcome::Interrupted => "◼",
            Outcome::Failed => "!",
        }
    }

    /// How it is presented: as good, bad, or neither.
    pub const fn tone(self) -> Tone {
        match self {
            Outcome::Pass => Tone::Good,
            Outcome::NothingRequired => Tone::Plain,
            Outcome::Inconclusive | Outcome::Interrupted => Tone::Unsure,
            Outcome::Regression | Outcome::Threshold | Outcome::Failed => Tone::Bad,
        }
    }

    /// Whether the program ends with success.
    pub const fn succeeds(self) -> bool {
        matches!(self, Outcome::NothingRequired | Outcome::Pass)
    }

    /// The worst of several; a run with nothing to meet makes no other one worse.
    pub fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
        outcomes.into_iter().max().unwrap_or(Outcome::NothingRequired)
    }
}

/// How an outcome or a finding is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Neither good nor bad.
    Plain,
    /// It can't be judged.
    Unsure,
    /// As it should not be.
    Bad,
}

/// How a run ended, and why.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunVerdict {
    /// The verdict in one word.
    pub outcome: Outcome,
    /// Every threshold and how it was judged.
    pub thresholds: Vec<Judged>,
    /// Why its figures can't be relied on.
    pub doubts: Vec<String>,
    /// The threshold that ended it early.
    #[serde(deserialize_with = "Option::deserialize")]
    pub stopped_by: Option<String>,
    /// The error that ended the run.
    #[serde(deserialize_with = "Option::deserialize")]
    pub failure: Option<String>,
    /// When it ended, in seconds of its own time, if that was before its planned end.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ended_early_at_s: Option<f64>,
}

impl RunVerdict {
    /// The verdict on a run with these judged thresholds and these doubts.
    ///
    /// A run that was ended by a threshold did not meet it, whatever its final figures are.
    pub fn new(
        thresholds: Vec<Judged>,
        doubts: Vec<String>,
        stopped_by: Option<String>,
        ended_early_at_s: Option<f64>,
    ) -> Self {
        let any = |met: Option<bool>| thresholds.iter().any(|judged| judged.met == met);
        let outcome = if !doubts.is_empty() {
            Outcome::Inconclusive
        } else if stopped_by.is_some() || any(Some(false)) {
            Outcome::Threshold
        } else if any(None) {
            Outcome::Inconclusive
        } else if thresholds.is_empty() {
            Outcome::NothingRequired
        } else {
            Outcome::Pass
        };
        RunVerdict { outcome, thresholds, doubts, stopped_by, failure: None, ended_early_at_s }
    }

    /// The verdict if a signal ended the run. No threshold is judged, because most of what they
    /// require may have been still to come.
    pub fn interrupted(self) -> Self {
        RunVerdict { outcome: Outcome::Interrupted, ..self.unjudged() }
    }

    /// The verdict if the run failed.
    pub fn failed(self, failure: String) -> Self {
        RunVerdict { outcome: Outcome::Failed, failure: Some(failure), ..self.unjudged() }
    }

    fn unjudged(mut self) -> Self {
        self.thresholds.iter_mut().for_each(|judged| judged.met = None);
        self
    }

    /// How many thresholds are met.
    pub fn met(&self) -> usize {
        self.thresholds.iter().filter(|judged| judged.met == Some(true)).count()
    }

    /// The outcome in a sentence, which terminal and page share.
    pub fn reason(&self) -> String {
        let missed = self.thresholds.iter().filter(|judged| judged.met == Some(false)).count();
        let count = self.thresholds.len();
        match self.outcome {
            Outcome::NothingRequired => {
                "no threshold was set; the figures can be relied on".to_owned()
            }
            Outcome::Pass if count == 1 => "the threshold is met".to_owned(),
            Outcome::Pass => format!("all {count} thresholds are met"),
            Outcome::Threshold => match (&self.stopped_by, missed) {
                (Some(threshold), _) => format!("the run was stopped: not met: {threshold}"),
                (None, 1) if count == 1 => "the threshold is not met".to_owned(),
                (None, 1) => format!("1 of {count} thresholds is not met"),
                (None, _) => format!("{missed} of {count} thresholds are not met"),
            },
            Outcome::Inconclusive if self.doubts.is_empty() => {
                "a figure that a threshold requires is undefined".to_owned()
            }
            Outcome::Inconclusive => "the figures can't be relied on".to_owned(),
            Outcome::Regression => "something is worse than the base".to_owned(),
            Outcome::Interrupted => {
                "a signal ended the run; these are the figures up to then".to_owned()
            }
            Outcome::Failed => match &self.failure {
                Some(failure) => format!("the run ended early: {failure}"),
                None => "an error ended the run".to_owned(),
            },
        }
    }
}

/// Why figures of a run can't be relied on.
#[derive(Clone, PartialEq, Debug)]
pub enum Doubt {
    /// The ledger does not close.
    Unexplained {
        /// By how many datagrams or deliveries.
        count: i64,
    },
    /// The swarm did not keep its schedule.
    Late {
        /// The 99th percentile of the lateness in seconds.
        p99_s: f64,
        /// The limit.
        limit: Span,
    },
    /// The swarm's own receive buffer overflowed.
    SwarmDrops {
        /// Datagrams lost there.
        count: u64,
    },
    /// The server that the run started ended before it was asked to.
    ServerEnded {
        /// Its program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The swarm's sockets did not take what clients sent.
    NotSent {
        /// Datagrams that were not sent.
        count: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Unexplained { count } => write!(
                f,
                "the ledger does not close: {count} unexplained; this is a defect of skipbeat or \
                 of a counter it relies on"
            ),
            Doubt::Late { p99_s, limit } => write!(
                f,
                "the generator was late: 99 % of datagrams were sent within {} of their time, \
                 {limit} is allowed; use fewer clients, a lower rate or a quieter machine, or \
                 raise swarm.lateness_limit",
                number::span(*p99_s)
            ),
            Doubt::SwarmDrops { count } => write!(
                f,
                "the swarm's receive buffer overflowed: {count} datagrams lost on our side; raise \
                 swarm.receive_buffer (and net.core.rmem_max) or send less"
            ),
            Doubt::ServerEnded { program, status } => {
                write!(f, "the server command {program:?} ended in the middle of the run: {status}")
            }
            Doubt::NotSent { count } => write!(
                f,
                "the kernel did not take {count} datagrams of the swarm; send less or raise \
                 net.core.wmem_max"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Threshold;

    fn outcome(met: &[Option<bool>], doubts: &[&str]) -> Outcome {
        let threshold = Threshold::parse("clients", "> 1").unwrap();
        let judged = |met: &Option<bool>| Judged::new(&threshold, None, *met);
        let doubts = doubts.iter().map(ToString::to_string).collect();
        RunVerdict::new(met.iter().map(judged).collect(), doubts, None, None).outcome
    }

    #[test]
    fn a_doubt_weighs_more_than_a_threshold_and_that_more_than_an_unknown_figure() {
        assert_eq!(outcome(&[Some(true)], &[]), Outcome::Pass);
        assert_eq!(outcome(&[None, Some(false)], &[]), Outcome::Threshold);
        assert_eq!(outcome(&[None, Some(true)], &[]), Outcome::Inconclusive);
        assert_eq!(outcome(&[Some(false)], &["late"]), Outcome::Inconclusive);
    }

    #[test]
    fn a_run_without_thresholds_passes_nothing() {
        assert_eq!(outcome(&[], &[]), Outcome::NothingRequired);
        assert_eq!(outcome(&[], &["late"]), Outcome::Inconclusive);
        let both = [Outcome::NothingRequired, Outcome::Pass];
        assert_eq!(Outcome::worst(both), Outcome::Pass);
        assert_eq!(Outcome::worst([]), Outcome::NothingRequired);
    }

    #[test]
    fn names_are_those_of_the_files() {
        for outcome in Outcome::ALL {
            let written = serde_json::to_string(&outcome).unwrap();
            assert_eq!(written, format!("{:?}", outcome.name()));
        }
    }
}
