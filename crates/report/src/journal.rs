//! The journal of a sweep: what is run, then a line for each run that is over, so that a sweep that
//! was killed can go on where it was, and shares of it can be merged. That of a whole sweep is
//! removed when it is over.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use skipbeat_measure::Figures;
use skipbeat_scenario::{Source, Study};

use crate::files::{Build, Cell, JOURNAL};
use crate::shard::Shard;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    build: Build,
}

/// The line before those of the runs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    version: String,
    commit: String,
    pub(crate) shard: Shard,
    pub(crate) source: Source,
}

impl Head {
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
}

impl Journal {
    /// Opens the journal in a folder, and reads which runs of a study are over already, if `resume`
    /// asks for it. Lines of another build, scenario, point or seed do not count.
    ///
    /// # Errors
    /// Where it can't be opened, read or written.
    pub fn open(
        folder: &Path,
        study: &Study,
        shard: Shard,
        build: Build,
        resume: bool,
    ) -> io::Result<(Self, Vec<Cell>)> {
        let path = folder.join(JOURNAL);
        let over = match resume && path.exists() {
            true => cells(&read(folder)?, study, build),
            false => Vec::new(),
        };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resume).truncate(!resume);
        let mut journal = Journal { file: options.open(&path)?, path, build };
        if resume {
            // What was torn ends here.
            journal.file.write_all(b"\n")?;
        }
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
        })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }

    /// The sweep is whole: the journal is not needed any more.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn close(self) -> io::Result<()> {
        fs::remove_file(self.path)
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

/// The runs of a study that are over by a journal, each once, in their order.
pub(crate) fn cells(text: &str, study: &Study, build: Build) -> Vec<Cell> {
    let runs = study.runs.iter().enumerate();
    let runs: BTreeMap<_, _> = runs.map(|(n, run)| ((run.point, run.replication), n)).collect();
    // What is no line of a run is a head, or torn.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let of_build =
        lines.filter(|line| line.version == build.version && line.commit == build.commit);
    let cells = of_build.filter_map(|line| {
        let run = *runs.get(&(line.point, line.replication))?;
        let groups: Option<Vec<_>> = line.groups.into_iter().map(Figures::from_values).collect();
        let plan = &study.runs[run].plan;
        let same = plan.seed == line.seed && plan.hash() == line.scenario_hash;
        let (figures, groups) = (Figures::from_values(line.figures)?, groups.filter(|_| same)?);
        let Line { doubts, digest, datagrams, .. } = line;
        Some((run, Cell { run, figures, groups, doubts, digest, datagrams }))
    });
    cells.collect::<BTreeMap<_, _>>().into_values().collect()
}
