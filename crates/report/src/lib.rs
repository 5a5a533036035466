//! What a run leaves: result files, and a summary that a person can read. Both are functions of
//! the plan and the results alone.
#![forbid(unsafe_code)]

mod capacity;
mod describe;
mod ending;
mod files;
mod fit;
mod host;
mod journal;
mod links;
mod proxy;
mod shard;
mod spread;
mod summary;
mod sweep;
mod tables;
mod trace;

pub use capacity::{capacity_summary, holds};
pub use describe::describe;
pub use ending::Ending;
pub use files::{Build, Cell, FileError, ResultFolder};
pub use fit::{Fit, fit};
pub use journal::{Journal, JournalError};
pub use proxy::proxy_summary;
pub use shard::{MergeError, Merged, Shard, merge};
pub use summary::{json_summary, show, text_summary, thousands};
pub use sweep::{json_sweep, sweep_summary};
pub use trace::{Crossing, crossings, draw, read_trace, write_trace};
