//! `run.json`: which run it was, and how it ended. Keys that an older version did not write are as
//! if they were empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::quantity::Quantity;

/// What `run.json` says, of a single run or of a sweep.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunFile {
    /// The program that wrote it.
    pub skipbeat: Build,
    /// The scenario as resolved.
    pub scenario: Value,
    /// SHA-256 of that without its seed.
    pub scenario_hash: String,
    /// The world: `sim` or `net`.
    pub mode: String,
    /// The seed, as a number.
    pub seed: Value,
    /// A number that stands for all events.
    pub digest: String,
    /// How many events there were.
    pub events: Option<f64>,
    /// When the run ended, in its own time.
    pub ended_at_s: Option<f64>,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// Why it ended early, if it failed.
    pub failure: Option<String>,
    /// The threshold that ended it early.
    pub stopped_by: Option<String>,
    /// Of how many clients one was followed for order and jitter.
    pub observed_every_nth_client: Option<f64>,
    /// What the server refused, by cause.
    pub refused: BTreeMap<String, f64>,
    /// The reasons why it is inconclusive.
    pub inconclusive: Vec<String>,
    /// How it came out, in a word.
    pub verdict: Option<String>,
    /// What was demanded.
    pub thresholds: Vec<Threshold>,
    /// What the command line changed of the scenario.
    pub settings: Vec<String>,
    /// How many replications the command line asked for.
    pub replications: Option<u64>,
    /// What each ramp came to, of a scenario that has one.
    pub capacity: Option<Vec<Knee>>,
    /// The keys of a sweep.
    pub swept: Vec<String>,
    /// How many runs a sweep was to have.
    pub runs_planned: Option<u64>,
    /// The runs of a sweep that were over.
    pub runs: Vec<SweptRun>,
}

/// What a ramp came to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Knee {
    /// Which ramp.
    pub ramp: String,
    /// What there is to say of it.
    pub says: Vec<String>,
}

/// A version of the program.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Its version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
}

/// A demand on a metric, and whether it was met.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Threshold {
    /// Which metric.
    pub metric: String,
    /// Of which group; of all if none is named.
    pub group: Option<String>,
    /// What was demanded, such as `>= 0.99`.
    pub condition: String,
    /// What it came to, if it is defined.
    #[serde(alias = "actual")]
    pub value: Option<f64>,
    /// Whether that meets the demand; unknown where the value is undefined.
    pub met: Option<bool>,
}

/// One run of a sweep.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SweptRun {
    /// Which point of the sweep.
    pub point: u64,
    /// The reasons why it is inconclusive.
    pub inconclusive: Vec<String>,
    /// How it came out, in a word.
    pub verdict: Option<String>,
    /// What was demanded.
    pub thresholds: Vec<Threshold>,
}

impl RunFile {
    fn text(&self, pointer: &str) -> &str {
        self.scenario.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// The name of the scenario.
    pub fn name(&self) -> &str {
        self.text("/name")
    }

    /// What it is about, in its author's words.
    pub fn description(&self) -> &str {
        self.text("/description")
    }

    /// A time of the scenario, such as its `warmup`, in seconds.
    pub fn time(&self, key: &str) -> Option<f64> {
        match Quantity::parse(self.scenario.get(key)?.as_str()?) {
            Some(Quantity::Seconds(seconds)) => Some(seconds),
            _ => None,
        }
    }

    /// When the run was to end.
    pub fn planned_end(&self) -> Option<f64> {
        Some(self.time("warmup")? + self.time("duration")? + self.time("drain")?)
    }

    /// When it ended and when it was to, if it ended early.
    pub fn ended_early(&self) -> Option<(f64, f64)> {
        let (ended, planned) = (self.ended_at_s?, self.planned_end()?);
        // Times are printed with nine decimals at most.
        (ended < planned - 1e-6).then_some((ended, planned))
    }

    /// How many clients the scenario has in all of its groups.
    pub fn clients(&self) -> Option<f64> {
        let groups = self.scenario.get("groups")?.as_array()?;
        groups.iter().map(|group| group.pointer("/behaviour/clients")?.as_f64()).sum()
    }

    /// Which server was tested.
    pub fn server(&self) -> String {
        let target = self.scenario.pointer("/server/target").unwrap_or(&Value::Null);
        let of = |key: &str| target.get(key).unwrap_or(&Value::Null);
        let words = of("command").as_array().into_iter().flatten().filter_map(Value::as_str);
        let command = words.collect::<Vec<_>>().join(" ");
        let named = [command.as_str(), of("address").as_str().unwrap_or("")];
        let kind = of("kind").as_str().unwrap_or("");
        named.into_iter().chain([kind]).find(|name| !name.is_empty()).unwrap_or("").to_owned()
    }
}
