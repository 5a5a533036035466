//! How often, and after which waits, something is sent again.

use skipbeat_core::Span;

/// When something that is not answered is sent again, and when it is given up.
pub trait RetryPolicy {
    /// How long to wait for the answer to try `number`, which counts from 1. Above zero.
    fn wait(&self, number: u32) -> Span;

    /// How many times something is sent in all.
    fn tries(&self) -> u32;

    /// How far the number of a new item may be above that of the oldest one that waits. Items
    /// further below are given up, which bounds the outbox.
    fn window(&self) -> u32 {
        u32::MAX
    }

    /// Learns from a round-trip time. Only items that were sent once are measured.
    fn sample(&mut self, _rtt: Span) {}
}
