//! k missed heartbeats in a row, as BFD's detect multiplier (RFC 5880, 6.8.4): suspected when
//! silent for longer than `k` periods.

use skipbeat_core::{Span, Time};

use super::{Detector, Sign};
use crate::PeerId;

#[derive(Debug)]
pub(super) struct Missed(Span);

impl Missed {
    pub(super) fn new(misses: u32, every: Span) -> Self {
        Missed(every * u64::from(misses))
    }
}

impl Detector for Missed {
    fn join(&mut self, _: Time, _: PeerId, _: Sign) {}

    fn alive(&mut self, _: Time, _: PeerId, _: Sign) {}

    fn deadline(&self, _: PeerId, last_seen: Time) -> Time {
        last_seen + self.0
    }
}
