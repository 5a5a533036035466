//! The journal of a sweep: a head that says what is run, then a line for each finished run. With it
//! a sweep that was killed can go on, and shares of a sweep can be merged.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use skipbeat_measure::{Load, RunTally};
use skipbeat_scenario::{Study, StudySource};

use crate::names::JOURNAL;
use crate::run_file::VERSION;
use crate::{Build, FinishedRun, RunEntry, Shard};

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    build: Build,
    /// Whether the last line may be incomplete.
    torn: bool,
}

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal is of another share.
    #[error("it holds share {0} of a sweep: another share needs another folder")]
    OtherShare(Shard),
    /// The journal is of another build, so the sweep can't be resumed.
    #[error("its runs come from another build; without --resume all of them run again")]
    OtherBuild,
    /// The file can't be opened, read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The head: the line before those of the runs.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    version: u32,
    pub(crate) build: Build,
    pub(crate) shard: Shard,
    pub(crate) source: StudySource,
}

impl Head {
    pub(crate) fn is_of(&self, build: &Build) -> bool {
        self.version == VERSION && self.build == *build
    }
}

/// The line of a run: the build, which run it was, and what was counted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    build: Build,
    run: RunEntry,
    load: Option<Load>,
    tally: RunTally,
}

impl Journal {
    /// Opens the journal in a folder. With `resume` it also returns the runs of the study that are
    /// finished already. Lines of another build, scenario, point or seed do not count.
    ///
    /// # Errors
    /// If it can't be opened, read or written, or is of another share; with `resume` also if it is
    /// of another build.
    pub fn open(
        folder: &Path,
        study: &Study,
        shard: Shard,
        build: &Build,
        resume: bool,
    ) -> Result<(Self, Vec<FinishedRun>), JournalError> {
        fs::create_dir_all(folder)?;
        let path = folder.join(JOURNAL);
        let text = if path.exists() { read(folder)? } else { String::new() };
        if let Some(head) = head(&text) {
            if head.shard != shard {
                return Err(JournalError::OtherShare(head.shard));
            } else if resume && !head.is_of(build) {
                return Err(JournalError::OtherBuild);
            }
        }
        let over = if resume { finished(&text, study, build).0 } else { Vec::new() };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resume).truncate(!resume);
        let build = build.clone();
        let mut journal = Journal { file: options.open(&path)?, build, torn: resume };
        journal.write(&Head {
            version: VERSION,
            build: journal.build.clone(),
            shard,
            source: study.source.clone(),
        })?;
        Ok((journal, over))
    }

    /// Adds a finished run.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn add(&mut self, study: &Study, finished: &FinishedRun) -> io::Result<()> {
        self.write(&Line {
            build: self.build.clone(),
            run: RunEntry::of(study, finished),
            load: finished.load,
            tally: finished.tally.clone(),
        })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        // Ends the line before, which may be incomplete.
        let before = if self.torn { "\n" } else { "" };
        let text = format!("{before}{}\n", serde_json::to_string(line)?);
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

/// The text of the journal in a folder. An incomplete line need not be valid UTF-8.
pub(crate) fn read(folder: &Path) -> io::Result<String> {
    fs::read(folder.join(JOURNAL)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The head of a journal: the last one if the sweep was resumed.
pub(crate) fn head(text: &str) -> Option<Head> {
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// The runs of a study that are finished according to a journal, each once and in their order. Also
/// the number of lines of this build that are of no run of the study.
pub(crate) fn finished(text: &str, study: &Study, build: &Build) -> (Vec<FinishedRun>, usize) {
    let runs = study.runs.iter().enumerate();
    let runs: BTreeMap<_, _> = runs.map(|(n, run)| ((run.point, run.replication), n)).collect();
    // Other lines are heads, or incomplete.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let mut strange = 0;
    let mut finished = BTreeMap::new();
    for line in lines.filter(|line| line.build == *build) {
        match line.finished(study, &runs) {
            Some(run) => drop(finished.insert(run.run, run)),
            None => strange += 1,
        }
    }
    (finished.into_values().collect(), strange)
}

impl Line {
    /// The run of the study that this line is of, if there is one. `runs` gives the number of a run
    /// by point and replication.
    fn finished(self, study: &Study, runs: &BTreeMap<(u32, u32), usize>) -> Option<FinishedRun> {
        let Line { run: entry, load, tally, .. } = self;
        let number = *runs.get(&(entry.point, entry.replication))?;
        let plan = &study.runs[number].plan;
        let same = plan.seed == entry.seed && plan.hash() == entry.scenario_hash;
        let all_groups = tally.groups.len() == plan.groups.len();
        let finished = FinishedRun::of_tally(
            number,
            tally,
            &study.base.columns(),
            entry.verdict.doubts.clone(),
            load,
            entry.verdict.stopped_by.clone(),
        );
        (same && all_groups).then_some(finished)
    }
}
