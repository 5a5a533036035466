//! The timers of the server: when it looks for silent members, when it sends heartbeats, when it
//! sends texts again.
//!
//! A heartbeat of a member only moves its deadline. The timer stays, and is set again when it
//! fires. Only a deadline that moves to an *earlier* time, as with adaptive detectors, needs a new
//! timer; the timer that it replaces is recognised by its time and ignored.

use skipbeat_core::{Calendar, ClientSet, Family, Seed, Span, Time, prefetch};

use crate::{EvictionTiming, Mechanism, Options, PeerId};

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    /// The deadline of a member, as it was when the timer was set.
    Deadline(PeerId),
    /// A heartbeat of the server to a member.
    Beat(PeerId),
    /// Acks from a member may be overdue.
    Resend(PeerId),
}

/// The next periodic look, where the server looks once in a period.
#[derive(Debug)]
struct Looks {
    every: Span,
    next: Time,
}

/// The timers of the server.
#[derive(Debug)]
pub(crate) struct Timers {
    /// The timers of deadlines.
    deadlines: Box<Calendar<PeerId>>,
    /// All other timers.
    calendar: Box<Calendar<Due>>,
    exact: bool,
    looks: Option<Looks>,
    /// When the deadline timer of each peer is due; `NEVER` if it has none.
    armed: Vec<Time>,
    beat_every: Option<Span>,
    beating: ClientSet,
    phase: Family,
}

impl Timers {
    pub(crate) fn new(options: &Options, seed: Seed) -> Self {
        let phase = seed.family("server.sweep.phase").stream(0).unit(0);
        let looks = match options.eviction {
            EvictionTiming::Every(every) => {
                Some(Looks { every, next: Time::ZERO + every.scaled(phase) })
            }
            EvictionTiming::Deadline | EvictionTiming::Lazy => None,
        };
        Timers {
            deadlines: Box::new(Calendar::reaching(options.longest_silence() * 2)),
            calendar: Box::default(),
            exact: options.eviction == EvictionTiming::Deadline,
            looks,
            armed: Vec::new(),
            beat_every: (options.heartbeat != Mechanism::Client).then_some(options.heartbeat_every),
            beating: ClientSet::new(),
            phase: seed.family("server.heartbeat.phase"),
        }
    }

    /// Makes sure that a timer fires at this deadline of a member, or before.
    #[inline]
    pub(crate) fn arm(&mut self, peer: PeerId, deadline: Time) {
        if !self.exact {
            return;
        }
        let index = peer as usize;
        if index >= self.armed.len() {
            self.armed.resize(index + 1, Time::NEVER);
        }
        let due = first_moment_too_late(deadline);
        if due < self.armed[index] {
            self.armed[index] = due;
            self.deadlines.push(due, peer);
        }
    }

    /// Takes out the deadline timers until `until`, in no order. Each has to be passed to
    /// [`Timers::renew`].
    pub(crate) fn take_deadlines(&mut self, until: Time, into: &mut Vec<(Time, PeerId)>) {
        self.deadlines.drain_until(until, into);
    }

    /// Prefetches the timer of a peer.
    #[inline]
    pub(crate) fn expect(&self, soon: PeerId) {
        prefetch(&self.armed, soon);
    }

    /// Sets a timer that was taken out early for the deadline of the member, if that is not before
    /// `until`, and otherwise puts it back.
    pub(crate) fn renew(&mut self, at: Time, peer: PeerId, deadline: Option<Time>, until: Time) {
        let armed = &mut self.armed[peer as usize];
        match deadline {
            _ if *armed != at => {}
            Some(deadline) if deadline < until => self.deadlines.push(at, peer),
            Some(deadline) => {
                *armed = first_moment_too_late(deadline);
                self.deadlines.push(*armed, peer);
            }
            None => *armed = Time::NEVER,
        }
    }

    /// Begins to send heartbeats to a new member. The first comes after a random part of the
    /// period, so that the heartbeats to members that joined together are spread.
    pub(crate) fn begin_beating(&mut self, now: Time, peer: PeerId) {
        if let Some(every) = self.beat_every
            && self.beating.insert(peer)
        {
            let phase = self.phase.stream(peer.into()).unit(0);
            self.calendar.push(now + every.scaled(phase), Due::Beat(peer));
        }
    }

    /// The next timer that is due at `now` or before.
    pub(crate) fn pop(&mut self, now: Time) -> Option<(Time, Due)> {
        loop {
            let other = self.calendar.next_at().unwrap_or(Time::NEVER);
            let Some((at, peer)) = self.deadlines.pop_until(other.min(now)) else {
                return self.calendar.pop_until(now);
            };
            let armed = &mut self.armed[peer as usize];
            if *armed == at {
                *armed = Time::NEVER;
                return Some((at, Due::Deadline(peer)));
            }
        }
    }

    /// Sets the timer of a member's acks.
    pub(crate) fn look_after_acks(&mut self, at: Time, peer: PeerId) {
        self.calendar.push(at, Due::Resend(peer));
    }

    /// Sets the next heartbeat to a peer, if it is still a member.
    pub(crate) fn beat_again(&mut self, now: Time, peer: PeerId, member: bool) {
        match self.beat_every {
            Some(every) if member => self.calendar.push(now + every, Due::Beat(peer)),
            _ => {
                self.beating.remove(peer);
            }
        }
    }

    /// Whether a periodic look is due at `now`; if so, sets the next one.
    pub(crate) fn look(&mut self, now: Time) -> bool {
        let Some(Looks { every, next }) = self.looks.as_mut().filter(|looks| looks.next <= now)
        else {
            return false;
        };
        let missed = now.since(*next).nanos() / every.nanos();
        *next += *every * (missed + 1);
        true
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<Time> {
        let look = self.looks.as_ref().map_or(Time::NEVER, |looks| looks.next);
        let next = look.min(self.deadlines.front()).min(self.calendar.front());
        (next != Time::NEVER).then_some(next)
    }
}

/// A member is evicted when its silence is strictly longer than allowed.
fn first_moment_too_late(deadline: Time) -> Time {
    deadline + Span::from_nanos(1)
}
