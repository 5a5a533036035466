//! Result files. Only this crate knows their names, columns and keys: it writes them and reads them
//! back, by the same definitions. A file that can't be read is an error that names file and line,
//! and is never treated as empty.
//!
//! Where to look: which files there are in `names`, `run.json` in `run_file`, the tables in
//! `tables` (written) and `rows` (read), links as configured and as observed in `links`, histograms
//! in `histograms`, the journal of a sweep in `journal`, shares of a sweep in `shard` and `merge`.
#![forbid(unsafe_code)]

mod error;
mod estimate;
mod finished;
mod folder;
mod histograms;
mod host;
mod journal;
mod links;
mod merge;
pub mod names;
mod read;
mod rows;
mod run_file;
mod shard;
mod tables;

pub use error::ResultError;
pub use estimate::Estimate;
pub use finished::FinishedRun;
pub use folder::ResultFolder;
pub use host::HostFile;
pub use journal::{Journal, JournalError};
pub use links::{LinkRow, link_rows, nearly_normal};
pub use merge::{MergeError, Merged, merge};
pub use read::{ReadFolder, RunRead, SweepPoint, SweepRead, read_all, read_figures};
pub use rows::{FigureRow, LedgerLine, LinkLine};
pub use run_file::{Build, RampSummary, RunEntry, RunFile, RunPart, SweepPart};
pub use shard::Shard;
