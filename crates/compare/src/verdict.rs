//! What a verdict consists of. It is the JSON that `--format json` prints, version 1, and what all
//! other formats are made of.

use schemars::JsonSchema;
use serde::Serialize;
use skipbeat_measure::{Better, Outcome, Unit};

/// The version of the JSON: raised when a name in it changes its meaning.
const VERSION: u32 = 1;

/// Everything that was judged, and what it comes to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Verdict {
    /// The version of this form.
    pub version: u32,
    /// The version of the program.
    pub skipbeat: String,
    /// The worst of the scenarios.
    pub conclusion: Conclusion,
    /// What the program ends with.
    pub exit_code: u8,
    /// Each scenario.
    pub scenarios: Vec<ScenarioVerdict>,
}

impl Verdict {
    /// The verdict on scenarios; `exit_code` says with what the program ends.
    pub fn new(
        skipbeat: &str,
        scenarios: Vec<ScenarioVerdict>,
        exit_code: impl Fn(Conclusion) -> u8,
    ) -> Self {
        let worst = scenarios.iter().map(|scenario| scenario.conclusion).max();
        let conclusion = worst.unwrap_or(Conclusion::Pass);
        Verdict {
            version: VERSION,
            skipbeat: skipbeat.to_owned(),
            conclusion,
            exit_code: exit_code(conclusion),
            scenarios,
        }
    }
}

/// What something comes to, from the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Thresholds are met, nothing got worse.
    Pass,
    /// It can't be said.
    Inconclusive,
    /// Something got worse, or behaves differently where it must not.
    Regression,
    /// A threshold is not met.
    Threshold,
    /// Somebody ended it.
    Interrupted,
    /// It failed.
    Failed,
}

impl Conclusion {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Conclusion::Pass => "pass",
            Conclusion::Inconclusive => "inconclusive",
            Conclusion::Regression => "regression",
            Conclusion::Threshold => "threshold not met",
            Conclusion::Interrupted => "interrupted",
            Conclusion::Failed => "failed",
        }
    }
}

impl From<Outcome> for Conclusion {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Conclusion::Pass,
            Outcome::Threshold => Conclusion::Threshold,
            Outcome::Inconclusive => Conclusion::Inconclusive,
            Outcome::Interrupted => Conclusion::Interrupted,
            Outcome::Failed => Conclusion::Failed,
        }
    }
}

/// What became of one scenario.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ScenarioVerdict {
    /// Its name.
    pub scenario: String,
    /// `sim` or `net`.
    pub mode: String,
    /// The worst of what follows.
    pub conclusion: Conclusion,
    /// Every threshold of every run.
    pub thresholds: Vec<ThresholdCase>,
    /// Against what it was compared, and how that came out; nothing where there was no comparison.
    pub comparison: Option<Comparison>,
    /// Why its figures can't be relied on, or why there are none.
    pub reasons: Vec<String>,
    /// What has to be known beside that.
    pub notes: Vec<String>,
    /// Its figures that have a good and a bad side, mean over replications.
    pub figures: Vec<Figure>,
    /// The folder with its result files.
    pub results: Option<String>,
}

impl ScenarioVerdict {
    /// A pass on a scenario of which nothing is known that speaks against it.
    pub fn new(scenario: &str, mode: &str) -> Self {
        ScenarioVerdict {
            scenario: scenario.to_owned(),
            mode: mode.to_owned(),
            conclusion: Conclusion::Pass,
            thresholds: Vec::new(),
            comparison: None,
            reasons: Vec::new(),
            notes: Vec::new(),
            figures: Vec::new(),
            results: None,
        }
    }
}

/// A threshold and what came.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ThresholdCase {
    /// The point of the sweep, in words; empty where there is but one.
    pub point: String,
    /// The replication, from 0.
    pub replication: u32,
    /// The group, where it is about one.
    pub group: Option<String>,
    /// The column of `summary.csv`.
    pub metric: String,
    /// What it has to be.
    pub condition: String,
    /// What it is; nothing where it is undefined.
    pub actual: Option<f64>,
    /// Whether it is met; nothing where it is undefined, or the run did not come to its end.
    pub met: Option<bool>,
}

/// One figure.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Figure {
    /// The point of the sweep, in words; empty where there is but one.
    pub point: String,
    /// The column of `summary.csv`.
    pub metric: String,
    /// `s`, `ratio`, `per s` or `count`.
    pub unit: String,
    /// Which way it should go.
    pub better: Way,
    /// The figure, or its mean over replications.
    pub value: f64,
    /// The least and the greatest over replications; nothing of one run.
    pub range: Option<[f64; 2]>,
}

/// Figures beside each other.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Comparison {
    /// How they were come by.
    pub design: Design,
    /// What is compared with.
    pub base: String,
    /// What is judged.
    pub new: String,
    /// How many pairs of runs there are.
    pub pairs: usize,
    /// The smallest effect that matters, as a share: 0.02 are 2 %. Nothing where figures are exact.
    pub minimum_effect: Option<f64>,
    /// What it comes to.
    pub conclusion: Conclusion,
    /// Each metric.
    pub rows: Vec<ComparedMetric>,
    /// What has to be known beside that.
    pub notes: Vec<String>,
}

/// How figures to be compared were come by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Simulated with the same seeds: what differs, differs.
    Exact,
    /// Measured in pairs, one right after the other, in random order.
    InterleavedPairs,
    /// Measured one block after the other: what differs may be the machine.
    Blocks,
}

/// A metric of both sides.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ComparedMetric {
    /// The point of the sweep, in words; empty where there is but one.
    pub point: String,
    /// The group; nothing for all together.
    pub group: Option<String>,
    /// The metric.
    pub metric: String,
    /// `s`, `ratio`, `per s`, `count`, `ns` or `bytes`.
    pub unit: String,
    /// Which way it should go; nothing where it has no better side.
    pub better: Option<Way>,
    /// Whether it has a say in the conclusion.
    pub judged: bool,
    /// The median of the base.
    pub base: Option<f64>,
    /// The median of the new.
    pub new: Option<f64>,
    /// new / base - 1, median over pairs; nothing where that is undefined or infinite.
    pub effect: Option<f64>,
    /// Where it lies: in pairs a 95 % bootstrap interval, of seeds the least and the greatest.
    pub interval: Option<[f64; 2]>,
    /// Wilcoxon's p, by Holm's correction over all judged metrics.
    pub p: Option<f64>,
    /// What that means.
    pub finding: Finding,
}

/// Which way a figure should go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The more, the better.
    Higher,
    /// The less, the better.
    Lower,
}

impl Way {
    /// Of a metric.
    pub fn of(better: Better) -> Option<Self> {
        match better {
            Better::Higher => Some(Way::Higher),
            Better::Lower => Some(Way::Lower),
            Better::Neither => None,
        }
    }

    /// 1 where more is worse, -1 where less is.
    pub(crate) fn worse(self) -> f64 {
        match self {
            Way::Higher => -1.0,
            Way::Lower => 1.0,
        }
    }
}

/// What a comparison says of a metric; what has to be looked at comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is worse.
    Worse,
    /// It is another, and has no better side.
    Changed,
    /// It may be better, the same or worse.
    CannotTell,
    /// It is better.
    Better,
    /// It is the same, or differs by less than matters.
    Same,
}

impl Finding {
    /// The words for people.
    pub const fn name(self) -> &'static str {
        match self {
            Finding::Better => "better",
            Finding::Worse => "worse",
            Finding::Same => "same",
            Finding::Changed => "changed",
            Finding::CannotTell => "cannot tell",
        }
    }
}

/// The JSON schema of a [`Verdict`].
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    generator.into_generator().into_root_schema_for::<Verdict>().to_value()
}

/// The unit of a metric, for programs.
pub(crate) fn unit(metric: &str) -> &'static str {
    match skipbeat_measure::metric(metric).map(|metric| metric.unit) {
        Some(Unit::Seconds) => "s",
        Some(Unit::Ratio) => "ratio",
        Some(Unit::PerSecond) => "per s",
        Some(Unit::Count) => "count",
        Some(Unit::Number) => "number",
        None if metric.ends_with("_bytes") => "bytes",
        None => "ns",
    }
}

/// Which way a metric should go; a cost should go down.
pub(crate) fn way(metric: &str) -> Option<Way> {
    match skipbeat_measure::metric(metric) {
        Some(known) => Way::of(known.better),
        None => Some(Way::Lower),
    }
}

/// A figure in its unit, for people.
pub fn show(unit: &str, value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match unit {
        "ns" if value >= 1e5 => format!("{:.1} µs", value / 1e3),
        "ns" => format!("{value:.1} ns"),
        "bytes" => format!("{:.1} MB", value / 1e6),
        _ => {
            let unit = match unit {
                "s" => Unit::Seconds,
                "ratio" => Unit::Ratio,
                "per s" => Unit::PerSecond,
                "count" => Unit::Count,
                _ => Unit::Number,
            };
            skipbeat_report::show(unit, Some(value))
        }
    }
}
