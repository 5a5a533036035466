//! What happened in each second of the run.

use skipbeat_core::Time;
use skipbeat_link::Cause;

/// One second of the run.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Second {
    /// Members at the end of the second.
    pub members: i64,
    /// Datagrams that clients sent.
    pub up_sent: u64,
    /// Datagrams that left the links towards the server.
    pub up_received: u64,
    /// Datagrams that entered the links towards the clients.
    pub down_sent: u64,
    /// Datagrams that clients got.
    pub down_received: u64,
    /// First copies of messages that clients got.
    pub deliveries: u64,
    /// Evictions of any cause.
    pub evictions: u64,
    /// Evictions of live clients.
    pub false_evictions: u64,
    /// Datagrams that links lost in either direction, by [`Cause`].
    pub lost: [u64; Cause::ALL.len()],
    /// Bytes that clients sent.
    pub up_bytes: u64,
    /// Bytes that entered the links towards the clients.
    pub down_bytes: u64,
}

/// The seconds so far.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// `members` holds the change within the second until [`Timeline::finish`].
    seconds: Vec<Second>,
}

impl Timeline {
    #[inline]
    pub(crate) fn at(&mut self, at: Time) -> &mut Second {
        let index = (at.nanos() / 1_000_000_000) as usize;
        if index >= self.seconds.len() {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    /// The last second that was over before a moment.
    pub(crate) fn before(&self, now: Time) -> Option<Second> {
        let index = ((now.nanos() / 1_000_000_000) as usize).checked_sub(1)?;
        Some(self.seconds.get(index).copied().unwrap_or_default())
    }

    /// The most that left the links towards the server in one of the seconds that lie in a window.
    pub(crate) fn busiest(&self, from: Time, to: Time) -> Option<u64> {
        let first = from.nanos().div_ceil(1_000_000_000) as usize;
        let behind = ((to.nanos() / 1_000_000_000) as usize).min(self.seconds.len());
        self.seconds.get(first..behind)?.iter().map(|second| second.up_received).max()
    }

    /// The seconds until `end`, with members summed up.
    pub(crate) fn finish(mut self, end: Time) -> Vec<Second> {
        let whole = end.nanos().div_ceil(1_000_000_000) as usize;
        if whole > self.seconds.len() {
            self.seconds.resize(whole, Second::default());
        }
        let mut members = 0;
        for second in &mut self.seconds {
            members += second.members;
            second.members = members;
        }
        self.seconds
    }
}
