//! Reads folders of results: the figures alone, or everything.

use std::collections::BTreeMap;
use std::path::Path;

use hdrhistogram::Histogram;
use skipbeat_measure::{EvictionCause, Outcome, Second};

use crate::names::{
    EVICTIONS, GROUPS, HISTOGRAMS, HOST, LEDGER, LINKS, RUN, SUMMARY, SWEEP, TIMELINE,
};
use crate::rows::{self, FigureRow, LedgerLine, LinkLine};
use crate::{Estimate, HostFile, ResultError, RunFile, histograms};

/// Reads `run.json` and every figure: the whole runs first, then the groups.
///
/// # Errors
/// If one of the files is missing, of another version, or damaged.
pub fn read_figures(folder: &Path) -> Result<(RunFile, Vec<FigureRow>), ResultError> {
    let file = RunFile::read(&folder.join(RUN))?;
    let keys = file.sweep.as_ref().map_or(&[][..], |sweep| &sweep.keys);
    let mut all = rows::figures(&folder.join(SUMMARY), keys, false)?;
    if file.run.is_some() && all.len() != 1 {
        let problem = format!("expected one row, that of the run, got {}", all.len());
        return Err(ResultError::damaged(&folder.join(SUMMARY), None, problem));
    }
    all.extend(rows::figures(&folder.join(GROUPS), keys, true)?);
    Ok((file, all))
}

/// Everything in a folder.
#[derive(Clone, Debug)]
pub enum ReadFolder {
    /// A single run.
    Run(Box<RunRead>),
    /// A sweep.
    Sweep(Box<SweepRead>),
}

/// The files of a single run.
#[derive(Clone, Debug)]
pub struct RunRead {
    /// What was run, and how it ended.
    pub file: RunFile,
    /// What it cost, if that is recorded.
    pub host: Option<HostFile>,
    /// Every figure of the whole run.
    pub figures: FigureRow,
    /// Every figure of each group.
    pub groups: Vec<FigureRow>,
    /// Links as configured and as observed.
    pub links: Vec<LinkLine>,
    /// Where every datagram and every delivery went.
    pub ledger: Vec<LedgerLine>,
    /// What happened in each second.
    pub timeline: Vec<Second>,
    /// How many evictions had each cause, over the whole run.
    pub causes: Vec<(EvictionCause, u64)>,
    /// Whole distributions in microseconds, by metric.
    pub histograms: BTreeMap<String, Histogram<u64>>,
}

/// The files of a sweep.
#[derive(Clone, Debug)]
pub struct SweepRead {
    /// What was run, and how it ended.
    pub file: RunFile,
    /// What it cost, if that is recorded.
    pub host: Option<HostFile>,
    /// The swept keys; the one that changes slowest is first.
    pub keys: Vec<String>,
    /// The points, in order.
    pub points: Vec<SweepPoint>,
}

/// One combination of values of the swept keys.
#[derive(Clone, Debug)]
pub struct SweepPoint {
    /// Its number, from 0.
    pub number: u32,
    /// The value of each key.
    pub values: Vec<String>,
    /// The number of its finished runs.
    pub runs: u64,
    /// Every metric with its estimate over these runs.
    pub figures: Vec<(String, Estimate)>,
    /// The worst outcome of its runs; `None` if none of them is in `run.json`.
    pub outcome: Option<Outcome>,
}

impl SweepPoint {
    /// The estimate of a metric over the runs of the point. Its mean is `None` if the metric is
    /// undefined or not a column.
    pub fn figure(&self, metric: &str) -> Estimate {
        let found = self.figures.iter().find(|(name, _)| name == metric);
        found.map(|(_, estimate)| *estimate).unwrap_or_default()
    }
}

impl ReadFolder {
    /// What was run, and how it ended.
    pub fn file(&self) -> &RunFile {
        match self {
            ReadFolder::Run(run) => &run.file,
            ReadFolder::Sweep(sweep) => &sweep.file,
        }
    }

    /// What it cost, if that is recorded.
    pub fn host(&self) -> Option<&HostFile> {
        match self {
            ReadFolder::Run(run) => run.host.as_ref(),
            ReadFolder::Sweep(sweep) => sweep.host.as_ref(),
        }
    }
}

/// Reads every result file in a folder; not `progress.jsonl`, and not the page.
///
/// # Errors
/// If a file is missing (`host.json` may be), of another version, or damaged.
pub fn read_all(folder: &Path) -> Result<ReadFolder, ResultError> {
    let (file, mut figures) = read_figures(folder)?;
    let host = HostFile::read(&folder.join(HOST))?;
    let of = |name: &str| folder.join(name);
    let Some(sweep) = &file.sweep else {
        let groups = figures.split_off(1.min(figures.len()));
        let Some(whole) = figures.pop().filter(|row| row.group.is_none()) else {
            return Err(ResultError::damaged(&of(SUMMARY), None, "has no row"));
        };
        let histograms = histograms::read(&of(HISTOGRAMS))?;
        all_there(&whole, &histograms)
            .map_err(|problem| ResultError::damaged(&of(HISTOGRAMS), None, problem))?;
        return Ok(ReadFolder::Run(Box::new(RunRead {
            host,
            figures: whole,
            groups,
            links: rows::links(&of(LINKS))?,
            ledger: rows::ledger(&of(LEDGER))?,
            timeline: rows::timeline(&of(TIMELINE))?,
            causes: rows::eviction_causes(&of(EVICTIONS))?,
            histograms,
            file,
        })));
    };
    let outcome = |number: u32| {
        let runs = sweep.runs.iter().filter(|run| run.point == number);
        runs.map(|run| run.verdict.outcome).max()
    };
    let points = rows::points(&of(SWEEP), &sweep.keys)?.into_iter().map(|row| SweepPoint {
        number: row.point,
        values: row.values,
        runs: row.runs,
        figures: row.figures,
        outcome: outcome(row.point),
    });
    let (points, keys) = (points.collect(), sweep.keys.clone());
    Ok(ReadFolder::Sweep(Box::new(SweepRead { host, keys, points, file })))
}

/// Checks that each distribution has as many values as `summary.csv` says.
fn all_there(
    figures: &FigureRow,
    histograms: &BTreeMap<String, Histogram<u64>>,
) -> Result<(), String> {
    for (tag, histogram) in histograms {
        let samples = figures.figure(&format!("{tag}_samples"));
        if let Some(samples) = samples.filter(|samples| *samples != histogram.len() as f64) {
            let here = histogram.len();
            return Err(format!("{tag} has {here} values, {SUMMARY} says {samples}"));
        }
    }
    let mut counts = figures.figures.iter().filter_map(|(name, count)| {
        Some((name.strip_suffix("_samples")?, count.filter(|count| *count > 0.0)?))
    });
    // An age over time has no samples; distributions of one workload are not kept whole.
    let common = |tag: &str| histograms::TAGS.contains(&tag);
    match counts.find(|(tag, _)| common(tag) && !histograms.contains_key(*tag)) {
        Some((tag, count)) => Err(format!("{tag} is missing, {SUMMARY} says {count} values")),
        None => Ok(()),
    }
}
