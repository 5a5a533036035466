//! What a run leaves: result files, and a summary that a person can read. Both are functions of
//! the plan and the results alone.
#![forbid(unsafe_code)]

mod files;
mod summary;
mod tables;

pub use files::{Build, FileError, ResultFolder};
pub use summary::{json_summary, text_summary};
