//! The journal of a sweep: a line for each run that is over, so that a sweep that was killed can go
//! on where it was. It is gone when the sweep is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use skipbeat_measure::Figures;
use skipbeat_scenario::Study;

use crate::files::{Build, Cell, JOURNAL};

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// One line: which run it was, of which build, and what came of it.
#[derive(Serialize, Deserialize)]
struct Line {
    version: String,
    commit: String,
    scenario_hash: String,
    point: u32,
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
    /// Where it can't be opened or read.
    pub fn open(
        folder: &Path,
        study: &Study,
        build: Build,
        resume: bool,
    ) -> io::Result<(Self, Vec<Cell>)> {
        let path = folder.join(JOURNAL);
        let mut cells = Vec::new();
        if resume && path.exists() {
            let text = fs::read_to_string(&path)?;
            // The last line may be torn.
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            cells = lines.filter_map(|line| line.cell(study, build)).collect();
            cells.sort_by_key(|cell| cell.run);
            cells.dedup_by_key(|cell| cell.run);
        }
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resume).truncate(!resume);
        let file = options.open(&path)?;
        let mut journal = Journal { path, file };
        if resume {
            // What was torn ends here.
            journal.file.write_all(b"\n")?;
        }
        Ok((journal, cells))
    }

    /// Writes down a run that is over.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn add(&mut self, study: &Study, cell: &Cell, build: Build) -> io::Result<()> {
        let run = &study.runs[cell.run];
        let line = Line {
            version: build.version.to_owned(),
            commit: build.commit.to_owned(),
            scenario_hash: run.plan.hash(),
            point: run.point,
            seed: run.plan.seed,
            digest: cell.digest,
            datagrams: cell.datagrams,
            doubts: cell.doubts.clone(),
            figures: cell.figures.values().to_vec(),
            groups: cell.groups.iter().map(|figures| figures.values().to_vec()).collect(),
        };
        let mut text = serde_json::to_string(&line)?;
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

impl Line {
    /// The run of the study that this was, if it is one.
    fn cell(self, study: &Study, build: Build) -> Option<Cell> {
        let same_build = self.version == build.version && self.commit == build.commit;
        let run = study.runs.iter().position(|run| {
            run.point == self.point
                && run.plan.seed == self.seed
                && run.plan.hash() == self.scenario_hash
        });
        let figures = Figures::from_values(self.figures)?;
        let groups: Option<Vec<_>> = self.groups.into_iter().map(Figures::from_values).collect();
        Some(Cell {
            run: run.filter(|_| same_build)?,
            figures,
            groups: groups?,
            doubts: self.doubts,
            digest: self.digest,
            datagrams: self.datagrams,
        })
    }
}
