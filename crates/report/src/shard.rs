//! Shares of a sweep that other machines or calls run, and their merging into one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use skipbeat_scenario::{ScenarioError, Study};

use crate::files::{Build, Cell, JOURNAL};
use crate::journal::{self, Head};

/// One of several shares of a sweep. Runs go to the shares in turn, so that each has some of every
/// point and the expensive points do not meet in one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// All of a sweep.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Share `number`, from 1, `of` so many; none where it is not one of them.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Shard { number, of })
    }

    /// Whether run number `run` of the study, from 0, is in it.
    pub fn has(self, run: usize) -> bool {
        run % self.of as usize == self.number as usize - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shard = text.split_once('/').and_then(|(number, of)| {
            Shard::new(number.trim().parse().ok()?, of.trim().parse().ok()?)
        });
        shard
            .ok_or_else(|| format!("expected a share such as 3/16, from 1/16 to 16/16, got {text}"))
    }
}

/// Shares that fit together.
#[derive(Debug)]
pub struct Merged {
    /// What was swept.
    pub study: Study,
    /// Every run of it.
    pub cells: Vec<Cell>,
    /// What each share left in `host.json`, where it can be read.
    pub hosts: BTreeMap<String, serde_json::Value>,
}

/// Why shares can't be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A folder that holds no share.
    #[error("{}: no share of a sweep: {reason}", .folder.display())]
    NoShare {
        /// Which.
        folder: PathBuf,
        /// What was not found.
        reason: String,
    },
    /// A share of something else.
    #[error("{} and {}: shares of different {what}", .first.display(), .other.display())]
    Different {
        /// What differs: scenarios, builds, numbers of shares.
        what: &'static str,
        /// A share.
        first: PathBuf,
        /// One that does not fit to it.
        other: PathBuf,
    },
    /// A share that is there more than once.
    #[error("share {shard} is there twice: {} and {}", .first.display(), .again.display())]
    Twice {
        /// Which.
        shard: Shard,
        /// Where it is.
        first: PathBuf,
        /// Where it is too.
        again: PathBuf,
    },
    /// Shares that no folder holds.
    #[error("missing: share {}", .0.iter().map(Shard::to_string).collect::<Vec<_>>().join(", "))]
    Missing(Vec<Shard>),
    /// A share that did not come to its end.
    #[error(
        "{}: share {shard} lacks {missing} of its {planned} runs; `run --resume` goes on with it",
        .folder.display()
    )]
    Unfinished {
        /// Where it is.
        folder: PathBuf,
        /// Which.
        shard: Shard,
        /// Runs that it lacks.
        missing: usize,
        /// Runs that it should have.
        planned: usize,
    },
    /// The scenario in it can't be read any more.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// Merges the shares in these folders. Runs are whole in their shares, so nothing is averaged: what
/// is written of the merged runs is what one sweep would have written.
///
/// # Errors
/// Where shares are missing, there twice, unfinished, or not of one sweep of this build.
pub fn merge(folders: &[PathBuf], build: Build) -> Result<Merged, MergeError> {
    let mut shares: BTreeMap<Shard, (&Path, String)> = BTreeMap::new();
    let mut first: Option<(&Path, Head)> = None;
    for folder in folders {
        let no_share = |reason: String| MergeError::NoShare { folder: folder.clone(), reason };
        let text = journal::read(folder).map_err(|e| no_share(format!("{JOURNAL}: {e}")))?;
        let head = journal::head(&text).ok_or_else(|| no_share("its head is gone".to_owned()))?;
        let shard = head.shard;
        if let Some((again, _)) = shares.insert(shard, (folder, text)) {
            return Err(MergeError::Twice { shard, first: again.into(), again: folder.clone() });
        }
        let (at, like) = first.get_or_insert_with(|| (folder, head.clone()));
        let what = if !head.is_of(build) || !like.is_of(build) {
            "builds"
        } else if (&head.source.text, &head.source.changes)
            != (&like.source.text, &like.source.changes)
        {
            "scenarios"
        } else if head.shard.of != like.shard.of {
            "numbers of shares"
        } else {
            continue;
        };
        return Err(MergeError::Different { what, first: at.to_path_buf(), other: folder.clone() });
    }
    let Some((_, head)) = first else { return Err(MergeError::Missing(Vec::new())) };
    let of = head.shard.of;
    let all = (1..=of).map(|number| Shard { number, of });
    let missing: Vec<_> = all.filter(|shard| !shares.contains_key(shard)).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing));
    }
    let study = Study::parse(&head.source.name, &head.source.text, &head.source.changes)?;
    let (mut cells, mut hosts) = (Vec::new(), BTreeMap::new());
    for (shard, (folder, text)) in shares {
        let own = journal::cells(&text, &study, build).into_iter().filter(|c| shard.has(c.run));
        let own: Vec<Cell> = own.collect();
        let planned = (0..study.runs.len()).filter(|run| shard.has(*run)).count();
        if own.len() < planned {
            let missing = planned - own.len();
            return Err(MergeError::Unfinished { folder: folder.into(), shard, missing, planned });
        }
        cells.extend(own);
        let host = fs::read_to_string(folder.join("host.json")).ok();
        if let Some(host) = host.and_then(|host| serde_json::from_str(&host).ok()) {
            hosts.insert(shard.to_string(), host);
        }
    }
    cells.sort_by_key(|cell| cell.run);
    Ok(Merged { study, cells, hosts })
}
