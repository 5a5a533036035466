//! Deterministic virtual time. The machines are those that run on real sockets; here a calendar
//! queue carries their datagrams.
//!
//! Order: by time; at one time first what arrives (up before down, then by client), then the
//! server's deadlines, then the swarm's timers. The result depends on the plan alone.
#![forbid(unsafe_code)]

mod carrier;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_measure::{Results, World};
use skipbeat_scenario::Plan;
use skipbeat_server::Server;
use skipbeat_swarm::Swarm;
use skipbeat_tunnel::{FromSwarm, Tap};

pub use carrier::{CLIENTS, SERVER};
use carrier::{Carrier, FromServer};

/// How often the caller is asked whether to go on, in steps of the main loop.
const STEPS_BETWEEN_LOOKS: u32 = 1 << 12;

/// Runs a plan. `go_on` is told the virtual time now and then and ends the run by saying no.
pub fn run(plan: &Plan, go_on: &mut dyn FnMut(Time) -> bool) -> Results {
    run_tapped(plan, None, go_on)
}

/// The same, with a tap that hears of every datagram.
pub fn run_tapped(
    plan: &Plan,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Time) -> bool,
) -> Results {
    let seed: Seed = plan.seed();
    let mut server = Server::new(plan.server.options, seed);
    let mut swarm = Swarm::new(plan.swarm_options(), seed);
    let mut carrier = Carrier::new(plan, tap);
    swarm.start(&mut FromSwarm(&mut carrier));

    let end = plan.end();
    // The end itself is out.
    let last = end - Span::from_nanos(1);
    let mut steps = 0u32;
    let crash = plan.server.crash_at.map_or(Time::NEVER, |after| Time::ZERO + after);
    let ended = loop {
        let deadline = if carrier.server_is_dead() {
            Time::NEVER
        } else {
            server.next_deadline().unwrap_or(Time::NEVER).min(crash)
        };
        let timer = swarm.next_deadline().unwrap_or(Time::NEVER);
        let machine = deadline.min(timer);
        let now = if let Some((now, arrival)) = carrier.next_arrival(machine.min(last)) {
            carrier.arrive(now, arrival, &mut server, &mut swarm);
            now
        } else if machine >= end {
            break end;
        } else if deadline <= timer && deadline == crash {
            carrier.kill_server(crash);
            crash
        } else if deadline <= timer {
            server.advance(machine, &mut FromServer::new(&mut carrier, machine));
            machine
        } else {
            swarm.advance(machine, &mut FromSwarm(&mut carrier));
            machine
        };
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS_BETWEEN_LOOKS) && !go_on(now) {
            break now;
        }
    };
    let recorder = carrier.finish(ended);
    recorder.finish(World {
        end: ended,
        carriage: None,
        foreign: false,
        membership_seen: true,
        server_beats: plan.server.options.heartbeat.by_server(),
        lateness: None,
        lateness_limit: plan.swarm.lateness_limit,
    })
}
