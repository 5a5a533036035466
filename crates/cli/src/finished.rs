//! A finished study: its runs, its outcome, and what to print about it.

use std::io::Write;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use skipbeat_measure::{Outcome, RunVerdict};
use skipbeat_net::Io;
use skipbeat_report::{
    capacity_summary, counts, json_sweep, ramp_summaries, study_outcome, sweep_summary,
};
use skipbeat_results::{FinishedRun, HostFile, ResultError, ResultFolder, RunFile};
use skipbeat_scenario::Study;

use crate::args::Format;
use crate::exit::{Exit, complain};
use crate::progress::Display;
use crate::report;
use crate::version::build;

/// How a study is run.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) io: Io,
    /// How many runs of a sweep are simulated at a time; `None` for one per core.
    pub(crate) threads: Option<NonZeroU16>,
    pub(crate) resume: bool,
    pub(crate) pcap: Option<PathBuf>,
    pub(crate) display: Display,
    pub(crate) format: Format,
}

/// A finished study.
pub(crate) struct Finished {
    pub(crate) runs: Vec<FinishedRun>,
    /// The verdict, if the study is a single run.
    pub(crate) verdict: Option<RunVerdict>,
    /// How it ended. A file that could not be written does not change this, but is in `errors`.
    pub(crate) outcome: Outcome,
    /// The summary for standard output.
    pub(crate) text: String,
    /// The errors to print on standard error.
    pub(crate) errors: Vec<anyhow::Error>,
}

impl Finished {
    /// The verdict on each run that counts towards the outcome of the study, with the run's number.
    pub(crate) fn verdicts(&self, study: &Study) -> Vec<(usize, RunVerdict)> {
        if let Some(verdict) = &self.verdict {
            return vec![(0, verdict.clone())];
        }
        let runs = self.runs.iter().filter(|run| counts(study, run));
        runs.map(|run| (run.run, run.verdict(&study.runs[run.run].plan))).collect()
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.errors.is_empty() { self.outcome.into() } else { Exit::Failed }
    }

    /// Prints everything, and returns the exit code.
    pub(crate) fn show(self) -> Exit {
        let exit = self.exit();
        // If standard output is closed, the files are written all the same.
        let _ = anstream::stdout().write_all(self.text.as_bytes());
        self.errors.iter().for_each(complain);
        exit
    }
}

/// Draws the page if all files of a run were written. Returns the errors of the files, or else that
/// of the page.
pub(crate) fn unwritten(files: Vec<ResultError>, folder: &Path) -> Vec<anyhow::Error> {
    if !files.is_empty() {
        // The page needs all of the files.
        return files.into_iter().map(Into::into).collect();
    }
    report::write(folder).err().into_iter().collect()
}

/// Writes the results of a sweep, and makes its summary. `ended` is the outcome with its reason if
/// they don't follow from the runs.
pub(crate) fn write_sweep(
    format: Format,
    study: &Study,
    folder: ResultFolder,
    runs: Vec<FinishedRun>,
    host: &HostFile,
    ended: Option<(Outcome, String)>,
    last_line: &str,
) -> Finished {
    let path = folder.path().to_owned();
    let (outcome, reason) = ended.unwrap_or_else(|| study_outcome(study, &runs));
    let ramps = study.ramp.map(|_| ramp_summaries(study, &runs));
    let file = RunFile::of_sweep(study, &runs, (outcome, reason.clone()), ramps, &build());
    let errors = unwritten(folder.write_sweep(study, &runs, &file, host), &path);
    let exit = if errors.is_empty() { outcome.into() } else { Exit::Failed };
    let came_to = (outcome, reason.as_str());
    let text = match format {
        Format::Json => format!("{:#}\n", json_sweep(study, &runs, came_to, exit as u8)),
        Format::Text if study.ramp.is_some() => {
            format!("{}{last_line}\n", capacity_summary(study, &runs, came_to))
        }
        Format::Text => format!("{}{last_line}\n", sweep_summary(study, &runs, came_to)),
    };
    Finished { runs, verdict: None, outcome, text, errors }
}
