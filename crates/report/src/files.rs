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
use skipbeat_measure::{Distribution, Results};
use skipbeat_scenario::Plan;

use crate::tables;

/// The version of `run.json`: raised when a name in it changes its meaning.
const RUN_JSON_VERSION: u32 = 1;

const FILES: [&str; 8] = [
    "summary.csv",
    "groups.csv",
    "timeline.csv",
    "evictions.csv",
    "ledger.csv",
    "latency.hlog",
    "run.json",
    "host.json",
];

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
    files: Vec<File>,
}

impl ResultFolder {
    /// Makes the folder and opens its files; what is in them stays until they are written.
    ///
    /// # Errors
    /// Where the folder or a file can't be made.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let error = |path: PathBuf| |source| FileError { path, source };
        fs::create_dir_all(path).map_err(error(path.to_owned()))?;
        let open = |name: &&str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options.open(path.join(name)).map_err(error(path.join(name)))
        };
        Ok(ResultFolder {
            path: path.to_owned(),
            files: FILES.iter().map(open).collect::<Result<_, _>>()?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything; `host` is what no seed fixes.
    ///
    /// # Errors
    /// One for each file that could not be written; the others were.
    pub fn write(
        self,
        plan: &Plan,
        results: &Results,
        host: &impl Serialize,
        build: Build,
        interrupted: bool,
        failure: Option<&str>,
    ) -> Vec<FileError> {
        let write = |name: &str, file: &File| -> io::Result<()> {
            // What is no regular file has no length to set.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            let mut out = BufWriter::new(file);
            match name {
                "summary.csv" => tables::summary(plan, results, &mut out)?,
                "groups.csv" => tables::groups(plan, results, &mut out)?,
                "timeline.csv" => tables::timeline(results, &mut out)?,
                "evictions.csv" => tables::evictions(plan, results, &mut out)?,
                "ledger.csv" => tables::ledger(plan, results, &mut out)?,
                "latency.hlog" => histograms(results, &mut out)?,
                "run.json" => pretty(&run(plan, results, build, interrupted, failure), &mut out)?,
                "host.json" => pretty(host, &mut out)?,
                _ => unreachable!("every file has its writer"),
            }
            out.flush()
        };
        let written = FILES.iter().zip(&self.files).map(|(name, file)| {
            write(name, file).map_err(|source| FileError { path: self.path.join(name), source })
        });
        written.filter_map(Result::err).collect()
    }
}

fn pretty(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Everything needed to run it again, and to see whether it came out the same.
fn run(
    plan: &Plan,
    results: &Results,
    build: Build,
    interrupted: bool,
    failure: Option<&str>,
) -> serde_json::Value {
    let clipped: u64 = results.paths.iter().flatten().map(|path| path.extents_clipped).sum();
    json!({
        "version": RUN_JSON_VERSION,
        "skipbeat": { "version": build.version, "commit": build.commit },
        "scenario": plan.to_json(),
        "scenario_hash": plan.hash(),
        "mode": plan.mode.name(),
        "seed": plan.seed,
        "digest": format!("{:016x}", results.digest),
        "events": results.events,
        "ended_at_s": results.end.seconds(),
        "interrupted": interrupted,
        "failure": failure,
        "observed_every_nth_client": results.observed_every,
        "reorder_extents_that_are_lower_bounds": clipped,
        "refused": results.refusals,
        "inconclusive": results.doubts.iter().map(ToString::to_string).collect::<Vec<_>>(),
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
