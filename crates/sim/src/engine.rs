//! The engine: decides what happens next, and what can be done together.
//!
//! Whatever a client sends is under way for at least the shortest delay of the links up. So within
//! a *window* of that length (the lookahead of conservative simulation: Chandy and Misra, CACM
//! 24(4), 1981) no heartbeat that is sent can have an effect, and heartbeats may be sent in any
//! order. A window also ends when anything else of the swarm is due, and before links change. A
//! window has three steps:
//!
//! 1. The deadlines of members that are known to live beyond the window are moved.
//! 2. All heartbeats are sent, in the order that is fastest.
//! 3. Everything else happens in strict order: arrivals, then the deadlines of the server, then the
//!    swarm.
//!
//! Where the order of heartbeats matters (no delay, clients that react to the server, a tap that
//! has to be called in order) there are no windows, and everything happens in strict order.

use skipbeat_core::{Span, Time};
use skipbeat_harness::{FromServer, FromSwarm, Tap};
use skipbeat_measure::{Results, RunContext, Snapshot};
use skipbeat_scenario::Plan;
use skipbeat_server::Server;
use skipbeat_swarm::Swarm;

use crate::EngineOptions;
use crate::driver::SimDriver;

/// The caller is asked whether to go on after this many steps.
const STEPS_BETWEEN_SNAPSHOTS: u64 = 1 << 12;

/// And, if less happens, after this much of virtual time.
const SNAPSHOT_EVERY: Span = Span::from_secs(1);

/// The smallest difference between two times.
const INSTANT: Span = Span::from_nanos(1);

pub(crate) struct Engine<'a> {
    plan: &'a Plan,
    server: Server,
    swarm: Swarm,
    driver: SimDriver,
    /// When the server crashes.
    crash: Time,
    /// The longest window; zero for strict order.
    window: Span,
    /// When links up change, the next time last. A window must not reach across a change.
    changes: Vec<Time>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(plan: &'a Plan, options: EngineOptions, tap: Option<Box<dyn Tap>>) -> Self {
        let strict = tap.is_some() || plan.swarm_options().may_react();
        let mut driver = SimDriver::new(plan, tap, options.bucket);
        if options.log {
            driver.keep_log();
        }
        if options.parts {
            driver.harness.recorder.keep_parts();
        }
        let window = if strict { Span::ZERO } else { lookahead(plan).min(options.window) };
        Engine {
            plan,
            server: Server::new(plan.server.options, plan.seed()),
            swarm: Swarm::new(plan.swarm_options(), plan.seed()),
            driver,
            crash: plan.server.crash_at.map_or(Time::NEVER, |after| Time::ZERO + after),
            window,
            changes: changes(plan),
        }
    }

    pub(crate) fn run(mut self, go_on: &mut dyn FnMut(Snapshot<'_>) -> bool) -> Results {
        self.swarm.start(&mut FromSwarm(&mut self.driver));
        self.driver.settle(Time::ZERO, &mut self.server, &mut self.swarm);
        // The end itself is excluded.
        let mut last = self.plan.end() - INSTANT;
        let (mut steps, mut asked_at, mut goes_on) = (0u64, 0, true);
        let mut next_snapshot = Time::ZERO;
        loop {
            let start = self.next();
            if start > last {
                break;
            }
            let until = self.open_window(start).min(last);
            loop {
                match self.step(until) {
                    0 => break,
                    done => steps += done,
                }
            }
            steps += 1;
            if goes_on && (steps - asked_at >= STEPS_BETWEEN_SNAPSHOTS || until >= next_snapshot) {
                next_snapshot = until + SNAPSHOT_EVERY;
                let context = context(until, self.plan);
                let snapshot = Snapshot::new(&self.driver.harness.recorder, context);
                (asked_at, goes_on) = (steps, go_on(snapshot));
                if !goes_on {
                    last = self.driver.stop(until, last);
                }
            }
        }
        let ended = last + INSTANT;
        self.driver.finish(ended).finish(context(ended, self.plan), &self.plan.columns())
    }

    /// When anything is due.
    fn next(&self) -> Time {
        let streams = self.driver.streams.next_deadline();
        self.deadline().min(self.timer()).min(self.driver.next_at()).min(streams)
    }

    /// When the server has something to do, or crashes.
    #[inline]
    fn deadline(&self) -> Time {
        if self.driver.server_is_dead() {
            return Time::NEVER;
        }
        self.server.next_deadline().unwrap_or(Time::NEVER).min(self.crash)
    }

    /// When the swarm has something to do.
    #[inline]
    fn timer(&self) -> Time {
        self.swarm.next_deadline().unwrap_or(Time::NEVER)
    }

    /// Opens a window and does its first two steps. Returns the last moment of the window, which is
    /// `start` if everything happens in strict order.
    fn open_window(&mut self, start: Time) -> Time {
        if self.window.is_zero() {
            return start;
        }
        let longest = start + (self.window.saturating_sub(INSTANT));
        while self.changes.pop_if(|change| *change <= start).is_some() {}
        let unchanged = self.changes.last().map_or(Time::NEVER, |change| *change - INSTANT);
        let until = longest.min(unchanged).min(self.swarm.next_but_beats().unwrap_or(Time::NEVER));
        if !self.driver.server_is_dead() {
            self.server.look_ahead(until);
        }
        self.swarm.advance_beats(until, &mut FromSwarm(&mut self.driver));
        until
    }

    /// Does what is due next, if that is at or before `until`. Several arrivals in a row are
    /// handled together. Returns how many things were done.
    #[inline]
    fn step(&mut self, until: Time) -> u64 {
        let (deadline, timer) = (self.deadline(), self.timer());
        let streams = self.driver.streams.next_deadline();
        let machine = deadline.min(timer).min(streams);
        let Engine { server, swarm, driver, .. } = self;
        let mut arrivals = 0;
        while let Some((now, arrival)) = driver.next_arrival(machine.min(until), server) {
            arrivals += 1;
            // If the arrival was delivered, the next deadlines may have changed.
            if driver.arrive(now, arrival, server, swarm) {
                driver.settle(now, server, swarm);
                return arrivals;
            }
        }
        if arrivals > 0 || machine > until {
            return arrivals;
        }
        if streams == machine {
            driver.streams.wake(machine);
        } else if deadline <= timer && deadline == self.crash {
            driver.kill_server(machine);
        } else if deadline <= timer {
            server.advance(machine, &mut FromServer::new(driver, machine));
        } else {
            swarm.advance(machine, &mut FromSwarm(driver));
        }
        driver.settle(machine, server, swarm);
        1
    }
}

/// The shortest time that a datagram of an honest client is under way, which is the longest window.
fn lookahead(plan: &Plan) -> Span {
    let honest = plan.groups.iter().filter(|group| group.behaviour.hostile.is_none());
    let delays =
        honest.filter(|group| group.behaviour.clients > 0).map(|group| group.up.shortest());
    delays.min().unwrap_or_default()
}

/// The times at which links up change, the last first.
fn changes(plan: &Plan) -> Vec<Time> {
    let schedules = plan.groups.iter().flat_map(|group| &group.up.changes);
    let mut changes: Vec<Time> = schedules.map(|(at, _)| Time::ZERO + *at).collect();
    changes.sort_unstable_by(|a, b| b.cmp(a));
    changes
}

/// What the results need to know beside the events, if the run ends at `end`.
fn context(end: Time, plan: &Plan) -> RunContext {
    RunContext {
        end,
        sockets: None,
        foreign: false,
        membership_seen: true,
        answers_known: false,
        server_beats: plan.server.options.heartbeat.by_server(),
        lateness: None,
        lateness_limit: plan.swarm.lateness_limit,
    }
}
