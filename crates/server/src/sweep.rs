//! When to look for silent members. One lazily re-armed deadline per member: a heartbeat only
//! moves `last_seen`; the deadline finds out when it comes due.

use skipbeat_core::{Calendar, ClientSet, Seed, Span, Time};

use crate::{PeerId, Sweep};

/// The state of the sweep.
#[derive(Debug)]
pub(crate) enum Sweeper {
    /// Exact deadlines. `armed` tells which peers have an entry in the calendar.
    Deadline { calendar: Box<Calendar<PeerId>>, armed: ClientSet },
    /// At broadcasts only.
    Lazy,
    /// Periodic.
    Every { period: Span, next: Time },
}

impl Sweeper {
    pub(crate) fn new(sweep: Sweep, seed: Seed) -> Self {
        match sweep {
            Sweep::Deadline => {
                Sweeper::Deadline { calendar: Box::default(), armed: ClientSet::new() }
            }
            Sweep::Lazy => Sweeper::Lazy,
            Sweep::Every(period) => {
                let phase = seed.family("server.sweep.phase").stream(0).unit(0);
                Sweeper::Every { period, next: Time::ZERO + period.scaled(phase) }
            }
        }
    }

    /// Makes sure that a new member has a deadline.
    pub(crate) fn arm(&mut self, peer: PeerId, deadline: Time) {
        if let Sweeper::Deadline { calendar, armed } = self
            && armed.insert(peer)
        {
            calendar.push(deadline, peer);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        match self {
            Sweeper::Deadline { calendar, .. } => calendar.next_at(),
            Sweeper::Lazy => None,
            Sweeper::Every { next, .. } => Some(*next),
        }
    }
}
