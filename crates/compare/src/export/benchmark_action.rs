//! The custom formats of github-action-benchmark (`customBiggerIsBetter`, `customSmallerIsBetter`):
//! <https://github.com/benchmark-action/github-action-benchmark>.

use serde_json::{Value, json};

use crate::verdict::{Verdict, Way};

/// The figures of which more is better, or of which less is.
pub fn benchmark_action(verdict: &Verdict, way: Way) -> Value {
    let mut entries = Vec::new();
    for scenario in &verdict.scenarios {
        for figure in scenario.figures.iter().filter(|figure| figure.better == way) {
            let parts = [&scenario.scenario, &figure.point, &figure.metric];
            let parts: Vec<&str> =
                parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let mut entry =
                json!({ "name": parts.join(" "), "unit": figure.unit, "value": figure.value });
            if let Some([low, high]) = figure.range {
                entry["range"] = format!("{low} … {high}").into();
            }
            entries.push(entry);
        }
    }
    Value::Array(entries)
}
