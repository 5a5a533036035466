//! The results of a run: its tally, and the figures, ledger and doubts that follow from it.

use skipbeat_core::{Distribution, Span, Time};

use crate::datagrams::SocketCounts;
use crate::ledger::{ledger, unexplained};
use crate::verdict::Doubt;
use crate::{Columns, EventRecord, Figures, LedgerRow, RunTally};

/// What a driver knows at the end of a run and no event contains.
pub struct RunContext {
    /// When the run ended: earlier than planned if it was interrupted.
    pub end: Time,
    /// What the sockets did with datagrams up and down; `None` in the simulator.
    pub sockets: Option<[SocketCounts; 2]>,
    /// Whether the server's membership was seen from outside.
    pub foreign: bool,
    /// Whether the membership could be seen at all: a foreign server shows it by its broadcasts.
    pub membership_seen: bool,
    /// Whether answers to heartbeats can be told from other datagrams.
    pub answers_known: bool,
    /// Whether the server sends heartbeats to its members.
    pub server_beats: bool,
    /// How much later than planned the clients sent; `None` in the simulator.
    pub lateness: Option<Distribution>,
    /// The limit for the 99th percentile of the lateness.
    pub lateness_limit: Span,
}

/// The results of a run.
pub struct Results {
    /// Everything that was counted.
    pub tally: RunTally,
    /// The figures of the whole run.
    pub figures: Figures,
    /// The figures of each group.
    pub groups: Vec<Figures>,
    /// Both ledgers, term by term: all groups together, then each.
    pub ledger: Vec<LedgerRow>,
    /// Why the figures can't be relied on.
    pub doubts: Vec<Doubt>,
    /// Every event, in no particular order, if [`Recorder::keep_log`](crate::Recorder::keep_log)
    /// was called.
    pub log: Vec<EventRecord>,
}

impl Results {
    /// The results that follow from a tally, with figures for these columns.
    pub fn of(tally: RunTally, columns: &Columns) -> Self {
        let ledger = ledger(&tally);
        Results {
            figures: Figures::of_all(&tally, columns),
            groups: Figures::of_groups(&tally, columns),
            doubts: doubts(&tally, unexplained(&ledger)),
            ledger,
            log: Vec::new(),
            tally,
        }
    }

    /// When the run ended.
    pub fn end(&self) -> Time {
        self.tally.facts.end
    }
}

/// Why the figures can't be relied on.
fn doubts(tally: &RunTally, unexplained: i64) -> Vec<Doubt> {
    let limit = tally.facts.lateness_limit;
    let p99 = tally.lateness.as_ref().and_then(|lateness| lateness.quantile(0.99));
    let late = p99.filter(|p99| *p99 > limit.seconds());
    let [not_sent, dropped] = match tally.sockets {
        Some([up, down]) => [up.not_sent, down.dropped.unwrap_or(0)],
        None => [0, 0],
    };
    [
        (unexplained != 0).then_some(Doubt::Unexplained { count: unexplained }),
        late.map(|p99_s| Doubt::Late { p99_s, limit }),
        (dropped > 0).then_some(Doubt::SwarmDrops { count: dropped }),
        (not_sent > 0).then_some(Doubt::NotSent { count: not_sent }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
