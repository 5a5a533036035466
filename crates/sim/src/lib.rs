//! Deterministic virtual time. The machines are those that run on real sockets; here calendar
//! queues carry their datagrams.
//!
//! Order: by time; at one time first what arrives (up before down, then by client), then the timers
//! of connections, then the server's deadlines, then the swarm's heartbeats, then what else is due of
//! the swarm. The result depends on the plan alone.
#![forbid(unsafe_code)]

mod arrivals;
mod driver;
mod engine;
mod peers;
mod streams;

use skipbeat_core::Span;
use skipbeat_harness::Tap;
use skipbeat_measure::{Results, Snapshot};
use skipbeat_scenario::Plan;

pub use driver::{CLIENTS, SERVER};

/// What changes how long a run takes, and nothing of what comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    /// The longest time that is dealt with at once; zero for one thing after the other. The
    /// shortest delay of the links up limits it.
    pub window: Span,
    /// Arrivals are sorted in buckets of 2 to this power nanoseconds, 0 to 32.
    pub bucket: u32,
    /// Whether every event is kept ([`Results::log`]).
    pub log: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions { window: Span::from_secs(1), bucket: 17, log: false }
    }
}

/// Runs a plan. `go_on` has a look now and then and ends the run by saying no.
pub fn run(plan: &Plan, go_on: &mut dyn FnMut(Snapshot<'_>) -> bool) -> Results {
    run_tuned(plan, EngineOptions::default(), None, go_on)
}

/// The same, with a tap that hears of every datagram.
pub fn run_tapped(
    plan: &Plan,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Results {
    run_tuned(plan, EngineOptions::default(), tap, go_on)
}

/// The same, otherwise tuned.
pub fn run_tuned(
    plan: &Plan,
    options: EngineOptions,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Results {
    engine::Engine::new(plan, options, tap).run(go_on)
}
