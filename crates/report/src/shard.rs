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
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

/// As many as a sweep has runs at most.
const MOST_SHARES: u32 = 1_000_000;
/// The most that a message names.
const MOST_NAMED: usize = 10;

impl Shard {
    /// All of a sweep.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Share `number`, from 1, `of` so many, at most a million; none where it is not one of them.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&number) && of <= MOST_SHARES).then_some(Shard { number, of })
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

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
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
    /// A share that another build of this program ran.
    #[error("{}: a share of another build, {theirs}; this is {ours}", .folder.display())]
    OtherBuild {
        /// Where it is.
        folder: PathBuf,
        /// The build that it is of.
        theirs: String,
        /// This one.
        ours: String,
    },
    /// A share of something else.
    #[error("{} and {}: shares of different {what}", .first.display(), .other.display())]
    Different {
        /// What differs: scenarios or numbers of shares.
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
    #[error("missing: share {}", named(.0))]
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
    /// A share whose runs are no longer those of its scenario.
    #[error(
        "{}: share {shard} holds {count} runs of other points, or the files that its scenario names \
         have changed",
        .folder.display()
    )]
    Strange {
        /// Where it is.
        folder: PathBuf,
        /// Which.
        shard: Shard,
        /// How many of them.
        count: usize,
    },
    /// The scenario in it can't be read any more.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// The first of them, and how many more there are.
fn named(shards: &[Shard]) -> String {
    let first: Vec<_> = shards.iter().take(MOST_NAMED).map(Shard::to_string).collect();
    match shards.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
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
        if !head.is_of(build) {
            let (theirs, ours) = (head.build(), format!("{} {}", build.version, build.commit));
            return Err(MergeError::OtherBuild { folder: folder.clone(), theirs, ours });
        }
        let (at, like) = first.get_or_insert_with(|| (folder, head.clone()));
        let (this, that) = (&head.source, &like.source);
        let differs = if (&this.text, &this.changes) != (&that.text, &that.changes) {
            Some("scenarios")
        } else {
            (head.shard.of != like.shard.of).then_some("numbers of shares")
        };
        if let Some(what) = differs {
            let (first, other) = (at.to_path_buf(), folder.clone());
            return Err(MergeError::Different { what, first, other });
        }
        let shard = head.shard;
        if let Some((again, _)) = shares.insert(shard, (folder, text)) {
            return Err(MergeError::Twice { shard, first: again.into(), again: folder.clone() });
        }
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
        let (own, strange) = journal::cells(&text, &study, build);
        let own: Vec<Cell> = own.into_iter().filter(|cell| shard.has(cell.run)).collect();
        let planned = (0..study.runs.len()).filter(|run| shard.has(*run)).count();
        if own.len() < planned && strange > 0 {
            return Err(MergeError::Strange { folder: folder.into(), shard, count: strange });
        }
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
