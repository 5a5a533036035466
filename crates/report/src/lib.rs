//! Reports for people and programs, made from runs in memory: the summary for a terminal, the
//! summary as JSON, the report of a ramp, and what a link does. A summary depends on the plan and
//! the results alone.
#![forbid(unsafe_code)]

mod capacity;
mod describe;
mod fit;
mod host;
mod json;
mod proxy;
mod summary;
mod sweep;
mod text;
mod trace;

pub use capacity::{capacity_summary, holds, ramp_summaries};
pub use describe::describe;
pub use fit::{Fit, fit};
pub use json::{json_summary, json_sweep};
pub use proxy::proxy_summary;
pub use summary::text_summary;
pub use sweep::{counts, study_outcome, sweep_summary};
pub use text::style;
pub use trace::{Crossing, crossings, draw, read_trace, write_trace};
