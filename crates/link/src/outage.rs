//! Outages: times in which a link carries nothing.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time};

/// A time in which the links of a group carry nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Outage {
    /// What happens to datagrams in that time.
    pub kind: OutageKind,
    /// The beginning, from the start of the run.
    pub from: Span,
    /// The end, from the start of the run.
    pub to: Span,
}

/// What happens to datagrams in an outage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageKind {
    /// They are lost.
    Partition,
    /// They are kept, and continue when the outage is over.
    Clog,
}

impl Outage {
    /// Whether it includes `now`.
    pub(crate) fn contains(&self, now: Time) -> bool {
        Time::ZERO + self.from <= now && now < Time::ZERO + self.to
    }
}
