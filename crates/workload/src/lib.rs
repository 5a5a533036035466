//! What clients do besides staying alive. A workload is one file: its options in a scenario, when its
//! clients say what, what is counted of a group that has it, and its metrics with their formulas. It
//! is entered once, below.
//!
//! Where to look: what a workload has to say for itself in `kind`, the registry in `registry`, the
//! age of information in `age`, the estimate of speech quality in `emodel`.
#![forbid(unsafe_code)]

mod age;
mod arrivals;
mod chat;
pub mod emodel;
mod kind;
mod media;
mod query;
mod registry;
mod telemetry;

pub use arrivals::Arrivals;
pub use chat::Chat;
pub use kind::{Books, Measure, Reached, Retry, Saying, Word, WorkloadContext, WorkloadModel};
pub use media::{Codec, Media, Playout};
pub use query::Query;
pub use telemetry::Telemetry;

registry::workloads! {
    /// Texts to everybody, as in the tutorial.
    chat: Chat,
    /// Samples to the server alone: no answer, no fan-out.
    telemetry: Telemetry,
    /// Frames at a constant rate to everybody, which are of use only in time.
    media: Media,
    /// Questions to the server, asked again until they are answered.
    query: Query,
}
