//! A study: one scenario, run once, or once for each combination of values that its `[sweep]` names
//! and each replication of it.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use skipbeat_core::Seed;
use toml::Spanned;

use crate::document::Reporter;
use crate::ramp::RampTable;
use crate::{Plan, ScenarioError, Setting};

/// The `[sweep]` table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with `replications` and `over`")]
#[schemars(description = "Runs the scenario for each combination of values, as often as wanted.")]
pub(crate) struct SweepTable {
    /// Runs of each point with seeds of their own, from 1; default 1.
    #[schemars(with = "Option<u32>", range(min = 1))]
    replications: Option<Spanned<u32>>,
    /// Keys as for `--set`, in quotes, and the list of their values: `"server.timeout" = ["10s"]`.
    /// Keys with `&` between them have the same value. Every combination is a point; the last key changes fastest.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<serde_json::Value>>", transform = swept)]
    over: toml::map::Map<String, toml::Value>,
}

/// Which keys can't be swept, and that each has values: see [`Sweep::read_table`].
fn swept(schema: &mut Schema) {
    schema.insert("propertyNames".to_owned(), json!({ "not": { "pattern": NOT_SWEPT } }));
    if let Some(values) = schema.pointer_mut("/additionalProperties") {
        values["minItems"] = json!(1);
    }
}

/// A point has the name, the world and the seeds of its sweep.
const NOT_SWEPT: &str = r"^(name|mode|seed|sweep(\..*)?)$";

/// The most runs of one study.
const MOST_RUNS: usize = 1_000_000;

/// Every run of a scenario.
#[derive(Clone, Debug)]
pub struct Study {
    /// The scenario as it is outside the sweep.
    pub base: Plan,
    /// The keys that are swept, in the order of the scenario.
    pub keys: Vec<String>,
    /// The runs, by point and then by replication.
    pub runs: Vec<Run>,
    /// Whether there is more to it than one run of the scenario.
    pub is_sweep: bool,
    /// Where the last key is that of a ramp: its number of steps. What it rises to beyond the first
    /// step that does not hold is not run.
    pub ramp: Option<u32>,
    /// What it was read from.
    pub source: StudySource,
}

/// What a study is read from: the same source gives the same study.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StudySource {
    /// The file's name; files that the scenario names are beside it.
    pub name: String,
    /// The scenario.
    pub text: String,
    /// What the command line changed.
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
    /// What is run.
    pub plan: Plan,
}

/// What the command line changes of a scenario.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Keys and their values.
    pub settings: Vec<Setting>,
    /// The world.
    pub mode: Option<crate::Mode>,
    /// The seed of the first replication.
    pub seed: Option<u64>,
    /// How many replications.
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
        // Whoever reads it again may be in another folder.
        if let Ok(absolute) = std::path::absolute(path) {
            study.source.name = absolute.display().to_string();
        }
        Ok(study)
    }

    /// Which ramp a run is a step of, where there are any.
    pub fn ramp_of(&self, run: &Run) -> u32 {
        run.point / self.ramp.unwrap_or(1)
    }

    /// Reads a scenario from a text; `name` stands for the file in messages.
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
        let points = sweep.points();
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

/// The seed of a replication: the scenario's own for the first, so that it repeats the single run,
/// and 32 bits drawn from that for the others, the same at every point.
fn replication_seed(seed: u64, replication: u32) -> u64 {
    match replication {
        0 => seed,
        _ => Seed(seed).family("sweep.replication").stream(replication.into()).bits(0) >> 32,
    }
}

/// What is swept.
struct Sweep {
    replications: Option<u32>,
    keys: Vec<String>,
    /// The values of each key, as TOML.
    values: Vec<Vec<String>>,
    /// The steps of the last key, if it is that of a ramp.
    ramp: Option<u32>,
}

impl Sweep {
    fn read(name: &str, text: &str) -> Result<Self, ScenarioError> {
        #[derive(Deserialize)]
        struct OnlySweep {
            sweep: Option<Spanned<SweepTable>>,
            ramp: Option<RampTable>,
        }
        let report = Reporter { name, text };
        let wrong =
            |e: toml::de::Error| ScenarioError::at(name, text, e.span(), e.message().into());
        let OnlySweep { sweep: table, ramp } = toml::from_str(text).map_err(wrong)?;
        let mut sweep =
            Sweep { replications: None, keys: Vec::new(), values: Vec::new(), ramp: None };
        if let Some(table) = table {
            sweep.read_table(table.get_ref(), text, &report)?;
        }
        if let Some(ramp) = ramp {
            let (key, steps) = ramp.steps(&report)?;
            sweep.ramp = Some(steps.len() as u32);
            sweep.keys.push(key);
            sweep.values.push(steps);
        }
        Ok(sweep)
    }

    fn read_table(
        &mut self,
        SweepTable { replications, over }: &SweepTable,
        text: &str,
        report: &Reporter<'_>,
    ) -> Result<(), ScenarioError> {
        let name = report.name;
        if let Some(none) = replications.as_ref().filter(|n| *n.get_ref() == 0) {
            return Err(report.at(none, "expected at least one replication"));
        }
        self.replications = replications.as_ref().map(|n| *n.get_ref());
        // The order of keys is the file's: this reader of TOML keeps it.
        let document = toml_edit::Document::parse(text).expect("it was just read");
        let in_order = document["sweep"].get("over").and_then(toml_edit::Item::as_table_like);
        for (key, item) in in_order.into_iter().flat_map(toml_edit::TableLike::iter) {
            debug_assert!(over.contains_key(key));
            let wrong = |message| Err(ScenarioError::at(name, text, item.span(), message));
            let of_run = |key: &str| {
                ["name", "mode", "seed"].contains(&key) || key.split('.').next() == Some("sweep")
            };
            if key.split('&').map(str::trim).any(of_run) {
                return wrong(format!("{key:?} can't be swept: `replications` has other seeds"));
            }
            let values = item.as_array().filter(|values| !values.is_empty());
            let Some(values) = values else {
                let hint = if item.is_table_like() {
                    ": write the whole key in quotes, \"server.timeout\""
                } else {
                    ""
                };
                return wrong(format!("expected a list of values for {key:?}{hint}"));
            };
            // A text in whatever quotes reads alike.
            let one_line = |value: &toml_edit::Value| match value.as_str() {
                Some(text) => format!("{text:?}"),
                None => value.to_string().trim().to_owned(),
            };
            self.keys.push(key.to_owned());
            self.values.push(values.iter().map(one_line).collect());
        }
        Ok(())
    }

    /// Every combination, the last key changing fastest.
    fn points(&self) -> Vec<Vec<String>> {
        self.values.iter().fold(vec![Vec::new()], |points, values| {
            let extend = |point: &Vec<String>| {
                let point = point.clone();
                values.iter().map(move |value| {
                    let mut longer = point.clone();
                    longer.push(value.clone());
                    longer
                })
            };
            points.iter().flat_map(extend).take(MOST_RUNS + 1).collect()
        })
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
