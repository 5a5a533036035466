//! The `[thresholds]` table: what the figures have to be, of the whole run and of groups, and whether
//! a run that does not meet them ends early.

use std::collections::BTreeMap;

use serde::Deserialize;
use skipbeat_core::Span;
use skipbeat_measure::Threshold;
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};
use crate::plan::Group;

/// Every other key is the name of a metric, so this is no struct with fields.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(crate) struct ThresholdTable(BTreeMap<String, Spanned<toml::Value>>);

/// The keys that are no metrics.
pub(crate) const ABORT: &str = "abort";
pub(crate) const ABORT_AFTER: &str = "abort_after";
pub(crate) const GROUP: &str = "group";

impl ThresholdTable {
    /// Every threshold, and how much of the window is over before one that is not met ends the run, if
    /// one does.
    pub(crate) fn resolve(
        &self,
        groups: &[Group],
        report: &Reporter<'_>,
    ) -> Result<(Vec<Threshold>, Option<Span>), ScenarioError> {
        let mut thresholds = Vec::new();
        // The whole run goes before its groups.
        let (groups_of, metrics): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(key, _)| *key == GROUP);
        for (key, value) in metrics.into_iter().chain(groups_of) {
            let wrong = |message: String| report.at(value, message);
            match key.as_str() {
                ABORT | ABORT_AFTER => {}
                GROUP => {
                    for (name, table) in tables(value.get_ref()).map_err(wrong)? {
                        let number = groups.iter().position(|group| group.name == *name);
                        let number = number.ok_or_else(|| wrong(unknown_group(name, groups)))?;
                        for (metric, conditions) in table {
                            let of_group = conditions_of(metric, conditions).map_err(wrong)?;
                            thresholds
                                .extend(of_group.into_iter().map(|t| t.of_group(number, name)));
                        }
                    }
                }
                metric => thresholds.extend(conditions_of(metric, value.get_ref()).map_err(wrong)?),
            }
        }
        Ok((thresholds, self.abort(report)?))
    }

    fn abort(&self, report: &Reporter<'_>) -> Result<Option<Span>, ScenarioError> {
        let aborts = match self.0.get(ABORT) {
            None => false,
            Some(value) => (value.get_ref().as_bool())
                .ok_or_else(|| report.at(value, "expected true or false"))?,
        };
        match self.0.get(ABORT_AFTER) {
            Some(value) if !aborts => {
                Err(report.at(value, "`abort_after` is for runs that end early: `abort = true`"))
            }
            Some(value) => {
                let span = value.get_ref().as_str().and_then(|text| text.parse().ok());
                span.map(Some).ok_or_else(|| report.at(value, "expected a time like \"10s\""))
            }
            None => Ok(aborts.then_some(Span::ZERO)),
        }
    }
}

/// The tables in a table, by their names.
fn tables(value: &toml::Value) -> Result<Vec<(&String, &toml::Table)>, String> {
    let wrong = || "expected tables by the name of a group: [thresholds.group.NAME]".to_owned();
    let mut found = Vec::new();
    for (name, table) in value.as_table().ok_or_else(wrong)? {
        found.push((name, table.as_table().ok_or_else(wrong)?));
    }
    Ok(found)
}

fn unknown_group(name: &str, groups: &[Group]) -> String {
    let known: Vec<_> = groups.iter().map(|group| format!("{:?}", group.name)).collect();
    format!("unknown group {name:?}, expected {}", known.join(" or "))
}

/// One condition on a metric, or a list of them.
fn conditions_of(metric: &str, value: &toml::Value) -> Result<Vec<Threshold>, String> {
    let list = match value {
        toml::Value::Array(list) => &list[..],
        one => std::slice::from_ref(one),
    };
    let read = |condition: &toml::Value| match condition.as_str() {
        Some(condition) => Threshold::parse(metric, condition),
        None => Err("expected a condition like \">= 0.99\", or a list of them".to_owned()),
    };
    if list.is_empty() {
        return Err("expected at least one condition like \">= 0.99\"".to_owned());
    }
    list.iter().map(read).collect()
}
