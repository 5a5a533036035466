//! What happened in each second of the run.

use serde::{Deserialize, Serialize};
use skipbeat_core::Time;
use skipbeat_link::Cause;

/// One second of the run.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl Second {
    /// Adds the counts of other clients in the same second.
    pub fn add(&mut self, other: &Second) {
        self.members += other.members;
        self.up_sent += other.up_sent;
        self.up_received += other.up_received;
        self.down_sent += other.down_sent;
        self.down_received += other.down_received;
        self.deliveries += other.deliveries;
        self.evictions += other.evictions;
        self.false_evictions += other.false_evictions;
        self.lost.iter_mut().zip(other.lost).for_each(|(mine, theirs)| *mine += theirs);
        self.up_bytes += other.up_bytes;
        self.down_bytes += other.down_bytes;
    }
}

/// Adds the timeline of other clients, second by second. After its last second, a timeline keeps
/// its number of members and counts nothing more.
pub(crate) fn add(mine: &mut Vec<Second>, theirs: &[Second]) {
    let still = |of: &[Second]| Second {
        members: of.last().map_or(0, |last| last.members),
        ..Second::default()
    };
    let (still_mine, still_theirs) = (still(mine), still(theirs));
    mine.resize(mine.len().max(theirs.len()), still_mine);
    for (number, second) in mine.iter_mut().enumerate() {
        second.add(theirs.get(number).unwrap_or(&still_theirs));
    }
}

/// The most datagrams that left the links towards the server in one of the whole seconds of a
/// window.
pub(crate) fn busiest(seconds: &[Second], from: Time, to: Time) -> Option<u64> {
    let first = from.nanos().div_ceil(1_000_000_000) as usize;
    let behind = ((to.nanos() / 1_000_000_000) as usize).min(seconds.len());
    seconds.get(first..behind)?.iter().map(|second| second.up_received).max()
}

/// The seconds so far of one group. In each, `members` is the change within it.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
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

    /// The last whole second before a moment.
    pub(crate) fn before(&self, now: Time) -> Option<Second> {
        let index = ((now.nanos() / 1_000_000_000) as usize).checked_sub(1)?;
        Some(self.seconds.get(index).copied().unwrap_or_default())
    }

    /// The seconds until `end`, each with the members at its end.
    pub(crate) fn until(&self, end: Time) -> Vec<Second> {
        let mut seconds = self.seconds.clone();
        let whole = end.nanos().div_ceil(1_000_000_000) as usize;
        if whole > seconds.len() {
            seconds.resize(whole, Second::default());
        }
        let mut members = 0;
        for second in &mut seconds {
            members += second.members;
            second.members = members;
        }
        seconds
    }
}
