//! What can go wrong while result files are read.

use std::path::PathBuf;

/// Why no page could be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No folder was named.
    #[error("name at least one folder with results")]
    NoFolder,
    /// The folder has no `run.json`, so it holds no results.
    #[error("{0} has no run.json: it is no folder of results")]
    NoResults(PathBuf),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
