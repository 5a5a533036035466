//! Reads the figures of a results folder: what was run with which seed, and how it came out.

use std::collections::BTreeMap;
use std::path::Path;

use skipbeat_measure::{Metric, Outcome};
use skipbeat_results::{FigureRow, ResultError, RunFile, read_figures};
use skipbeat_scenario::Mode;

use crate::verdict::Figure;

/// The figures of a results folder.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The scenario's name.
    pub scenario: String,
    /// Whether it was simulated or run on real sockets.
    pub mode: Mode,
    /// Whether it ran to its end: it was not interrupted and did not fail.
    pub whole: bool,
    /// Why its figures can't be relied on; empty if they can.
    pub doubts: Vec<String>,
    /// A row for each run as a whole, and one for each of its groups.
    pub rows: Vec<SheetRow>,
}

/// The figures of one run, or of one of its groups.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRow {
    /// The point of the sweep, as `key=value` pairs; empty if nothing is swept.
    pub point: String,
    /// The replication, from 0.
    pub replication: u32,
    /// The seed.
    pub seed: u64,
    /// The group; `None` for the run as a whole.
    pub group: Option<String>,
    /// The hash of the run's scenario and the digest of its events; `None` for a group.
    pub hash_and_digest: Option<(String, String)>,
    /// Every metric with its figure; `None` if it is undefined.
    pub figures: Vec<(String, Option<f64>)>,
}

impl SheetRow {
    /// Whether there is a column with this name.
    pub fn has(&self, metric: &str) -> bool {
        self.figures.iter().any(|(name, _)| name == metric)
    }

    /// The figure of a metric; `None` if it is undefined or there is no such column.
    pub fn figure(&self, metric: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| name == metric)?.1
    }
}

impl Sheet {
    /// Reads `summary.csv`, `groups.csv` and `run.json`.
    ///
    /// # Errors
    /// If one of them is missing, damaged, or of another version.
    pub fn read(folder: &Path) -> Result<Self, ResultError> {
        let (file, rows) = read_figures(folder)?;
        let digests = digests(&file);
        let row = |row: FigureRow| {
            let values = row.values.iter().map(|(key, value)| format!("{key}={value}"));
            let digests = digests.get(&(row.point, row.replication));
            SheetRow {
                point: values.collect::<Vec<_>>().join(" "),
                replication: row.replication,
                seed: row.seed,
                hash_and_digest: digests.filter(|_| row.group.is_none()).cloned(),
                group: row.group,
                figures: row.figures,
            }
        };
        let doubts = file.verdicts().into_iter().flat_map(|verdict| verdict.doubts.clone());
        Ok(Sheet {
            scenario: file.name().to_owned(),
            mode: file.mode,
            whole: !matches!(file.outcome, Outcome::Interrupted | Outcome::Failed),
            doubts: doubts.collect(),
            rows: rows.into_iter().map(row).collect(),
        })
    }

    /// For each point, every metric that has a better direction: its mean over replications.
    pub fn figures(&self) -> Vec<Figure> {
        let mut points: Vec<&str> = self.runs().map(|run| run.point.as_str()).collect();
        points.dedup();
        let mut figures = Vec::new();
        for point in points {
            let runs: Vec<&SheetRow> = self.runs().filter(|run| run.point == point).collect();
            for (name, _) in runs.first().into_iter().flat_map(|run| &run.figures) {
                let Some(metric) = Metric::named(name) else { continue };
                let Some(better) = metric.better() else { continue };
                let values: Vec<f64> = runs.iter().filter_map(|run| run.figure(name)).collect();
                if values.is_empty() {
                    continue;
                }
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                figures.push(Figure {
                    point: point.to_owned(),
                    metric: name.clone(),
                    unit: metric.unit(),
                    better,
                    value: values.iter().sum::<f64>() / values.len() as f64,
                    range: (values.len() > 1).then_some([least, greatest]),
                });
            }
        }
        figures
    }

    /// The rows of whole runs, without those of groups.
    pub fn runs(&self) -> impl Iterator<Item = &SheetRow> {
        self.rows.iter().filter(|row| row.group.is_none())
    }
}

/// The scenario hash and the digest of events of each run, by point and replication.
fn digests(file: &RunFile) -> BTreeMap<(u32, u32), (String, String)> {
    let one = file.run.iter().map(|run| ((0, 0), (file.scenario_hash.clone(), run.digest.clone())));
    let runs = file.sweep.iter().flat_map(|sweep| &sweep.runs);
    let many = runs
        .map(|run| ((run.point, run.replication), (run.scenario_hash.clone(), run.digest.clone())));
    one.chain(many).collect()
}
