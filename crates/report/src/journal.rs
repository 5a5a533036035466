//! The journal of a sweep: what is run, then a line for each run that is over, so that a sweep that
//! was killed can go on where it was, and shares of it can be merged.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use skipbeat_measure::{Figures, Load};
use skipbeat_scenario::{Study, StudySource};

use crate::files::{Build, Cell, JOURNAL};
use crate::shard::Shard;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    build: Build,
    /// Whether a line may be written in part.
    torn: bool,
}

/// Why a folder's journal is not written to.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It is that of another share.
    #[error("it holds share {0} of a sweep: another share needs another folder")]
    OtherShare(Shard),
    /// It can't be gone on with.
    #[error("its runs are of another build; without --resume all of them run again")]
    OtherBuild,
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The line before those of the runs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    version: String,
    commit: String,
    pub(crate) shard: Shard,
    pub(crate) source: StudySource,
}

impl Head {
    pub(crate) fn build(&self) -> String {
        format!("{} {}", self.version, self.commit)
    }

    pub(crate) fn is_of(&self, build: Build) -> bool {
        self.version == build.version && self.commit == build.commit
    }
}

/// The line of a run: which it was, of which build, and what came of it.
#[derive(Serialize, Deserialize)]
struct Line {
    version: String,
    commit: String,
    scenario_hash: String,
    point: u32,
    replication: u32,
    seed: u64,
    digest: u64,
    datagrams: u64,
    doubts: Vec<String>,
    figures: Vec<Option<f64>>,
    groups: Vec<Vec<Option<f64>>>,
    #[serde(default)]
    load: Option<Load>,
    #[serde(default)]
    stopped_by: Option<String>,
}

impl Journal {
    /// Opens the journal in a folder, and reads which runs of a study are over already, if `resume`
    /// asks for it. Lines of another build, scenario, point or seed do not count.
    ///
    /// # Errors
    /// Where it can't be opened, read or written, or is of another share; where it is of another
    /// build and should be gone on with.
    pub fn open(
        folder: &Path,
        study: &Study,
        shard: Shard,
        build: Build,
        resume: bool,
    ) -> Result<(Self, Vec<Cell>), JournalError> {
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
        let over = if resume { cells(&text, study, build).0 } else { Vec::new() };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resume).truncate(!resume);
        let mut journal = Journal { file: options.open(&path)?, build, torn: resume };
        journal.write(&Head {
            version: build.version.to_owned(),
            commit: build.commit.to_owned(),
            shard,
            source: study.source.clone(),
        })?;
        Ok((journal, over))
    }

    /// Writes down a run that is over.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn add(&mut self, study: &Study, cell: &Cell) -> io::Result<()> {
        let run = &study.runs[cell.run];
        self.write(&Line {
            version: self.build.version.to_owned(),
            commit: self.build.commit.to_owned(),
            scenario_hash: run.plan.hash(),
            point: run.point,
            replication: run.replication,
            seed: run.plan.seed,
            digest: cell.digest,
            datagrams: cell.datagrams,
            doubts: cell.doubts.clone(),
            figures: cell.figures.values().to_vec(),
            groups: cell.groups.iter().map(|figures| figures.values().to_vec()).collect(),
            load: cell.load,
            stopped_by: cell.stopped_by.clone(),
        })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        // What was torn ends here.
        let before = if self.torn { "\n" } else { "" };
        let text = format!("{before}{}\n", serde_json::to_string(line)?);
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

/// The text of the journal in a folder; what is torn need not be text.
pub(crate) fn read(folder: &Path) -> io::Result<String> {
    fs::read(folder.join(JOURNAL)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The head of a journal: the last, where a sweep went on.
pub(crate) fn head(text: &str) -> Option<Head> {
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// The runs of a study that are over by a journal, each once, in their order; and how many lines are
/// of this build and of no run of the study.
pub(crate) fn cells(text: &str, study: &Study, build: Build) -> (Vec<Cell>, usize) {
    let runs = study.runs.iter().enumerate();
    let runs: BTreeMap<_, _> = runs.map(|(n, run)| ((run.point, run.replication), n)).collect();
    // What is no line of a run is a head, or torn.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let of_build =
        lines.filter(|line| line.version == build.version && line.commit == build.commit);
    let mut strange = 0;
    let mut cells = BTreeMap::new();
    for line in of_build {
        match line.cell(study, &runs) {
            Some(cell) => drop(cells.insert(cell.run, cell)),
            None => strange += 1,
        }
    }
    (cells.into_values().collect(), strange)
}

impl Line {
    /// The run of the study that this was, if it is one; `runs` are those of a point and replication.
    fn cell(self, study: &Study, runs: &BTreeMap<(u32, u32), usize>) -> Option<Cell> {
        let run = *runs.get(&(self.point, self.replication))?;
        let plan = &study.runs[run].plan;
        let same = plan.seed == self.seed && plan.hash() == self.scenario_hash;
        let groups: Option<Vec<_>> = self.groups.into_iter().map(Figures::from_values).collect();
        let (figures, groups) = (Figures::from_values(self.figures)?, groups.filter(|_| same)?);
        Some(Cell {
            run,
            figures,
            groups,
            doubts: self.doubts,
            digest: self.digest,
            datagrams: self.datagrams,
            load: self.load,
            stopped_by: self.stopped_by,
        })
    }
}
