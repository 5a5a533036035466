//! k missed heartbeats in a row, as BFD's detect multiplier (RFC 5880, 6.8.4): a timeout of `k`
//! periods.

use skipbeat_core::Span;

use super::timeout::Timeout;

pub(super) fn missed(misses: u32, every: Span) -> Timeout {
    Timeout(every * u64::from(misses))
}
