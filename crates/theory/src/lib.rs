//! The simulator's figures against closed forms, experiment by experiment: what `skipbeat theory`
//! prints and what the tests hold. The forms are derived in docs/theory.md.
//!
//! Intervals follow from the counts: mostly four standard errors. Seeds are fixed, so a row either always
//! holds or never. A new row goes into the experiment whose run shows it; a new experiment into
//! [`EXPERIMENTS`].
#![forbid(unsafe_code)]

mod delivery;
mod detection;
mod detectors;
mod mechanisms;
mod mistakes;
mod order;
mod row;
mod workloads;

pub use row::{Agreement, Size, TheoryRow};

/// Some rows that one or several runs show together.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Which table it belongs to.
    pub table: &'static str,
    /// Its name: words with hyphens.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Size) -> Vec<TheoryRow>,
}

const fn of(
    table: &'static str,
    name: &'static str,
    run: fn(&Size) -> Vec<TheoryRow>,
) -> Experiment {
    Experiment { table, name, run }
}

const DETECTION: &str = "Detection time T_D in seconds";
const MISTAKES: &str = "Mistakes of a live client: rates λ_M per second, spans in seconds";
const MECHANISMS: &str = "Who beats";
const DETECTORS: &str = "Detection time of the other detectors in seconds";
const DELIVERY: &str = "Delivery";
const ORDER: &str = "Order: the share of datagrams that are reordered (RFC 4737)";

const WORKLOADS: &str = "Telemetry, media and queries: times in seconds";

/// All experiments, in the order of their tables.
pub const EXPERIMENTS: &[Experiment] = &[
    of(DETECTION, "exact-deadline", detection::exact_deadline),
    of(DETECTION, "periodic-sweep", detection::periodic_sweep),
    of(DETECTION, "lazy-sweep", detection::lazy_sweep),
    of(DETECTION, "jitter", detection::jitter),
    of(DETECTION, "loss", detection::loss),
    of(DETECTION, "last-of-many", detection::last_of_many),
    of(MISTAKES, "no-jitter", mistakes::no_jitter),
    of(MISTAKES, "knife-edge", mistakes::knife_edge),
    of(MISTAKES, "jitter-and-sweep", mistakes::jitter_and_sweep),
    of(MISTAKES, "lazy-sweep", mistakes::lazy_sweep),
    of(MISTAKES, "sticky", mistakes::sticky),
    of(MECHANISMS, "both-beat", mechanisms::both_beat),
    of(MECHANISMS, "server-beats", mechanisms::server_beats),
    of(MECHANISMS, "dead-server", mechanisms::dead_server),
    of(DETECTORS, "detectors", detectors::detectors),
    of(DELIVERY, "ratio", delivery::ratio),
    of(DELIVERY, "shares", delivery::shares),
    of(ORDER, "periodic", order::periodic),
    of(ORDER, "poisson", order::poisson),
    of(WORKLOADS, "telemetry", workloads::telemetry),
    of(WORKLOADS, "media", workloads::media),
    of(WORKLOADS, "query", workloads::query),
];
