//! A study: a scenario that is run once, or once for each combination of the values in its
//! `[sweep]` and each replication.

use std::path::Path;

use serde::{Deserialize, Serialize};
use skipbeat_core::Seed;

use crate::sweep::Sweep;
use crate::{Plan, ScenarioError, Setting};

/// The most runs of one study.
const MOST_RUNS: usize = 1_000_000;

/// All runs of a scenario.
///
/// ```
/// use skipbeat_scenario::{Changes, Study};
///
/// let text = r#"
///     name = "example"
///     duration = "10s"
///
///     [[group]]
///     name = "phones"
///     clients = 100
///
///     [sweep]
///     replications = 3
///
///     [sweep.over]
///     "server.timeout" = ["10s", "20s"]
/// "#;
/// let study = Study::parse("example.toml", text, &Changes::default()).unwrap();
/// assert_eq!((study.runs.len(), study.runs[5].point, study.runs[5].replication), (6, 1, 2));
/// assert_eq!(study.runs[5].plan.server.options.timeout.seconds(), 20.0);
/// ```
#[derive(Clone, Debug)]
pub struct Study {
    /// The scenario without its sweep.
    pub base: Plan,
    /// The keys that are swept, in the order of the scenario.
    pub keys: Vec<String>,
    /// The runs, by point and then by replication.
    pub runs: Vec<Run>,
    /// Whether it is more than one run of the scenario.
    pub is_sweep: bool,
    /// The number of steps, if the last key is that of a ramp. Steps after the first one that fails
    /// are not run.
    pub ramp: Option<u32>,
    /// The source that it was read from.
    pub source: StudySource,
}

/// The source of a study. The same source gives the same study.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StudySource {
    /// The name of the file. Files that the scenario names are in the same folder.
    pub name: String,
    /// The text of the scenario.
    pub text: String,
    /// The changes by the command line.
    pub changes: Changes,
}

/// One run of a study.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which combination of values, from 0; the last key changes fastest.
    pub point: u32,
    /// Which replication of it, from 0.
    pub replication: u32,
    /// The values of the swept keys, as TOML.
    pub values: Vec<String>,
    /// The plan of the run.
    pub plan: Plan,
}

/// The changes of a scenario by the command line.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The settings (`--set`).
    pub settings: Vec<Setting>,
    /// The mode, if it is changed.
    pub mode: Option<crate::Mode>,
    /// The seed of the first replication, if it is changed.
    pub seed: Option<u64>,
    /// The number of replications, if it is changed.
    pub replications: Option<u32>,
}

impl Study {
    /// Reads a scenario file with changes.
    ///
    /// # Errors
    /// What is wrong with the scenario, or with it at one point of the sweep, and where.
    pub fn load(path: &Path, changes: &Changes) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ScenarioError::whole(&name, format!("can't read the scenario: {e}")))?;
        let mut study = Study::parse(&name, &text, changes)?;
        // It may be read again from another folder.
        if let Ok(absolute) = std::path::absolute(path) {
            study.source.name = absolute.display().to_string();
        }
        Ok(study)
    }

    /// The index of the ramp that a run is a step of.
    pub fn ramp_of(&self, run: &Run) -> u32 {
        run.point / self.ramp.unwrap_or(1)
    }

    /// Reads a scenario from a text. `name` is the file, for messages.
    ///
    /// # Errors
    /// As [`Study::load`].
    pub fn parse(name: &str, text: &str, changes: &Changes) -> Result<Self, ScenarioError> {
        let plan = |settings: &[Setting]| {
            let mut plan = Plan::parse(name, text, settings)?;
            plan.mode = changes.mode.unwrap_or(plan.mode);
            plan.seed = changes.seed.unwrap_or(plan.seed);
            plan.check_mode(name)?;
            Ok(plan)
        };
        let base: Plan = plan(&changes.settings)?;
        let text_with_settings = Setting::apply_all(&changes.settings, name, text)?;
        let sweep = Sweep::read(name, &text_with_settings).map_err(|error| {
            // A mistake that the file alone does not have came with --set.
            match Sweep::read(name, text) {
                Err(in_file) if in_file.message == error.message => in_file,
                _ => error.of_settings(&Setting::list(&changes.settings)),
            }
        })?;
        let replications = changes.replications.or(sweep.replications).unwrap_or(1).max(1);
        if sweep.ramp.is_some() && (replications > 1 || base.thresholds.is_empty()) {
            let message = "a [ramp] needs [thresholds] that end it, and one replication";
            return Err(ScenarioError::whole(name, message));
        }
        let points = sweep.points(MOST_RUNS);
        if points.len().saturating_mul(replications as usize) > MOST_RUNS {
            let message = format!("a sweep of more than {MOST_RUNS} runs");
            return Err(ScenarioError::whole(name, message));
        }
        let mut runs = Vec::new();
        for (values, point) in points.iter().zip(0..) {
            let at_point = sweep.keys.iter().zip(values);
            let all = |(key, value): (&String, &String)| -> Vec<Setting> {
                key.split('&').map(|key| Setting::new(key.trim(), value)).collect()
            };
            let at_point: Vec<_> = at_point.flat_map(all).collect();
            let settings = [&changes.settings[..], &at_point].concat();
            let first = plan(&settings).map_err(|error| {
                let source_name = format!("{name}, [sweep.over] {}", Setting::list(&at_point));
                if error.source_name == name {
                    error
                } else {
                    ScenarioError { source_name, ..error }
                }
            })?;
            for replication in 0..replications {
                let seed = replication_seed(first.seed, replication);
                let plan = Plan { seed, ..first.clone() };
                runs.push(Run { point, replication, values: values.clone(), plan });
            }
        }
        let is_sweep = !sweep.keys.is_empty() || replications > 1;
        let source =
            StudySource { name: name.to_owned(), text: text.to_owned(), changes: changes.clone() };
        Ok(Study { base, keys: sweep.keys, runs, is_sweep, ramp: sweep.ramp, source })
    }
}

/// The seed of a replication. The first has that of the scenario, so that it repeats the single
/// run. The others have 32 bits drawn from it, the same at every point.
fn replication_seed(seed: u64, replication: u32) -> u64 {
    match replication {
        0 => seed,
        _ => Seed(seed).family("sweep.replication").stream(replication.into()).bits(0) >> 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "s"
seed = 5
duration = "1s"
[[group]]
name = "g"
clients = 1
[sweep]
replications = 2
[sweep.over]
"server.timeout" = ["1s", "2s"]
"group.g.up.loss" = [0, 0.1, { kind = "bernoulli", probability = 0.2 }]
"#;

    fn study(text: &str) -> Result<Study, ScenarioError> {
        Study::parse("t.toml", text, &Changes::default())
    }

    #[test]
    fn every_combination_is_a_point_and_every_point_has_the_same_seeds() {
        let study = study(TEXT).unwrap();
        assert_eq!(study.keys, ["server.timeout", "group.g.up.loss"]);
        assert_eq!((study.runs.len(), study.is_sweep), (12, true));
        let last = study.runs.last().unwrap();
        assert_eq!((last.point, last.replication), (5, 1));
        assert_eq!(last.values, ["\"2s\"", "{ kind = \"bernoulli\", probability = 0.2 }"]);
        assert_eq!(last.plan.groups[0].up.options.loss.model.mean(), Some(0.2));
        assert_eq!(study.runs[0].plan.seed, 5);
        assert!(
            study.runs[1].plan.seed != 5 && study.runs[1].plan.seed == study.runs[11].plan.seed
        );
    }

    #[test]
    fn several_keys_can_have_the_same_value() {
        let both = TEXT.replace("group.g.up.loss", "group.g.up.loss & group.g.down.loss");
        let study = study(&both).unwrap();
        assert_eq!((study.keys.len(), study.runs.len()), (2, 12));
        let group = &study.runs.last().unwrap().plan.groups[0];
        let means = [&group.up, &group.down].map(|link| link.options.loss.model.mean());
        assert_eq!(means, [Some(0.2); 2]);
    }

    #[test]
    fn mistakes_of_a_sweep_are_shown() {
        let message = |text: &str| study(text).unwrap_err().to_string();
        let nothing = TEXT.replace("replications = 2", "replications = 0");
        assert!(message(&nothing).contains("t.toml:9:16"), "{}", message(&nothing));
        let no_list = TEXT.replace("[\"1s\", \"2s\"]", "\"1s\"");
        assert!(
            message(&no_list).contains("t.toml:11:20: expected a list of values"),
            "{}",
            message(&no_list)
        );
        let both = TEXT.replace("group.g.up.loss", "group.g.up.loss & seed");
        assert!(message(&both).contains("can't be swept"), "{}", message(&both));
        let bad_value = TEXT.replace("\"2s\"", "\"2 parsecs\"");
        let shown = "t.toml, [sweep.over] server.timeout=\"2 parsecs\"";
        assert!(message(&bad_value).starts_with(shown), "{}", message(&bad_value));
        let seeds = TEXT.replace("server.timeout", "seed");
        assert!(message(&seeds).contains("can't be swept"), "{}", message(&seeds));
        let no_quotes = TEXT.replace("\"server.timeout\"", "server.timeout");
        assert!(message(&no_quotes).contains("in quotes"), "{}", message(&no_quotes));
        let unknown = TEXT.replace("[sweep.over]", "points = 3\n[sweep.over]");
        assert!(message(&unknown).contains("points"), "{}", message(&unknown));
    }

    #[test]
    fn a_scenario_without_a_sweep_is_one_run() {
        let single = TEXT.split("[sweep]").next().unwrap();
        let study = study(single).unwrap();
        assert_eq!((study.runs.len(), study.is_sweep), (1, false));
        assert_eq!(study.runs[0].plan, study.base);
    }
}
