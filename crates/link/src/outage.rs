//! Outages: times in which a link carries nothing.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time};

/// A time in which the links of a group carry nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Outage {
    /// What becomes of what comes in that time.
    pub kind: OutageKind,
    /// When it begins.
    pub from: Span,
    /// When it is over.
    pub to: Span,
}

/// What becomes of datagrams in an outage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageKind {
    /// They are lost.
    Partition,
    /// They are kept, and go on when it is over.
    Clog,
}

impl Outage {
    /// Whether `now` lies in it.
    pub(crate) fn contains(&self, now: Time) -> bool {
        Time::ZERO + self.from <= now && now < Time::ZERO + self.to
    }
}
