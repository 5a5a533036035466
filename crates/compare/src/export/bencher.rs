//! Bencher Metric Format: <https://bencher.dev/docs/reference/bencher-metric-format/>.

use serde_json::{Map, Value, json};

use crate::verdict::CheckReport;

/// The figures as Bencher Metric Format: a benchmark for each scenario and point, and a measure for
/// each metric, with the range over replications as its bounds.
pub fn bencher(verdict: &CheckReport) -> Value {
    let mut benchmarks = Map::new();
    for scenario in &verdict.scenarios {
        for figure in &scenario.figures {
            let name = [scenario.scenario.as_str(), &figure.point].join(" ").trim().to_owned();
            let mut measure = json!({ "value": figure.value });
            if let Some([low, high]) = figure.range {
                measure["lower_value"] = low.into();
                measure["upper_value"] = high.into();
            }
            // Bencher's slugs have hyphens instead of underscores.
            let slug = figure.metric.replace('_', "-");
            benchmarks.entry(name).or_insert_with(|| json!({}))[&slug] = measure;
        }
    }
    Value::Object(benchmarks)
}
