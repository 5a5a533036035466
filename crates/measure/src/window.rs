//! The part of a run that is measured.

use skipbeat_core::{Span, Time};

/// The part of a run that is measured: from the end of the warm-up to the beginning of the drain.
/// Messages belong to it by their *planned* time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first moment that counts.
    pub from: Time,
    /// The first moment that does not count any more.
    pub to: Time,
    /// The longest that the eviction of a crashed client takes; crashes closer to the end of the
    /// run are left out of the detection time, since only the fast ones among them would be seen.
    pub detection: Span,
}

impl Window {
    /// Whether a moment counts.
    pub fn contains(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}
