//! Merges the shares of a sweep into the results of the whole sweep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use skipbeat_measure::HostReport;
use skipbeat_scenario::{ScenarioError, Study};

use crate::journal::{self, Head};
use crate::names::{HOST, JOURNAL};
use crate::{Build, FinishedRun, HostFile, ResultError, Shard};

/// The most shares that an error message names.
const MOST_NAMED: usize = 10;

/// Shares that fit together.
#[derive(Debug)]
pub struct Merged {
    /// What was swept.
    pub study: Study,
    /// Every run of it.
    pub runs: Vec<FinishedRun>,
    /// What each share cost, by share. Shares whose machine is not recorded are missing.
    pub hosts: BTreeMap<String, HostReport>,
}

/// Why shares can't be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A folder that holds no share.
    #[error("{}: not a share of a sweep: {reason}", .folder.display())]
    NoShare {
        /// The folder.
        folder: PathBuf,
        /// What is missing in it.
        reason: String,
    },
    /// A share that another build of this program ran.
    #[error("{}: a share by another build, {theirs}; this is {ours}", .folder.display())]
    OtherBuild {
        /// The folder of the share.
        folder: PathBuf,
        /// The build that ran the share.
        theirs: String,
        /// This build.
        ours: String,
    },
    /// Shares that are not of the same sweep.
    #[error("{} and {}: shares of different {what}", .first.display(), .other.display())]
    Different {
        /// What differs: scenarios or numbers of shares.
        what: &'static str,
        /// The folder of one share.
        first: PathBuf,
        /// The folder of a share that does not fit it.
        other: PathBuf,
    },
    /// A share that is there more than once.
    #[error("share {shard} is there twice: {} and {}", .first.display(), .again.display())]
    Twice {
        /// The share.
        shard: Shard,
        /// The folder of the share.
        first: PathBuf,
        /// The other folder with the same share.
        again: PathBuf,
    },
    /// Shares that no folder holds.
    #[error("missing: share {}", named(.0))]
    Missing(Vec<Shard>),
    /// A share that is not finished.
    #[error(
        "{}: share {shard} lacks {missing} of its {planned} runs; `run --resume` goes on with it",
        .folder.display()
    )]
    Unfinished {
        /// The folder of the share.
        folder: PathBuf,
        /// The share.
        shard: Shard,
        /// The number of runs that it lacks.
        missing: usize,
        /// The number of runs that it should have.
        planned: usize,
    },
    /// A share whose runs are no longer those of its scenario.
    #[error(
        "{}: share {shard} holds {count} runs of other points, or the files that its scenario names \
         have changed",
        .folder.display()
    )]
    Strange {
        /// The folder of the share.
        folder: PathBuf,
        /// The share.
        shard: Shard,
        /// The number of runs that don't belong.
        count: usize,
    },
    /// A file of a share that can't be read.
    #[error(transparent)]
    File(#[from] ResultError),
    /// The scenario in a share can't be read any more.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// Lists the first shares, and says how many more there are.
fn named(shards: &[Shard]) -> String {
    let first: Vec<_> = shards.iter().take(MOST_NAMED).map(Shard::to_string).collect();
    match shards.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Merges the shares in these folders. Each run is whole in its share, so nothing is averaged: the
/// merged results are those that a single sweep would have written.
///
/// # Errors
/// If shares are missing, there twice, unfinished, or not of one sweep of this build.
pub fn merge(folders: &[PathBuf], build: &Build) -> Result<Merged, MergeError> {
    let mut shares: BTreeMap<Shard, (&Path, String)> = BTreeMap::new();
    let mut first: Option<(&Path, Head)> = None;
    for folder in folders {
        let no_share = |reason: String| MergeError::NoShare { folder: folder.clone(), reason };
        let text = journal::read(folder).map_err(|e| no_share(format!("{JOURNAL}: {e}")))?;
        let head = journal::head(&text).ok_or_else(|| no_share("its head is gone".to_owned()))?;
        if !head.is_of(build) {
            let (theirs, ours) = (head.build.to_string(), build.to_string());
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
    let (mut runs, mut hosts) = (Vec::new(), BTreeMap::new());
    for (shard, (folder, text)) in shares {
        let (own, strange) = journal::finished(&text, &study, build);
        let own: Vec<FinishedRun> = own.into_iter().filter(|run| shard.has(run.run)).collect();
        let planned = (0..study.runs.len()).filter(|run| shard.has(*run)).count();
        if own.len() < planned && strange > 0 {
            return Err(MergeError::Strange { folder: folder.into(), shard, count: strange });
        }
        if own.len() < planned {
            let missing = planned - own.len();
            return Err(MergeError::Unfinished { folder: folder.into(), shard, missing, planned });
        }
        runs.extend(own);
        if let Some(HostFile::Machine(host)) = HostFile::read(&folder.join(HOST))? {
            hosts.insert(shard.to_string(), *host);
        }
    }
    runs.sort_by_key(|run| run.run);
    Ok(Merged { study, runs, hosts })
}
