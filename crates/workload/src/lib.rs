//! Workloads: what clients do besides staying alive. Each is a file with its options in a scenario,
//! what its clients send and when, what is counted, and its metrics with their formulas. It is
//! registered once, below.
//!
//! Where to look: `kind` has the traits that a workload implements, `registry` makes enums and
//! columns of the list below, `age` is the age of information, `emodel` the estimate of speech
//! quality.
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
pub use kind::{Additive, Books, Reached, Retry, Saying, Word, WorkloadContext, WorkloadModel};
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
