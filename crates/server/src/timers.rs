//! When to look for silent members, and when to beat to them: the server's timers.
//!
//! A heartbeat of a member only moves its deadline; the calendar's entry finds out when it comes
//! due (lazily re-armed). Only a deadline that moves *forward*, as adaptive detectors may, needs a
//! new entry; the one it replaces is recognised by its time and ignored.

use skipbeat_core::{Calendar, ClientSet, Family, Seed, Span, Time, prefetch};

use crate::{EvictionTiming, Mechanism, Options, PeerId};

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    /// A member's deadline, as it was when the entry was made.
    Deadline(PeerId),
    /// A heartbeat of the server to a member.
    Beat(PeerId),
    /// Acks of a member may be overdue.
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
    /// Entries of deadlines.
    deadlines: Box<Calendar<PeerId>>,
    /// Everything else.
    calendar: Box<Calendar<Due>>,
    exact: bool,
    looks: Option<Looks>,
    /// When the entry of each peer is due; `NEVER` where it has none.
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

    /// The deadline of a member is now this one: makes sure that it is looked at in time.
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

    /// Takes out the entries of deadlines until `until`, in no order; each has to be given to
    /// [`Timers::renew`].
    pub(crate) fn take_deadlines(&mut self, until: Time, into: &mut Vec<(Time, PeerId)>) {
        self.deadlines.drain_until(until, into);
    }

    /// A peer's timers will be looked at soon.
    #[inline]
    pub(crate) fn expect(&self, soon: PeerId) {
        prefetch(&self.armed, soon);
    }

    /// An entry that was taken out early: it is set for the deadline of the member, if that is later
    /// than `until`, and else put back.
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

    /// Begins to beat to a new member, at a random phase of its own: members that join together
    /// are not beaten to together.
    pub(crate) fn begin_beating(&mut self, now: Time, peer: PeerId) {
        if let Some(every) = self.beat_every
            && self.beating.insert(peer)
        {
            let phase = self.phase.stream(peer.into()).unit(0);
            self.calendar.push(now + every.scaled(phase), Due::Beat(peer));
        }
    }

    /// The next thing that is due at `now` or before.
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

    /// Looks after the acks of a member at `at`.
    pub(crate) fn look_after_acks(&mut self, at: Time, peer: PeerId) {
        self.calendar.push(at, Due::Resend(peer));
    }

    /// After a beat was due: to a member it is due again, to others never.
    pub(crate) fn beat_again(&mut self, now: Time, peer: PeerId, member: bool) {
        match self.beat_every {
            Some(every) if member => self.calendar.push(now + every, Due::Beat(peer)),
            _ => {
                self.beating.remove(peer);
            }
        }
    }

    /// Whether a periodic look is due at `now`; if so the next one is set.
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

/// Silence is too long when it is strictly greater than allowed.
fn first_moment_too_late(deadline: Time) -> Time {
    deadline + Span::from_nanos(1)
}
