//! Runs in virtual time. Server and swarm are those that also run on real sockets; here a calendar
//! queue carries their datagrams. The results depend on nothing but the plan.
//!
//! Things happen in order of time. At the same time, datagrams arrive first (up before down, then
//! by client); then come the timers of TCP connections, the deadlines of the server, the heartbeats
//! of the swarm, and the other timers of the swarm.
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

/// Settings that change how long a run takes, but not its results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    /// The longest time whose heartbeats are sent together; zero for strict order. The shortest
    /// delay of the links up limits it further.
    pub window: Span,
    /// The width of the buckets that arrivals are sorted in: 2 to this power nanoseconds, 0 to 32.
    pub bucket: u32,
    /// Whether every event is kept in [`Results::log`].
    pub log: bool,
    /// Whether what is needed to add up parts of a run is kept
    /// ([`PartDetail`](skipbeat_measure::PartDetail)).
    pub parts: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions { window: Span::from_secs(1), bucket: 17, log: false, parts: false }
    }
}

/// Runs a plan. `go_on` is called now and then with what was measured so far, and ends the run by
/// returning false.
///
/// ```
/// use skipbeat_scenario::Plan;
///
/// let scenario = "name = 'room'\nduration = '10s'\n[[group]]\nname = 'a'\nclients = 20";
/// let plan = Plan::parse("room.toml", scenario, &[]).unwrap();
/// let results = skipbeat_sim::run(&plan, &mut |_| true);
/// assert!(results.doubts.is_empty());
/// assert_eq!(results.figures.get("false_evictions"), Some(0.0));
/// ```
pub fn run(plan: &Plan, go_on: &mut dyn FnMut(Snapshot<'_>) -> bool) -> Results {
    run_tuned(plan, EngineOptions::default(), None, go_on)
}

/// Runs a plan as [`run`] does, with a tap that sees every datagram. Without one it is the same.
pub fn run_tapped(
    plan: &Plan,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Results {
    run_tuned(plan, EngineOptions::default(), tap, go_on)
}

/// Runs a plan as [`run_tapped`] does, with other settings of the engine.
pub fn run_tuned(
    plan: &Plan,
    options: EngineOptions,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Results {
    engine::Engine::new(plan, options, tap).run(go_on)
}
