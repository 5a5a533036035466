//! What became of datagrams: on the links, by cause, and at sockets, by their own counters.

use serde::{Deserialize, Serialize};
use skipbeat_core::Time;
use skipbeat_link::{Cause, Verdict};

/// What the links of one direction of one group did.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatagramTally {
    /// Datagrams that were to enter the links.
    pub offered: u64,
    /// Of those, the ones that entered in the measured time.
    pub offered_in_window: u64,
    /// Bytes of those that were offered.
    pub bytes: u64,
    /// Bytes of those that entered in the measured time.
    pub bytes_in_window: u64,
    /// Copies that the links made.
    pub duplicated: u64,
    /// Of those offered, datagrams that entered no link because no client has their address now.
    pub misaddressed: u64,
    /// What the links lost, by [`Cause`].
    pub lost: [u64; Cause::ALL.len()],
    /// Datagrams that the reorder stage chose.
    pub held: u64,
    /// Datagrams and copies that were changed.
    pub changed: u64,
    /// Of those, the ones whose message can't be recognized any more.
    pub mangled: u64,
    /// Datagrams and copies that left the links.
    pub arrived: u64,
    /// Datagrams and copies on the links when the run ended.
    pub in_flight: u64,
    /// Of those offered, datagrams that were sent again because an ack was overdue.
    pub retransmitted: u64,
    /// Messages whose ack came.
    pub acked: u64,
    /// Messages that were given up without an ack.
    pub given_up: u64,
    /// The sum of the travel times of datagrams, without copies and without the time spent in clogs
    /// and queues, in nanoseconds.
    #[serde(with = "skipbeat_core::decimal")]
    pub delay_ns: u128,
    /// The sum of the squares of those times, in square nanoseconds. A whole number, so that the
    /// order of addition does not matter.
    #[serde(with = "skipbeat_core::decimal")]
    pub delay_squares: u128,
    /// The sum of the times that datagrams spent in clogs and queues, in nanoseconds.
    #[serde(with = "skipbeat_core::decimal")]
    pub waited_ns: u128,
}

impl DatagramTally {
    /// Counts a datagram of `bytes` bytes that was offered at `now` to a link, which gave this
    /// verdict. `within` says whether `now` is in the measured time.
    #[inline]
    pub fn offer(&mut self, now: Time, within: bool, bytes: usize, verdict: &Verdict) {
        self.offered += 1;
        self.bytes += bytes as u64;
        self.offered_in_window += u64::from(within);
        self.bytes_in_window += if within { bytes as u64 } else { 0 };
        match verdict.arrival {
            Ok(arrival) => {
                let travelled = arrival.since(now + verdict.waited());
                self.delay_ns += u128::from(travelled.nanos());
                self.delay_squares = self.delay_squares.saturating_add(travelled.squared());
            }
            Err(cause) => self.lost[cause as usize] += 1,
        }
        let Some(besides) = &verdict.besides else { return };
        self.waited_ns += u128::from(besides.waited.nanos());
        self.duplicated += u64::from(besides.copy.is_some());
        self.held += u64::from(besides.held);
        let changes = [besides.change, besides.copy_change];
        self.changed += changes.iter().flatten().count() as u64;
    }

    /// Datagrams that entered a link.
    pub fn entered(&self) -> u64 {
        self.offered - self.misaddressed
    }

    /// Everything that the links lost.
    pub fn all_lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// Adds the tally of another group.
    pub fn add(&mut self, other: &DatagramTally) {
        self.offered += other.offered;
        self.offered_in_window += other.offered_in_window;
        self.bytes += other.bytes;
        self.bytes_in_window += other.bytes_in_window;
        self.duplicated += other.duplicated;
        self.misaddressed += other.misaddressed;
        for (mine, theirs) in self.lost.iter_mut().zip(other.lost) {
            *mine += theirs;
        }
        self.held += other.held;
        self.changed += other.changed;
        self.mangled += other.mangled;
        self.delay_squares = self.delay_squares.saturating_add(other.delay_squares);
        self.waited_ns += other.waited_ns;
        self.arrived += other.arrived;
        self.in_flight += other.in_flight;
        self.retransmitted += other.retransmitted;
        self.acked += other.acked;
        self.given_up += other.given_up;
        self.delay_ns += other.delay_ns;
    }
}

/// What the sockets of one direction did with datagrams, by their own counters. Lists are by group.
#[derive(Clone, Debug, Default)]
pub struct SocketCounts {
    /// Datagrams handed to the sending socket; for a foreign server, those that reached the
    /// receiving socket.
    pub handed: Vec<u64>,
    /// Datagrams handed to the sending socket by, or for, addresses that belong to no group.
    pub handed_of_no_group: u64,
    /// Not taken by the sending socket.
    pub not_sent: u64,
    /// Thrown away by the receiving socket because its buffer was full; `None` if its counter
    /// can't be read.
    pub dropped: Option<u64>,
    /// Read from the receiving socket; `None` if a foreign server reads it.
    pub read: Option<Vec<u64>>,
}

/// What the sockets of one direction did with datagrams, for all groups together. The other counts
/// are in the tallies of the groups.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketTally {
    /// Datagrams handed to the sending socket by, or for, addresses that belong to no group.
    pub handed_of_no_group: u64,
    /// Not taken by the sending socket.
    pub not_sent: u64,
    /// Thrown away by the receiving socket because its buffer was full; `None` if its counter
    /// can't be read.
    pub dropped: Option<u64>,
    /// Whether what was read from the receiving socket is known.
    pub read_is_known: bool,
}

impl SocketTally {
    /// Adds the counts of another part of the run.
    pub fn add(&mut self, other: &SocketTally) {
        self.handed_of_no_group += other.handed_of_no_group;
        self.not_sent += other.not_sent;
        self.dropped = self.dropped.zip(other.dropped).map(|(mine, theirs)| mine + theirs);
        self.read_is_known &= other.read_is_known;
    }
}
