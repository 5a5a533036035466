//! What a run came to, and why it may not be relied on.

use std::collections::BTreeMap;

use skipbeat_core::{Span, Time};

use crate::{
    Carriage, DatagramTally, Distribution, Eviction, Figures, LedgerRow, PathTally, Second, Trace,
};

/// What the world knows at the end that no event says.
pub struct RunContext {
    /// When the run ended: earlier than planned where it was interrupted.
    pub end: Time,
    /// How datagrams were carried up and down; none in the simulator.
    pub carriage: Option<[Carriage; 2]>,
    /// Whether the server's membership was seen from outside.
    pub foreign: bool,
    /// Whether the membership could be seen at all: a foreign server shows it by its broadcasts.
    pub membership_seen: bool,
    /// Whether answers to heartbeats can be told.
    pub answers_known: bool,
    /// Whether the server beats to its members.
    pub server_beats: bool,
    /// How much later than planned the clients sent; none in the simulator.
    pub lateness: Option<Distribution>,
    /// The limit of that, at the 99th percentile.
    pub lateness_limit: Span,
}

/// Why figures of a run can't be relied on.
#[derive(Clone, PartialEq, Debug)]
pub enum Doubt {
    /// The ledger does not close.
    Unexplained {
        /// By how many datagrams or deliveries.
        count: i64,
    },
    /// The swarm did not keep its schedule.
    Late {
        /// The 99th percentile of the lateness in seconds.
        p99_s: f64,
        /// What is allowed.
        limit: Span,
    },
    /// The swarm's own receive buffer overflowed.
    SwarmDrops {
        /// By so many datagrams.
        count: u64,
    },
    /// The server that the run started ended before it was asked to.
    ServerEnded {
        /// Its program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The swarm's sockets did not take what clients sent.
    NotSent {
        /// So many datagrams.
        count: u64,
    },
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Doubt::Unexplained { count } => write!(
                f,
                "the ledger does not close: {count} unexplained; this is a defect of skipbeat or \
                 of a counter it relies on"
            ),
            Doubt::Late { p99_s, limit } => write!(
                f,
                "the generator was late: 99 % of datagrams were sent within {:.1} ms of their \
                 time, allowed are {limit}; use fewer clients, a lower rate or a quieter machine, \
                 or raise swarm.lateness_limit",
                p99_s * 1e3
            ),
            Doubt::SwarmDrops { count } => write!(
                f,
                "the swarm's receive buffer overflowed: {count} datagrams lost on our side; raise \
                 swarm.receive_buffer (and net.core.rmem_max) or send less"
            ),
            Doubt::ServerEnded { program, status } => {
                write!(f, "the server command {program:?} ended in the middle of the run: {status}")
            }
            Doubt::NotSent { count } => write!(
                f,
                "the kernel did not take {count} datagrams of the swarm; send less or raise \
                 net.core.wmem_max"
            ),
        }
    }
}

/// What a run came to.
pub struct Results {
    /// The figures of the whole run.
    pub figures: Figures,
    /// The figures of each group.
    pub groups: Vec<Figures>,
    /// What happened in each second.
    pub timeline: Vec<Second>,
    /// Every eviction in order of time.
    pub evictions: Vec<Eviction>,
    /// Both ledgers, term by term: all groups together, then each.
    pub ledger: Vec<LedgerRow>,
    /// What the links did, by direction and group.
    pub links: [Vec<DatagramTally>; 2],
    /// What was seen on the observed links, by direction and group.
    pub paths: [Vec<PathTally>; 2],
    /// Planned sending → first delivery.
    pub latency: Distribution,
    /// Real sending → first delivery.
    pub latency_real: Distribution,
    /// Crash → eviction that lasts.
    pub eviction_latency: Distribution,
    /// False eviction → member again.
    pub mistake_duration: Distribution,
    /// Planned → real sending.
    pub lateness: Option<Distribution>,
    /// What the server refused, by cause.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Why the figures can't be relied on.
    pub doubts: Vec<Doubt>,
    /// Every which client's links were observed one by one.
    pub observed_every: u32,
    /// A number that stands for the multiset of all events.
    pub digest: u64,
    /// How many events there were.
    pub events: u64,
    /// All of them, in no order, if [`Recorder::keep_log`](crate::Recorder::keep_log) was called.
    pub log: Vec<Trace>,
    /// When the run ended.
    pub end: Time,
}

/// Why the figures can't be relied on.
pub(crate) fn doubts(
    unexplained: i64,
    [up, down]: [&Carriage; 2],
    context: &RunContext,
) -> Vec<Doubt> {
    let limit = context.lateness_limit;
    let p99 = context.lateness.as_ref().and_then(|lateness| lateness.quantile(0.99));
    let late = p99.filter(|p99| *p99 > limit.seconds());
    let dropped = down.dropped.filter(|count| *count > 0);
    [
        (unexplained != 0).then_some(Doubt::Unexplained { count: unexplained }),
        late.map(|p99_s| Doubt::Late { p99_s, limit }),
        dropped.map(|count| Doubt::SwarmDrops { count }),
        (up.not_sent > 0).then_some(Doubt::NotSent { count: up.not_sent }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
