//! Writes the folder of results. Its files are opened before the run, so that a folder that can't
//! be written is noticed at once. A file that can't be written later does not stop the others from
//! being written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use skipbeat_measure::Results;
use skipbeat_scenario::Study;

use crate::names::{
    EVICTIONS, GROUPS, HISTOGRAMS, HOST, LEDGER, LINKS, OF_ALL, OF_ONE, OF_SWEEP, RUN, SUMMARY,
    SWEEP, TIMELINE,
};
use crate::{FinishedRun, HostFile, ResultError, RunFile, histograms, tables};

/// An open folder of result files.
#[derive(Debug)]
pub struct ResultFolder {
    path: PathBuf,
    files: Vec<(&'static str, File)>,
}

impl ResultFolder {
    /// Makes the folder and opens its files. Old contents stay until a file is written. Files that
    /// a sweep leaves and a single run does not, or the other way round, are removed.
    ///
    /// # Errors
    /// If the folder or a file can't be made.
    pub fn create(path: &Path, sweep: bool) -> Result<Self, ResultError> {
        let error = |path: PathBuf| |source| ResultError::unwritable(path, source);
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

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all files of a study that is a single run.
    ///
    /// # Errors
    /// An error for each file that could not be written; the others were written.
    pub fn write_run(
        self,
        study: &Study,
        results: &Results,
        file: &RunFile,
        host: &HostFile,
    ) -> Vec<ResultError> {
        let run = &study.runs[0];
        let plan = &run.plan;
        let rows = [(run, &results.figures, &results.groups[..])];
        self.write_each(|name, out| match name {
            SUMMARY => tables::summary(study, &rows, out),
            GROUPS => tables::groups(study, &rows, out),
            TIMELINE => tables::timeline(results, out),
            EVICTIONS => tables::evictions(plan, results, out),
            LEDGER => tables::ledger(plan, results, out),
            LINKS => tables::links(plan, results, out),
            HISTOGRAMS => histograms::write(results, out),
            RUN => pretty(file, out),
            HOST => pretty(host, out),
            _ => unreachable!("every file has its writer"),
        })
    }

    /// Writes all files of a sweep, with the runs that are finished.
    ///
    /// # Errors
    /// An error for each file that could not be written; the others were written.
    pub fn write_sweep(
        self,
        study: &Study,
        runs: &[FinishedRun],
        file: &RunFile,
        host: &HostFile,
    ) -> Vec<ResultError> {
        let rows = runs.iter().map(|run| (&study.runs[run.run], &run.figures, &run.groups[..]));
        let rows: Vec<_> = rows.collect();
        self.write_each(|name, out| match name {
            SUMMARY => tables::summary(study, &rows, out),
            GROUPS => tables::groups(study, &rows, out),
            SWEEP => tables::points(study, runs, out),
            RUN => pretty(file, out),
            HOST => pretty(host, out),
            _ => unreachable!("every file has its writer"),
        })
    }

    fn write_each(
        self,
        write: impl Fn(&str, &mut BufWriter<&File>) -> io::Result<()>,
    ) -> Vec<ResultError> {
        let write = |name: &str, file: &File| -> io::Result<()> {
            // Only a regular file has a length that can be set.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            let mut out = BufWriter::new(file);
            write(name, &mut out)?;
            out.flush()
        };
        let written = self.files.iter().map(|(name, file)| {
            let path = self.path.join(name);
            write(name, file).map_err(|source| ResultError::unwritable(path, source))
        });
        written.filter_map(Result::err).collect()
    }
}

fn pretty(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
