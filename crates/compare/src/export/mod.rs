//! Exports a verdict to the formats of other programs, one module for each.

mod bencher;
mod benchmark_action;
mod junit;
mod markdown;

pub use bencher::bencher;
pub use benchmark_action::benchmark_action;
pub use junit::junit;
pub use markdown::markdown;

use crate::verdict::{ComparedMetric, ThresholdCase, unit};

/// A threshold in words, with the actual value.
pub fn threshold(case: &ThresholdCase) -> String {
    format!("{}: {}", threshold_name(case), threshold_message(case))
}

/// A threshold in words: the figure, what is required of it, and in which run.
fn threshold_name(case: &ThresholdCase) -> String {
    let group = case.group.as_ref().map_or(String::new(), |group| format!("{group} "));
    let point = if case.point.is_empty() { String::new() } else { format!(" at {}", case.point) };
    let replication = match case.replication {
        0 => String::new(),
        n => format!(" (replication {n})"),
    };
    format!("{group}{} {}{point}{replication}", case.metric, case.required)
}

/// How a threshold came out: the actual and the required value.
fn threshold_message(case: &ThresholdCase) -> String {
    let actual = match case.actual {
        None => "undefined: there is no such figure in this run".to_owned(),
        Some(value) => format!("{value} ({})", unit(&case.metric).show(Some(value))),
    };
    format!("{} is {actual}, required {}", case.metric, case.required)
}

/// The name of a row of a comparison: its group, metric and point.
pub fn row(row: &ComparedMetric) -> String {
    let group = row.group.as_ref().map_or(String::new(), |group| format!("{group} "));
    let point = if row.point.is_empty() { String::new() } else { format!(" at {}", row.point) };
    format!("{group}{}{point}", row.metric)
}

/// An effect with its interval: in per cent, or as a factor if it is large; empty if it is unknown.
pub fn effect(row: &ComparedMetric) -> String {
    // If the effect is shown as a factor, so are both ends of its interval.
    let factor = row.effect.is_some_and(|effect| effect >= 9.0);
    let percent = |share: f64| match share {
        share if factor => format!("×{:.1}", share + 1.0),
        // Adding zero turns -0 into 0.
        share => format!("{:+.2} %", (share * 1e4).round() / 1e2 + 0.0),
    };
    match (row.effect, row.interval) {
        (None, _) => String::new(),
        (Some(effect), None) => percent(effect),
        (Some(effect), Some([low, high])) => {
            format!("{} ({} … {})", percent(effect), percent(low), percent(high))
        }
    }
}

/// The finding on a metric, with both figures.
fn row_message(row: &ComparedMetric) -> String {
    let p = row.p.map_or(String::new(), |p| format!(", p = {p:.4}"));
    format!(
        "{}: {} -> {} {}{p}",
        row.finding.name(),
        row.unit.show(row.base),
        row.unit.show(row.new),
        effect(row)
    )
}
