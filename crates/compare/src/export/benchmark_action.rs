//! The custom formats of github-action-benchmark (`customBiggerIsBetter`, `customSmallerIsBetter`):
//! <https://github.com/benchmark-action/github-action-benchmark>.

use serde_json::{Value, json};
use skipbeat_core::Better;

use crate::verdict::CheckReport;

/// The figures whose better direction is `way`. Each of the two formats takes only one direction.
pub fn benchmark_action(verdict: &CheckReport, way: Better) -> Value {
    let mut entries = Vec::new();
    for scenario in &verdict.scenarios {
        for figure in scenario.figures.iter().filter(|figure| figure.better == way) {
            let parts = [&scenario.scenario, &figure.point, &figure.metric];
            let parts: Vec<&str> =
                parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let mut entry = json!({ "name": parts.join(" "), "unit": figure.unit.name(), "value": figure.value });
            if let Some([low, high]) = figure.range {
                entry["range"] = format!("{low} … {high}").into();
            }
            entries.push(entry);
        }
    }
    Value::Array(entries)
}
