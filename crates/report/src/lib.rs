//! What a run leaves: result files, and a summary that a person can read. Both are functions of
//! the plan and the results alone.
#![forbid(unsafe_code)]

mod files;
mod links;
mod summary;
mod sweep;
mod tables;

pub use files::{Build, Cell, FileError, ResultFolder};
pub use summary::{json_summary, text_summary};
pub use sweep::{json_sweep, sweep_summary};
