//! Result files read back: what was run with which seed, and every figure of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use skipbeat_measure::METRICS;

use crate::verdict::{Figure, Way, unit};

/// A folder of results that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read the results in {folder}: {problem}", folder = folder.display())]
pub struct FolderError {
    folder: PathBuf,
    problem: String,
}

/// The figures of a folder of results.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The scenario's name.
    pub scenario: String,
    /// `sim` or `net`.
    pub mode: String,
    /// Whether it is whole: nobody ended it, and nothing failed.
    pub whole: bool,
    /// Why its figures can't be relied on.
    pub doubts: Vec<String>,
    /// Each run as a whole and each of its groups.
    pub lines: Vec<Line>,
}

/// A run, or a group of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The point of the sweep, in words; empty where there is but one.
    pub point: String,
    /// The replication, from 0.
    pub replication: u32,
    /// The seed.
    pub seed: String,
    /// The group; nothing for all together.
    pub group: Option<String>,
    /// What stands for the scenario of the run, and what for all of its events; of whole runs.
    pub hash_and_digest: Option<(String, String)>,
    /// Every metric with its cell; an undefined one is empty.
    pub cells: Vec<(String, String)>,
}

impl Line {
    /// The figure of a metric.
    pub fn figure(&self, metric: &str) -> Option<f64> {
        self.cells.iter().find(|(name, _)| name == metric)?.1.parse().ok()
    }
}

impl Sheet {
    /// Reads `summary.csv`, `groups.csv` and `run.json`.
    ///
    /// # Errors
    /// Where one of them is missing or no result file.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let error = |problem: String| FolderError { folder: folder.to_owned(), problem };
        let text = |name: &str| {
            let told = |e: io::Error| error(format!("{name}: {e}"));
            fs::read_to_string(folder.join(name)).map_err(told)
        };
        let run: Value = serde_json::from_str(&text("run.json")?)
            .map_err(|e| error(format!("run.json: {e}")))?;
        let digests = digests(&run);
        let mut lines = Vec::new();
        for name in ["summary.csv", "groups.csv"] {
            let read =
                read_lines(&text(name)?, &digests).map_err(|e| error(format!("{name}: {e}")))?;
            lines.extend(read);
        }
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let doubts = |value: &Value| match value["inconclusive"].as_array() {
            Some(doubts) => doubts.iter().map(string).collect(),
            None => Vec::new(),
        };
        let of_runs = run["runs"].as_array().into_iter().flatten().flat_map(doubts);
        Ok(Sheet {
            scenario: string(&run["scenario"]["name"]),
            mode: string(&run["mode"]),
            whole: run["interrupted"] != true
                && run["verdict"] != "failed"
                && run["failure"].is_null(),
            doubts: doubts(&run).into_iter().chain(of_runs).collect(),
            lines,
        })
    }

    /// Every figure that has a better side, of each point: its mean over replications.
    pub fn figures(&self) -> Vec<Figure> {
        let mut points: Vec<&str> = self.runs().map(|run| run.point.as_str()).collect();
        points.dedup();
        let mut figures = Vec::new();
        for point in points {
            let runs: Vec<&Line> = self.runs().filter(|run| run.point == point).collect();
            for metric in METRICS.iter() {
                let Some(better) = Way::of(metric.better) else { continue };
                let values: Vec<f64> = runs.iter().filter_map(|r| r.figure(metric.name)).collect();
                if values.is_empty() {
                    continue;
                }
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                figures.push(Figure {
                    point: point.to_owned(),
                    metric: metric.name.to_owned(),
                    unit: unit(metric.name).to_owned(),
                    better,
                    value: values.iter().sum::<f64>() / values.len() as f64,
                    range: (values.len() > 1).then_some([least, greatest]),
                });
            }
        }
        figures
    }

    /// Runs as a whole.
    pub fn runs(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.group.is_none())
    }
}

fn read_lines(
    text: &str,
    digests: &BTreeMap<(u64, u64), (String, String)>,
) -> Result<Vec<Line>, String> {
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let head = csv.headers().map_err(|e| e.to_string())?.clone();
    let place = |name: &str| {
        let found = head.iter().position(|column| column == name);
        found.ok_or_else(|| format!("there is no column {name:?}"))
    };
    let (seed, replication) = (place("seed")?, place("replication")?);
    let group = place("group").ok();
    let first = place(METRICS[0].name)?;
    let mut lines = Vec::new();
    for row in csv.records() {
        let row = row.map_err(|e| e.to_string())?;
        let swept = (replication + 1..first).filter(|column| Some(*column) != group);
        let point: Vec<_> = swept.map(|c| format!("{}={}", &head[c], &row[c])).collect();
        let (point_number, replication) = (&row[replication - 1], &row[replication]);
        let cells = (first..row.len()).map(|c| (head[c].to_owned(), row[c].to_owned()));
        lines.push(Line {
            point: point.join(" "),
            replication: replication.parse().map_err(|_| "a replication is no number")?,
            seed: row[seed].to_owned(),
            group: group.map(|group| row[group].to_owned()),
            hash_and_digest: (point_number.parse().ok().zip(replication.parse().ok()))
                .and_then(|place| digests.get(&place))
                .filter(|_| group.is_none())
                .cloned(),
            cells: cells.collect(),
        });
    }
    Ok(lines)
}

/// What stands for the scenario and for all events of each run, by point and replication: of a single
/// run at the top, of a sweep with each.
fn digests(run: &Value) -> BTreeMap<(u64, u64), (String, String)> {
    let of = |one: &Value| {
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        text("scenario_hash").zip(text("digest"))
    };
    match run["runs"].as_array() {
        None => of(run).map(|digests| ((0, 0), digests)).into_iter().collect(),
        Some(runs) => {
            let number = |one: &Value, name: &str| one[name].as_u64().unwrap_or(0);
            let key = |one: &Value| (number(one, "point"), number(one, "replication"));
            runs.iter().filter_map(|one| Some((key(one), of(one)?))).collect()
        }
    }
}
