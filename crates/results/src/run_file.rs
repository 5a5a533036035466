//! `run.json`: what was run, and how it ended. One definition writes it and reads it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use skipbeat_core::Span;
use skipbeat_measure::{Outcome, Results, RunVerdict};
use skipbeat_scenario::{Mode, Study};

use crate::{FinishedRun, ResultError};

/// The version of the result files: raised when a name in one of them changes, or its meaning.
pub(crate) const VERSION: u32 = 2;

/// Which build made the results.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The version of the program.
    pub version: String,
    /// The git commit that it was built from, if there was one.
    pub commit: String,
}

impl std::fmt::Display for Build {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.version, self.commit)
    }
}

/// `run.json`, of a single run or of a sweep. Every key has to be there, even if it has no value; a
/// missing key is an error.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// The version of the result files.
    pub version: u32,
    /// The build that wrote it.
    pub skipbeat: Build,
    /// The scenario with every default filled in.
    pub scenario: Value,
    /// SHA-256 of the scenario without its seed.
    pub scenario_hash: String,
    /// What the command line changed of the scenario, as `KEY=VALUE`.
    pub settings: Vec<String>,
    /// The number of replications that the command line asked for, if it did.
    #[serde(deserialize_with = "Option::deserialize")]
    pub replications: Option<u32>,
    /// The world, `sim` or `net`.
    pub mode: Mode,
    /// The seed; of a sweep that of its first replication.
    pub seed: u64,
    /// How it ended, in a word.
    pub outcome: Outcome,
    /// How it ended, in a sentence.
    pub reason: String,
    /// The part for a single run; `None` for a sweep.
    #[serde(deserialize_with = "Option::deserialize")]
    pub run: Option<RunPart>,
    /// The part for a sweep; `None` for a single run.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sweep: Option<SweepPart>,
}

/// The part of `run.json` for a single run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPart {
    /// The digest of all events, in hexadecimal.
    pub digest: String,
    /// How many events there were.
    pub events: u64,
    /// When the run ended, in seconds of its own time.
    pub ended_at_s: f64,
    /// How it ended, and why.
    pub verdict: RunVerdict,
    /// One client in this many was observed for order, loss runs and jitter.
    pub observed_every_nth_client: u32,
    /// How many reordering extents are lower bounds.
    pub reorder_extents_that_are_lower_bounds: u64,
    /// What the server refused, by cause.
    pub refused: BTreeMap<String, u64>,
}

/// The part of `run.json` for a sweep.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPart {
    /// The swept keys; the one that changes slowest is first.
    pub keys: Vec<String>,
    /// The number of runs that it was planned to have.
    pub runs_planned: u64,
    /// The result of each ramp; `None` if the scenario has none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ramps: Option<Vec<RampSummary>>,
    /// The finished runs.
    pub runs: Vec<RunEntry>,
}

/// The result of a ramp.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RampSummary {
    /// Which ramp: the server, and the values of other keys.
    pub ramp: String,
    /// The last step that held and what broke at the next, in sentences.
    pub lines: Vec<String>,
}

/// One run of a sweep: in `run.json`, and in a line of the journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEntry {
    /// The number of the combination of values, from 0.
    pub point: u32,
    /// The number of the replication of that combination, from 0.
    pub replication: u32,
    /// The values of the swept keys.
    pub values: BTreeMap<String, String>,
    /// SHA-256 of its resolved scenario without the seed.
    pub scenario_hash: String,
    /// Its seed.
    pub seed: u64,
    /// The digest of all events, in hexadecimal.
    pub digest: String,
    /// How it ended, and why.
    pub verdict: RunVerdict,
}

/// A value of the scenario without the quotes that TOML wants around a text.
pub(crate) fn plain(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn hex(digest: u64) -> String {
    format!("{digest:016x}")
}

impl RunEntry {
    /// The entry of a finished run of a study.
    pub fn of(study: &Study, finished: &FinishedRun) -> Self {
        let run = &study.runs[finished.run];
        let values = run.values.iter().map(|value| plain(value).to_owned());
        RunEntry {
            point: run.point,
            replication: run.replication,
            values: study.keys.iter().cloned().zip(values).collect(),
            scenario_hash: run.plan.hash(),
            seed: run.plan.seed,
            digest: hex(finished.tally.digest),
            verdict: finished.verdict(&run.plan),
        }
    }
}

impl RunFile {
    /// The file of a study that is a single run.
    pub fn of_run(study: &Study, results: &Results, verdict: &RunVerdict, build: &Build) -> Self {
        let orders = results.tally.groups.iter().flat_map(|group| &group.order);
        let run = RunPart {
            digest: hex(results.tally.digest),
            events: results.tally.events,
            ended_at_s: results.end().seconds(),
            verdict: verdict.clone(),
            observed_every_nth_client: results.tally.facts.observed_every,
            reorder_extents_that_are_lower_bounds: orders.map(|o| o.extents_clipped).sum(),
            refused: results.tally.refused(),
        };
        let (outcome, reason) = (verdict.outcome, verdict.reason());
        RunFile { run: Some(run), ..RunFile::new(study, outcome, reason, build) }
    }

    /// The file of a sweep, with the runs that are finished.
    pub fn of_sweep(
        study: &Study,
        runs: &[FinishedRun],
        (outcome, reason): (Outcome, String),
        ramps: Option<Vec<RampSummary>>,
        build: &Build,
    ) -> Self {
        let sweep = SweepPart {
            keys: study.keys.clone(),
            runs_planned: study.runs.len() as u64,
            ramps,
            runs: runs.iter().map(|run| RunEntry::of(study, run)).collect(),
        };
        RunFile { sweep: Some(sweep), ..RunFile::new(study, outcome, reason, build) }
    }

    fn new(study: &Study, outcome: Outcome, reason: String, build: &Build) -> Self {
        let changes = &study.source.changes;
        RunFile {
            version: VERSION,
            skipbeat: build.clone(),
            scenario: study.base.to_json(),
            scenario_hash: study.base.hash(),
            settings: changes.settings.iter().map(ToString::to_string).collect(),
            replications: changes.replications,
            mode: study.base.mode,
            seed: study.base.seed,
            outcome,
            reason,
            run: None,
            sweep: None,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is missing, of another version, or damaged.
    pub fn read(path: &Path) -> Result<Self, ResultError> {
        let text = std::fs::read_to_string(path).map_err(|e| ResultError::unreadable(path, e))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| ResultError::json(path, &error))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                let problem =
                    format!("is of version {version}, this build reads version {VERSION}");
                return Err(ResultError::damaged(path, None, problem));
            }
            None => return Err(ResultError::damaged(path, None, "has no version")),
        }
        let file: RunFile =
            serde_json::from_str(&text).map_err(|error| ResultError::json(path, &error))?;
        match file.contradiction() {
            Some(problem) => Err(ResultError::damaged(path, None, problem)),
            None => Ok(file),
        }
    }

    /// A contradiction in the file, if there is one.
    fn contradiction(&self) -> Option<&'static str> {
        match (&self.run, &self.sweep) {
            (Some(run), None) if run.verdict.outcome != self.outcome => {
                Some("its outcome is not that of its verdict")
            }
            (Some(_), None) | (None, Some(_)) => None,
            _ => Some("expected either `run` or `sweep`"),
        }
    }

    /// The verdict of the single run, or those of all runs of a sweep.
    pub fn verdicts(&self) -> Vec<&RunVerdict> {
        let of_runs = self.sweep.iter().flat_map(|sweep| &sweep.runs).map(|run| &run.verdict);
        self.run.iter().map(|run| &run.verdict).chain(of_runs).collect()
    }

    fn text(&self, pointer: &str) -> &str {
        self.scenario.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// The name of the scenario.
    pub fn name(&self) -> &str {
        self.text("/name")
    }

    /// The description that its author gave the scenario.
    pub fn description(&self) -> &str {
        self.text("/description")
    }

    /// A time of the scenario, such as its `warmup`, in seconds.
    pub fn time(&self, key: &str) -> Option<f64> {
        let span: Span = self.scenario.get(key)?.as_str()?.parse().ok()?;
        Some(span.seconds())
    }

    /// The planned end of a run, in seconds.
    pub fn planned_end(&self) -> Option<f64> {
        Some(self.time("warmup")? + self.time("duration")? + self.time("drain")?)
    }

    /// How many clients the scenario has in all of its groups.
    pub fn clients(&self) -> Option<f64> {
        let groups = self.scenario.get("groups")?.as_array()?;
        groups.iter().map(|group| group.pointer("/behaviour/clients")?.as_f64()).sum()
    }

    /// The server that was tested: its command, else its address, else its kind.
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
