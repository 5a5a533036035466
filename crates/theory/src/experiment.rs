//! The experiments and their tables, in the order in which they are printed. A new row goes into
//! the experiment whose run shows it, a new experiment into [`EXPERIMENTS`].

use crate::row::TheoryRow;
use crate::size::Size;
use crate::{delivery, detection, detectors, mechanisms, mistakes, order, workloads};

/// One or a few runs, and the rows that they show.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// The title of its table. Experiments of one table follow each other in [`EXPERIMENTS`].
    pub table: &'static str,
    /// A name that is unique within its table: lower-case words with hyphens.
    pub name: &'static str,
    /// Simulates it and gives its rows. At the default size this takes up to some seconds.
    pub run: fn(&Size) -> Vec<TheoryRow>,
}

const fn experiment(
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

/// All experiments, table by table.
pub const EXPERIMENTS: &[Experiment] = &[
    experiment(DETECTION, "exact-deadline", detection::exact_deadline),
    experiment(DETECTION, "periodic-sweep", detection::periodic_sweep),
    experiment(DETECTION, "lazy-sweep", detection::lazy_sweep),
    experiment(DETECTION, "jitter", detection::jitter),
    experiment(DETECTION, "loss", detection::loss),
    experiment(DETECTION, "last-of-many", detection::last_of_many),
    experiment(MISTAKES, "no-jitter", mistakes::no_jitter),
    experiment(MISTAKES, "knife-edge", mistakes::knife_edge),
    experiment(MISTAKES, "jitter-and-sweep", mistakes::jitter_and_sweep),
    experiment(MISTAKES, "lazy-sweep", mistakes::lazy_sweep),
    experiment(MISTAKES, "sticky", mistakes::sticky),
    experiment(MECHANISMS, "both-beat", mechanisms::both_beat),
    experiment(MECHANISMS, "server-beats", mechanisms::server_beats),
    experiment(MECHANISMS, "dead-server", mechanisms::dead_server),
    experiment(DETECTORS, "detectors", detectors::detectors),
    experiment(DELIVERY, "ratio", delivery::ratio),
    experiment(DELIVERY, "shares", delivery::shares),
    experiment(ORDER, "periodic", order::periodic),
    experiment(ORDER, "poisson", order::poisson),
    experiment(WORKLOADS, "telemetry", workloads::telemetry),
    experiment(WORKLOADS, "media", workloads::media),
    experiment(WORKLOADS, "query", workloads::query),
];
