//! A sweep: points in the space of its keys, each with means over its runs.

use super::{RunFile, Table};
use crate::verdict::Verdict;

/// The points of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// The swept keys, the slowest first.
    pub keys: Vec<String>,
    /// The metrics, in the order of the file.
    pub metrics: Vec<String>,
    /// The points, in order.
    pub points: Vec<Point>,
}

/// One combination of values.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Its number.
    pub number: u64,
    /// The value of each key.
    pub values: Vec<String>,
    /// How many runs of it were over.
    pub runs: Option<f64>,
    /// Each metric, as in [`Sweep::metrics`].
    pub figures: Vec<Estimate>,
    /// How its runs came out, the worst of them, if the file says it.
    pub verdict: Option<Verdict>,
}

/// A mean and half of its 95 % confidence interval. Either may be undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean over the runs that have the metric.
    pub mean: Option<f64>,
    /// Undefined where fewer than two runs have it.
    pub ci95: Option<f64>,
}

impl Sweep {
    /// Takes the points out of `sweep.csv`, and how they came out from `run.json`.
    pub(super) fn new(table: &Table, about: &RunFile) -> Sweep {
        let columns = table.columns();
        let place = |name: &str| columns.iter().position(|column| column == name);
        let keys = match (place("point"), place("runs")) {
            (Some(point), Some(runs)) if point < runs => columns[point + 1..runs].to_vec(),
            _ => about.swept.clone(),
        };
        let metrics = columns.iter().filter_map(|column| column.strip_suffix("_ci95"));
        let metrics: Vec<String> = metrics.map(str::to_owned).collect();
        let names: Vec<(String, String)> =
            metrics.iter().map(|name| (format!("{name}_mean"), format!("{name}_ci95"))).collect();
        let verdicts = Verdict::of_points(about);
        let points = table.rows().map(|row| {
            let number = row.text("point").parse().unwrap_or_default();
            let estimate = |(mean, ci95): &(String, String)| Estimate {
                mean: row.number(mean),
                ci95: row.number(ci95),
            };
            Point {
                number,
                values: keys.iter().map(|key| row.text(key).to_owned()).collect(),
                runs: row.number("runs"),
                figures: names.iter().map(estimate).collect(),
                verdict: verdicts.get(&number).copied(),
            }
        });
        Sweep { points: points.collect(), keys, metrics }
    }

    /// A metric of a point.
    pub fn figure(&self, point: &Point, metric: &str) -> Estimate {
        let place = self.metrics.iter().position(|name| name == metric);
        place.and_then(|place| point.figures.get(place)).copied().unwrap_or_default()
    }
}
