//! How a run came out, in a word.

use std::collections::BTreeMap;

use crate::read::{RunFile, SweptRun, Threshold};

/// The outcome of a run or of a sweep, from the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Conclusive, and every threshold is met.
    Pass,
    /// Its figures can't be relied on.
    Inconclusive,
    /// A threshold is not met.
    Threshold,
    /// A signal ended it.
    Interrupted,
    /// An error ended it.
    Failed,
}

impl Verdict {
    /// The verdict of a folder. Older files do not say it, so that it follows from what they do.
    pub fn of(about: &RunFile) -> Verdict {
        let derived = || {
            let doubted = about.runs.iter().any(|run| !run.inconclusive.is_empty());
            if about.failure.is_some() {
                Verdict::Failed
            } else if about.interrupted {
                Verdict::Interrupted
            } else if doubted || !about.inconclusive.is_empty() {
                Verdict::Inconclusive
            } else if about.thresholds.iter().any(missed) {
                Verdict::Threshold
            } else {
                Verdict::Pass
            }
        };
        about.verdict.as_deref().and_then(Verdict::parse).unwrap_or_else(derived)
    }

    /// The worst verdict of the runs of each point, where the file says more than nothing of any.
    pub(crate) fn of_points(about: &RunFile) -> BTreeMap<u64, Verdict> {
        let derived = |run: &SweptRun| {
            let doubted = (!run.inconclusive.is_empty()).then_some(Verdict::Inconclusive);
            doubted.or_else(|| run.thresholds.iter().any(missed).then_some(Verdict::Threshold))
        };
        let mut worst: BTreeMap<u64, Verdict> = BTreeMap::new();
        for run in &about.runs {
            let said = run.verdict.as_deref().and_then(Verdict::parse);
            if let Some(verdict) = said.or_else(|| derived(run)) {
                worst.entry(run.point).and_modify(|w| *w = verdict.max(*w)).or_insert(verdict);
            }
        }
        worst
    }

    fn parse(word: &str) -> Option<Verdict> {
        match word {
            "pass" => Some(Verdict::Pass),
            "threshold" => Some(Verdict::Threshold),
            "inconclusive" => Some(Verdict::Inconclusive),
            "interrupted" => Some(Verdict::Interrupted),
            "failed" => Some(Verdict::Failed),
            _ => None,
        }
    }

    /// In words, with a sign so that nobody depends on colour.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Pass => "✓ Pass",
            Verdict::Threshold => "✗ Threshold not met",
            Verdict::Inconclusive => "? Inconclusive",
            Verdict::Interrupted => "◼ Interrupted",
            Verdict::Failed => "! Failed",
        }
    }

    /// The class of its badge.
    pub fn class(self) -> &'static str {
        match self {
            Verdict::Pass => "good",
            Verdict::Threshold | Verdict::Failed => "bad",
            Verdict::Inconclusive | Verdict::Interrupted => "unsure",
        }
    }
}

fn missed(threshold: &Threshold) -> bool {
    threshold.met == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Verdict {
        Verdict::of(&serde_json::from_str(json).expect("it is a run.json"))
    }

    #[test]
    fn what_the_file_says_counts() {
        assert_eq!(of(r#"{"verdict": "threshold"}"#), Verdict::Threshold);
    }

    #[test]
    fn a_file_that_does_not_say_it_tells_it_all_the_same() {
        assert_eq!(of("{}"), Verdict::Pass);
        assert_eq!(of(r#"{"interrupted": true, "inconclusive": ["late"]}"#), Verdict::Interrupted);
        assert_eq!(of(r#"{"failure": "no socket"}"#), Verdict::Failed);
        assert_eq!(of(r#"{"inconclusive": ["late"]}"#), Verdict::Inconclusive);
        assert_eq!(of(r#"{"runs": [{"inconclusive": ["late"]}]}"#), Verdict::Inconclusive);
        assert_eq!(of(r#"{"thresholds": [{"met": false}]}"#), Verdict::Threshold);
        assert_eq!(of(r#"{"verdict": "of another time"}"#), Verdict::Pass);
    }

    #[test]
    fn a_point_is_as_good_as_its_worst_run() {
        let about = r#"{"runs": [
            {"point": 1, "verdict": "pass"},
            {"point": 1, "verdict": "threshold"},
            {"point": 2, "verdict": "pass"},
            {"point": 3}
        ]}"#;
        let about = serde_json::from_str(about).expect("it is a run.json");
        let expected = [(1, Verdict::Threshold), (2, Verdict::Pass)];
        assert_eq!(Verdict::of_points(&about), BTreeMap::from(expected));
    }
}
