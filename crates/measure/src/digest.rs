//! The digest of a run: one number computed from all of its events. Runs with the same events have
//! the same digest.

use skipbeat_core::{Span, Time, mix};

use crate::Event;

/// A sum with one hash per event, so that the order in which simultaneous or independent events are
/// recorded does not matter.
#[derive(Clone, Default, Debug)]
pub(crate) struct Digest {
    pub(crate) sum: u64,
    pub(crate) events: u64,
    /// Every event, if the log is kept.
    pub(crate) log: Option<Vec<EventRecord>>,
}

/// An event as the digest sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EventRecord {
    /// The time of the event.
    pub at: Time,
    /// The number of the kind of event.
    pub kind: u64,
    /// The client concerned; for a broadcast the number of members; 0 if neither applies.
    pub who: u32,
    /// The other fields, in one word.
    pub what: u64,
}

/// Odd multipliers that spread the fields of an event over a word before it is mixed.
const WHEN: u64 = 0xD6E8_FEB8_6659_FD93;
const WHAT: u64 = 0xA076_1D64_78BD_642F;

impl Digest {
    /// Adds an event. Inlined, so that the match costs nothing where the caller knows the kind.
    #[inline(always)]
    pub(crate) fn add(&mut self, at: Time, event: &Event<'_>) {
        let (kind, who, what) = match *event {
            Event::Life { client, life } => (1, client, life as u64),
            Event::Chat { message, .. } => (2, message.sender, u64::from(message.seq)),
            Event::Offered { direction, client, verdict, .. } => {
                let arrival = verdict.arrival.map_or(u64::MAX, Time::nanos);
                let copy = verdict.copy().map_or(0, |at| at.nanos().rotate_left(32));
                (3 + direction as u64, client, arrival ^ copy)
            }
            Event::Arrived { direction, client, index, copy, .. } => {
                (5 + direction as u64, client, u64::from(index) << 1 | u64::from(copy))
            }
            Event::Joined { client } => (7, client, 0),
            Event::Quit { client } => (8, client, 0),
            Event::Evicted { client, silence, .. } => (9, client, silence.map_or(0, Span::nanos)),
            Event::Broadcast { members, .. } => (10, members.len(), 0),
            Event::Refused { client, .. } => (11, client, 0),
            Event::Held { .. } => (16, 0, 0),
            Event::Retransmitted { direction, client } => (17 + direction as u64, client, 0),
            Event::Settled { direction, client, acked, .. } => {
                (19 + direction as u64, client, acked.into())
            }
            Event::Repeated { client, .. } => (21, client, 0),
            Event::Misaddressed { client, .. } => (22, client, 0),
            Event::Rebound { client, left } => (23, client, left.into()),
            Event::Moved { client, to, .. } => (24, client, to.into()),
            Event::GhostJoined { client, endpoint } => (25, client, endpoint.into()),
            Event::GhostGone { client, endpoint, .. } => (26, client, endpoint.into()),
            Event::Answered { client, after } => (27, client, after.nanos()),
            Event::Request { message } => (28, message.sender, u64::from(message.seq)),
            Event::Taken { client, .. } => (29, client, 0),
            Event::Served { client, .. } => (30, client, 0),
            Event::Written { direction, client, .. } => (31 + direction as u64, client, 0),
            Event::Read { direction, client, .. } => (33 + direction as u64, client, 0),
            Event::Severed { direction, client, .. } => (35 + direction as u64, client, 0),
            Event::Disconnected { client } => (37, client, 0),
            Event::InStream { direction, client, .. } => (38 + direction as u64, client, 0),
            Event::ServerCrashed => (14, 0, 0),
            Event::ServerSuspected { client } => (15, client, 0),
            Event::InFlight { direction, client, .. } => (12 + direction as u64, client, 0),
        };
        if let Some(log) = &mut self.log {
            log.push(EventRecord { at, kind, who, what });
        }
        self.events += 1;
        let when = (at.nanos() ^ kind << 56).wrapping_mul(WHEN);
        let hash = mix(when ^ (u64::from(who) << 32 ^ what).wrapping_mul(WHAT));
        self.sum = self.sum.wrapping_add(hash);
    }
}
