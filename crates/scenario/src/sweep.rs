//! The `[sweep]` table: which keys have which values, and how often each combination runs.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};
use crate::ramp::RampTable;

/// The `[sweep]` table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with `replications` and `over`")]
#[schemars(description = "Runs the scenario for each combination of values, with replications.")]
pub(crate) struct SweepTable {
    /// How often each point is run, each time with another seed; from 1, default 1.
    #[schemars(with = "Option<u32>", range(min = 1))]
    replications: Option<Spanned<u32>>,
    /// Keys as for `--set`, in quotes, and the list of their values: `"server.timeout" = ["10s"]`.
    /// Keys with `&` between them have the same value. Every combination is a point; the last key
    /// changes fastest.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<serde_json::Value>>", transform = swept)]
    over: toml::map::Map<String, toml::Value>,
}

/// The rules of [`Sweep::read_table`]: keys that can't be swept, and that each has values.
fn swept(schema: &mut Schema) {
    schema.insert("propertyNames".to_owned(), json!({ "not": { "pattern": NOT_SWEPT } }));
    if let Some(values) = schema.pointer_mut("/additionalProperties") {
        values["minItems"] = json!(1);
    }
}

/// All points of a sweep have the same name, mode and seeds.
const NOT_SWEPT: &str = r"^(name|mode|seed|sweep(\..*)?)$";

/// What is swept.
pub(crate) struct Sweep {
    pub(crate) replications: Option<u32>,
    pub(crate) keys: Vec<String>,
    /// The values of each key, as TOML.
    values: Vec<Vec<String>>,
    /// The steps of the last key, if it is that of a ramp.
    pub(crate) ramp: Option<u32>,
}

impl Sweep {
    /// Reads the `[sweep]` and `[ramp]` of a scenario.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, ScenarioError> {
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
        // This reader keeps the order of keys in the file.
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
            // Texts are written in the same way, whatever their quotes in the file.
            let one_line = |value: &toml_edit::Value| match value.as_str() {
                Some(text) => format!("{text:?}"),
                None => value.to_string().trim().to_owned(),
            };
            self.keys.push(key.to_owned());
            self.values.push(values.iter().map(one_line).collect());
        }
        Ok(())
    }

    /// Every combination of values, the last key changing fastest; where there are more than
    /// `most`, one more than that.
    pub(crate) fn points(&self, most: usize) -> Vec<Vec<String>> {
        self.values.iter().fold(vec![Vec::new()], |points, values| {
            let extend = |point: &Vec<String>| {
                let point = point.clone();
                values.iter().map(move |value| {
                    let mut longer = point.clone();
                    longer.push(value.clone());
                    longer
                })
            };
            points.iter().flat_map(extend).take(most + 1).collect()
        })
    }
}
