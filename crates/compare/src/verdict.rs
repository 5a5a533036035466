//! The report of `check` and `compare`. `--format json` prints it as JSON (version 2), and all
//! other formats are made from it.

use schemars::JsonSchema;
use serde::Serialize;
use skipbeat_core::{Better, Unit};
use skipbeat_measure::{Metric, Outcome, Tone};

/// The version of the JSON: raised when a name in it changes its meaning.
const VERSION: u32 = 2;

/// The report: every scenario that was judged, and the overall outcome.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CheckReport {
    /// The version of this format.
    pub version: u32,
    /// The version of the program.
    pub skipbeat: String,
    /// The worst of the scenarios.
    pub outcome: Outcome,
    /// The exit code of the program.
    pub exit_code: u8,
    /// Each scenario.
    pub scenarios: Vec<ScenarioVerdict>,
}

impl CheckReport {
    /// The report on some scenarios; `exit_code` gives the program's exit code for an outcome.
    pub fn new(
        skipbeat: &str,
        scenarios: Vec<ScenarioVerdict>,
        exit_code: impl Fn(Outcome) -> u8,
    ) -> Self {
        let outcome = Outcome::worst(scenarios.iter().map(|scenario| scenario.outcome));
        CheckReport {
            version: VERSION,
            skipbeat: skipbeat.to_owned(),
            outcome,
            exit_code: exit_code(outcome),
            scenarios,
        }
    }
}

/// The verdict on one scenario.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ScenarioVerdict {
    /// Its name.
    pub scenario: String,
    /// `sim` or `net`.
    pub mode: String,
    /// The worst outcome of what follows.
    pub outcome: Outcome,
    /// Every threshold of every run.
    pub thresholds: Vec<ThresholdCase>,
    /// The comparison with a baseline; null if there was none.
    pub comparison: Option<Comparison>,
    /// Why its figures can't be relied on, or why there are none.
    pub reasons: Vec<String>,
    /// Further notes for the reader.
    pub notes: Vec<String>,
    /// Its figures that have a better direction: their means over replications.
    pub figures: Vec<Figure>,
    /// The folder with its result files.
    pub results: Option<String>,
}

impl ScenarioVerdict {
    /// A verdict to fill in: no results, and nothing required.
    pub fn new(scenario: &str, mode: &str) -> Self {
        ScenarioVerdict {
            scenario: scenario.to_owned(),
            mode: mode.to_owned(),
            outcome: Outcome::NothingRequired,
            thresholds: Vec::new(),
            comparison: None,
            reasons: Vec::new(),
            notes: Vec::new(),
            figures: Vec::new(),
            results: None,
        }
    }
}

/// A threshold and how it came out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ThresholdCase {
    /// The point of the sweep, as key=value pairs; empty if nothing is swept.
    pub point: String,
    /// The replication, from 0.
    pub replication: u32,
    /// The group; null if it is about all clients together.
    pub group: Option<String>,
    /// The column of `summary.csv`.
    pub metric: String,
    /// The condition that it must meet.
    pub required: String,
    /// The actual figure; null if it is undefined.
    pub actual: Option<f64>,
    /// Whether it is met; null if the figure is undefined or the run did not reach its end.
    pub met: Option<bool>,
}

/// One figure.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Figure {
    /// The point of the sweep, as key=value pairs; empty if nothing is swept.
    pub point: String,
    /// The column of `summary.csv`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is better.
    pub better: Better,
    /// The figure, or its mean over replications.
    pub value: f64,
    /// The least and the greatest over replications; null for a single run.
    pub range: Option<[f64; 2]>,
}

/// A comparison of figures.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Comparison {
    /// How the figures were obtained.
    pub design: Design,
    /// The base of the comparison.
    pub base: String,
    /// The side that is judged.
    pub new: String,
    /// How many pairs of runs there are.
    pub pairs: usize,
    /// The smallest effect that matters, as a share: 0.02 is 2 %. Null if any difference matters.
    pub minimum_effect: Option<f64>,
    /// The outcome of the comparison.
    pub outcome: Outcome,
    /// Each metric.
    pub rows: Vec<ComparedMetric>,
    /// Further notes for the reader.
    pub notes: Vec<String>,
}

/// How the compared figures were obtained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Simulated with the same seeds: any difference is real.
    Exact,
    /// Measured in pairs, one right after the other, in random order.
    InterleavedPairs,
    /// Measured one block after the other: a difference may come from the machine.
    Blocks,
}

/// A metric, compared between both sides.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ComparedMetric {
    /// The point of the sweep, as key=value pairs; empty if nothing is swept.
    pub point: String,
    /// The group; null for all clients together.
    pub group: Option<String>,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is better; null if neither is.
    pub better: Option<Better>,
    /// Whether it counts towards the outcome.
    pub judged: bool,
    /// The median of the base.
    pub base: Option<f64>,
    /// The median of the new.
    pub new: Option<f64>,
    /// new / base - 1, median over pairs; null if that is undefined or infinite.
    pub effect: Option<f64>,
    /// The interval of the effect: for pairs a 95 % bootstrap interval, for seeds the extremes.
    pub interval: Option<[f64; 2]>,
    /// The p-value of Wilcoxon's test, with Holm's correction over all judged metrics.
    pub p: Option<f64>,
    /// The finding.
    pub finding: Finding,
}

/// The finding on a metric; those that need attention come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is worse.
    Worse,
    /// It is different, and neither direction is better.
    Changed,
    /// It may be better, the same or worse: the data can't tell.
    CannotTell,
    /// It is better.
    Better,
    /// It is the same, or the difference is too small to matter.
    Same,
}

impl Finding {
    /// The tone to show it in. A change without a better direction is neither good nor bad, but
    /// needs a look.
    pub const fn tone(self) -> Tone {
        match self {
            Finding::Better => Tone::Good,
            Finding::Same => Tone::Plain,
            Finding::Changed | Finding::CannotTell => Tone::Unsure,
            Finding::Worse => Tone::Bad,
        }
    }

    /// A sign for readers who don't see colours.
    pub const fn sign(self) -> &'static str {
        match self {
            Finding::Better => "✓",
            Finding::Same => "=",
            Finding::Changed => "≠",
            Finding::CannotTell => "?",
            Finding::Worse => "✗",
        }
    }

    /// Its name, as shown to people.
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

/// The JSON schema of a [`CheckReport`].
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    generator.into_generator().into_root_schema_for::<CheckReport>().to_value()
}

/// A cost that is compared between the runs of a pair, but is not a metric of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// Every cost. Less of it is better.
pub const COSTS: [Cost; 3] = [
    Cost { name: "server_ns_per_datagram", unit: Unit::Nanoseconds },
    Cost { name: "ns_per_datagram", unit: Unit::Nanoseconds },
    Cost { name: "peak_memory_bytes", unit: Unit::Bytes },
];

/// The unit of a metric or a cost.
pub(crate) fn unit(name: &str) -> Unit {
    let cost = COSTS.iter().find(|cost| cost.name == name);
    let of_cost = cost.map_or(Unit::Number, |cost| cost.unit);
    Metric::named(name).map_or(of_cost, Metric::unit)
}

/// Which direction of a metric is better, if one is; a cost should go down.
pub(crate) fn better(name: &str) -> Option<Better> {
    match Metric::named(name) {
        Some(metric) => metric.better(),
        None => COSTS.iter().any(|cost| cost.name == name).then_some(Better::Lower),
    }
}
