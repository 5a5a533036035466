//! The folder of a run's results. Its files are opened before the run, so that a folder that can't
//! be written is found out at once; a file that can't be written afterwards does not keep the
//! others from being.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;
use serde_json::json;
use skipbeat_measure::{Distribution, Figures, Load, Outcome, Results};
use skipbeat_scenario::{Plan, Run, Study};

use crate::capacity::knees;
use crate::ending::Ending;
use crate::spread;
use crate::summary::json_thresholds;
use crate::tables::{self, plain};

/// The version of `run.json`: raised when a name in it changes its meaning.
const RUN_JSON_VERSION: u32 = 1;

/// What every study leaves.
const OF_ALL: [&str; 4] = ["summary.csv", "groups.csv", "run.json", "host.json"];
/// What a sweep leaves beside that.
const OF_SWEEP: [&str; 1] = ["sweep.csv"];
/// The journal that stays beside that, whatever runs there later.
pub(crate) const JOURNAL: &str = "progress.jsonl";
/// What a single run leaves beside that.
const OF_ONE: [&str; 5] =
    ["timeline.csv", "evictions.csv", "ledger.csv", "links.csv", "latency.hlog"];

/// Which build made the results.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The version of the program.
    pub version: &'static str,
    /// The git commit it was built from, if it was.
    pub commit: &'static str,
}

/// A result file can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write {path}", path = path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// An open folder of result files.
#[derive(Debug)]
pub struct ResultFolder {
    path: PathBuf,
    files: Vec<(&'static str, File)>,
}

impl ResultFolder {
    /// Makes the folder and opens its files; what is in them stays until they are written. What a
    /// sweep leaves and a single run does not, or the other way round, is taken away.
    ///
    /// # Errors
    /// Where the folder or a file can't be made.
    pub fn create(path: &Path, sweep: bool) -> Result<Self, FileError> {
        let error = |path: PathBuf| |source| FileError { path, source };
        fs::create_dir_all(path).map_err(error(path.to_owned()))?;
        let open = |name: &'static str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            let file = options.open(path.join(name)).map_err(error(path.join(name)))?;
            Ok((name, file))
        };
        let others: &[&'static str] = if sweep { &OF_ONE } else { &OF_SWEEP };
        for stale in others.iter().map(|name| path.join(name)) {
            if stale.is_file() {
                fs::remove_file(&stale).map_err(error(stale))?;
            }
        }
        let own: &[&'static str] = if sweep { &OF_SWEEP } else { &OF_ONE };
        let names = OF_ALL.into_iter().chain(own.iter().copied());
        Ok(ResultFolder {
            path: path.to_owned(),
            files: names.map(open).collect::<Result<_, _>>()?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of a study that is a single run; `host` is what no seed fixes.
    ///
    /// # Errors
    /// One for each file that could not be written; the others were.
    pub fn write(
        self,
        study: &Study,
        results: &Results,
        host: &impl Serialize,
        build: Build,
        ending: &Ending,
    ) -> Vec<FileError> {
        let run = &study.runs[0];
        let Run { plan, .. } = run;
        let rows = [(run, &results.figures, &results.groups[..])];
        self.write_each(|name, out| match name {
            "summary.csv" => tables::summary(&[], &rows, out),
            "groups.csv" => tables::groups(&[], &rows, out),
            "timeline.csv" => tables::timeline(results, out),
            "evictions.csv" => tables::evictions(plan, results, out),
            "ledger.csv" => tables::ledger(plan, results, out),
            "links.csv" => tables::links(plan, results, out),
            "latency.hlog" => histograms(results, out),
            "run.json" => pretty(&of_run(study, results, build, ending), out),
            "host.json" => pretty(host, out),
            _ => unreachable!("every file has its writer"),
        })
    }

    /// Writes all of a sweep, as far as it came.
    ///
    /// # Errors
    /// One for each file that could not be written; the others were.
    pub fn write_sweep(
        self,
        study: &Study,
        cells: &[Cell],
        host: &impl Serialize,
        build: Build,
        outcome: Outcome,
    ) -> Vec<FileError> {
        let rows: Vec<_> =
            cells.iter().map(|c| (&study.runs[c.run], &c.figures, &c.groups[..])).collect();
        self.write_each(|name, out| match name {
            "summary.csv" => tables::summary(&study.keys, &rows, out),
            "groups.csv" => tables::groups(&study.keys, &rows, out),
            "sweep.csv" => spread::points(study, cells, out),
            "run.json" => pretty(&of_sweep(study, cells, build, outcome), out),
            "host.json" => pretty(host, out),
            _ => unreachable!("every file has its writer"),
        })
    }

    fn write_each(
        self,
        write: impl Fn(&str, &mut BufWriter<&File>) -> io::Result<()>,
    ) -> Vec<FileError> {
        let write = |name: &str, file: &File| -> io::Result<()> {
            // What is no regular file has no length to set.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            let mut out = BufWriter::new(file);
            write(name, &mut out)?;
            out.flush()
        };
        let written = self.files.iter().map(|(name, file)| {
            write(name, file).map_err(|source| FileError { path: self.path.join(name), source })
        });
        written.filter_map(Result::err).collect()
    }
}

/// What is kept of one run of a sweep.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Which run of the study.
    pub run: usize,
    /// The figures of the whole run.
    pub figures: Figures,
    /// The figures of each group.
    pub groups: Vec<Figures>,
    /// Why they can't be relied on, if so.
    pub doubts: Vec<String>,
    /// A number that stands for all events of the run.
    pub digest: u64,
    /// Datagrams that were to enter links.
    pub datagrams: u64,
    /// Which part of it was at its limit; nothing in the simulator.
    pub load: Option<Load>,
    /// The threshold that ended it early.
    pub stopped_by: Option<String>,
}

impl Cell {
    /// What is kept of the results of run number `run`.
    pub fn new(
        run: usize,
        results: Results,
        load: Option<Load>,
        stopped_by: Option<String>,
    ) -> Self {
        let datagrams = results.links.iter().flatten().map(|links| links.offered).sum();
        let doubts = results.doubts.iter().map(ToString::to_string).collect();
        let Results { figures, groups, digest, .. } = results;
        Cell { run, figures, groups, doubts, digest, datagrams, load, stopped_by }
    }

    /// How the run ended.
    pub fn ending(&self, plan: &Plan) -> Ending {
        let certain = self.doubts.is_empty();
        Ending::new(plan, &self.figures, &self.groups, certain, self.stopped_by.clone())
    }
}

fn pretty(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Everything needed to run it again, and to see whether it came out the same.
fn of_run(study: &Study, results: &Results, build: Build, ending: &Ending) -> serde_json::Value {
    let plan = &study.runs[0].plan;
    let clipped: u64 = results.paths.iter().flatten().map(|path| path.extents_clipped).sum();
    json!({
        "version": RUN_JSON_VERSION,
        "skipbeat": { "version": build.version, "commit": build.commit },
        "scenario": plan.to_json(),
        "scenario_hash": plan.hash(),
        "settings": study.source.changes.settings,
        "mode": plan.mode.name(),
        "seed": plan.seed,
        "digest": format!("{:016x}", results.digest),
        "events": results.events,
        "ended_at_s": results.end.seconds(),
        "verdict": ending.outcome.name(),
        "thresholds": json_thresholds(&ending.judged),
        "stopped_by": ending.stopped_by,
        "interrupted": ending.outcome == Outcome::Interrupted,
        "failure": ending.failure,
        "observed_every_nth_client": results.observed_every,
        "reorder_extents_that_are_lower_bounds": clipped,
        "refused": results.refusals,
        "inconclusive": results.doubts.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The same for each run of a sweep.
fn of_sweep(study: &Study, cells: &[Cell], build: Build, outcome: Outcome) -> serde_json::Value {
    let run = |cell: &Cell| {
        let run = &study.runs[cell.run];
        let values: serde_json::Map<_, _> =
            study.keys.iter().cloned().zip(run.values.iter().map(|v| json!(plain(v)))).collect();
        let ending = cell.ending(&run.plan);
        json!({
            "point": run.point,
            "replication": run.replication,
            "values": values,
            "scenario_hash": run.plan.hash(),
            "seed": run.plan.seed,
            "digest": format!("{:016x}", cell.digest),
            "verdict": ending.outcome.name(),
            "thresholds": json_thresholds(&ending.judged),
            "stopped_by": ending.stopped_by,
            "inconclusive": cell.doubts,
        })
    };
    json!({
        "version": RUN_JSON_VERSION,
        "skipbeat": { "version": build.version, "commit": build.commit },
        "scenario": study.base.to_json(),
        "scenario_hash": study.base.hash(),
        "mode": study.base.mode.name(),
        "seed": study.base.seed,
        "settings": study.source.changes.settings,
        "replications": study.source.changes.replications,
        "swept": study.keys,
        "capacity": study.ramp.map(|_| knees(study, cells)),
        "runs_planned": study.runs.len(),
        "verdict": outcome.name(),
        "interrupted": outcome == Outcome::Interrupted,
        "runs": cells.iter().map(run).collect::<Vec<_>>(),
    })
}

/// Histograms in microseconds, one interval each, the metric as tag.
fn histograms(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("skipbeat: values in microseconds, the tag is the metric")
        .with_start_time(UNIX_EPOCH)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    let named: [(&str, Option<&Distribution>); 5] = [
        ("latency", Some(&results.latency)),
        ("latency_real", Some(&results.latency_real)),
        ("eviction_latency", Some(&results.eviction_latency)),
        ("mistake_duration", Some(&results.mistake_duration)),
        ("lateness", results.lateness.as_ref()),
    ];
    let length = Duration::from_nanos(results.end.nanos());
    for (name, distribution) in named {
        if let Some(distribution) = distribution.filter(|d| !d.is_empty()) {
            log.write_histogram(distribution.histogram(), Duration::ZERO, length, Tag::new(name))
                .map_err(|e| io::Error::other(format!("{e:?}")))?;
        }
    }
    Ok(())
}
