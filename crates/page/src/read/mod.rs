//! Result folders as they are read: a single run, or a sweep. Files that are not there are as if
//! they were empty; only `run.json` must be.

mod histograms;
mod run_file;
mod sweep;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::Value;

pub use run_file::{Build, RunFile, SweptRun, Threshold};
pub use sweep::{Estimate, Point, Sweep};
pub use table::{Table, TableRow};

use crate::error::PageError;

/// One folder of results.
#[derive(Clone, Debug)]
pub struct Folder {
    /// What it is called.
    pub name: String,
    /// Which run it was, and how it ended.
    pub about: RunFile,
    /// What the machine had to do with it; `null` if there is no such file.
    pub host: Value,
    /// The figures.
    pub kind: Kind,
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One run.
    Run(Box<Run>),
    /// Many runs over swept keys.
    Sweep(Sweep),
}

/// The files of a single run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Every metric of the whole run.
    pub figures: Figures,
    /// Every metric of each group, by its name.
    pub groups: Vec<(String, Figures)>,
    /// What was asked of the links beside what happened.
    pub links: Table,
    /// Where every datagram and every delivery went.
    pub ledger: Table,
    /// One row for each second.
    pub timeline: Table,
    /// How many evictions had each cause, over the whole run.
    pub causes: BTreeMap<String, u64>,
    /// The distributions of times, in microseconds.
    pub histograms: BTreeMap<String, Histogram<u64>>,
}

/// Metrics by name, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Figures(pub Vec<(String, Option<f64>)>);

impl Figures {
    /// The metrics of a row of `summary.csv` or `groups.csv`: `clients` is the first of them.
    fn of(row: TableRow<'_>) -> Figures {
        Figures(row.numbers_from("clients"))
    }

    /// A metric, if it is there and defined.
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| name == metric).and_then(|(_, value)| *value)
    }
}

impl Folder {
    /// Reads a folder.
    pub fn read(path: &Path) -> Result<Folder, PageError> {
        let about: RunFile =
            json(&path.join("run.json"))?.ok_or_else(|| PageError::NoResults(path.to_owned()))?;
        let host = json(&path.join("host.json"))?.unwrap_or_default();
        let sweep = Table::read(&path.join("sweep.csv"))?;
        let kind = if sweep.columns().is_empty() && about.swept.is_empty() {
            Kind::Run(Box::new(Run::read(path)?))
        } else {
            Kind::Sweep(Sweep::new(&sweep, &about))
        };
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Ok(Folder { name, about, host, kind })
    }
}

impl Run {
    fn read(path: &Path) -> Result<Run, PageError> {
        let table = |name: &str| Table::read(&path.join(name));
        let groups = table("groups.csv")?;
        let groups = groups.rows().map(|row| (row.text("group").to_owned(), Figures::of(row)));
        let summary = table("summary.csv")?;
        Ok(Run {
            figures: summary.rows().next().map(Figures::of).unwrap_or_default(),
            groups: groups.collect(),
            links: table("links.csv")?,
            ledger: table("ledger.csv")?,
            timeline: table("timeline.csv")?,
            causes: causes(&path.join("evictions.csv"))?,
            histograms: histograms::read(&path.join("latency.hlog"))?,
        })
    }
}

/// Counts evictions by cause, row by row: there may be millions.
fn causes(path: &Path) -> Result<BTreeMap<String, u64>, PageError> {
    const CAUSE: usize = 3;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let columns = table::each_row(path, |row| {
        let cause = row.get(CAUSE).unwrap_or("");
        match counts.get_mut(cause) {
            Some(count) => *count += 1,
            None => drop(counts.insert(cause.to_owned(), 1)),
        }
    })?;
    match columns.get(CAUSE) {
        Some(name) if name != "cause" => Err(PageError::Damaged {
            path: path.to_owned(),
            reason: format!("column {} should be `cause`", CAUSE + 1),
        }),
        _ => Ok(counts),
    }
}

/// A file, if it is there. What is no regular file, a device say, has no end to be read to.
fn open(path: &Path) -> Result<Option<File>, PageError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_file(), file)));
    match opened {
        Ok((regular, file)) => Ok(regular.then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PageError::Read { path: path.to_owned(), source }),
    }
}

/// The text of a file, if it is there.
fn optional(path: &Path) -> Result<Option<String>, PageError> {
    let Some(file) = open(path)? else { return Ok(None) };
    let text = io::read_to_string(file);
    text.map(Some).map_err(|source| PageError::Read { path: path.to_owned(), source })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, PageError> {
    let damaged = |error: serde_json::Error| PageError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    optional(path)?.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
}
