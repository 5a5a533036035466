//! The ledgers of datagrams and of deliveries, term by term. Every term that a datagram or a
//! delivery can fall under is named here and nowhere else.

use skipbeat_core::Direction;
use skipbeat_link::Cause;

use crate::{DatagramTally, DeliveryTally, RunTally, SocketTally};

/// Which ledger a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Datagrams of one direction.
    Datagrams,
    /// Messages × receivers.
    Deliveries,
}

impl Level {
    /// Both, in the order of `ledger.csv`.
    pub const ALL: [Level; 2] = [Level::Datagrams, Level::Deliveries];

    /// The name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Datagrams => "datagrams",
            Level::Deliveries => "deliveries",
        }
    }
}

/// The side of the equation that a term is on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// What came in.
    In,
    /// Where it went.
    Out,
    /// Extra information: part of other terms, and in no sum.
    Beside,
}

impl Side {
    /// All of them, in the order of `ledger.csv`.
    pub const ALL: [Side; 3] = [Side::In, Side::Out, Side::Beside];

    /// The name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Side::In => "in",
            Side::Out => "out",
            Side::Beside => "beside",
        }
    }
}

/// The name of the term that has to be 0.
pub const UNEXPLAINED: &str = "unexplained";

/// One term of one equation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Which ledger.
    pub level: Level,
    /// Which way datagrams went; `None` for deliveries.
    pub direction: Option<Direction>,
    /// Which group; `None` for all together.
    pub group: Option<usize>,
    /// Which side of the equation.
    pub side: Side,
    /// Which term, as in `ledger.csv`.
    pub term: &'static str,
    /// How many.
    pub count: i64,
}

/// Both ledgers of a run: of all groups together, then of each.
pub fn ledger(run: &RunTally) -> Vec<LedgerRow> {
    let mut rows = Vec::new();
    let whole = run.all_groups();
    let groups = run.groups.iter().enumerate().map(|(number, group)| (Some(number), group));
    for (number, group) in std::iter::once((None, &whole)).chain(groups) {
        for direction in Direction::BOTH {
            let way = direction as usize;
            let sockets = number.is_none().then(|| Sockets {
                tally: run.sockets.map_or_else(SocketTally::in_sim, |both| both[way]),
                handed: run.handed(group, true, direction),
                read: run.read(group, direction),
            });
            rows.extend(datagram_rows(direction, number, &group.links[way], sockets));
        }
        let deliveries = match number {
            Some(number) => run.settled(number),
            None => run.settled_in_all(),
        };
        rows.extend(delivery_rows(number, &deliveries));
    }
    rows
}

/// The unexplained counts of all groups together; 0 unless something is wrong.
pub(crate) fn unexplained(rows: &[LedgerRow]) -> i64 {
    let whole = rows.iter().filter(|row| row.group.is_none() && row.term == UNEXPLAINED);
    whole.map(|row| row.count.abs()).sum()
}

/// What is known of the sockets of one direction, for all groups together.
struct Sockets {
    tally: SocketTally,
    handed: u64,
    read: Option<u64>,
}

impl SocketTally {
    /// In the simulator nothing is lost between a link and the server.
    fn in_sim() -> Self {
        SocketTally { dropped: Some(0), read_is_known: true, ..SocketTally::default() }
    }
}

impl Sockets {
    /// Datagrams that the counters don't account for: handed - not sent - dropped - read.
    fn unexplained(&self) -> i64 {
        let Some(read) = self.read else { return 0 };
        let SocketTally { not_sent, dropped, .. } = self.tally;
        self.handed as i64 - (not_sent + dropped.unwrap_or(0) + read) as i64
    }
}

/// The rows of one direction: the terms `in` add up to the terms `out`. What the kernel did is
/// known for all groups together only.
fn datagram_rows(
    direction: Direction,
    group: Option<usize>,
    links: &DatagramTally,
    sockets: Option<Sockets>,
) -> Vec<LedgerRow> {
    let row = |side: Side, term: &'static str, count: u64| LedgerRow {
        level: Level::Datagrams,
        direction: Some(direction),
        group,
        side,
        term,
        count: count as i64,
    };
    // Upwards links come first and sockets last, downwards it is the other way round.
    let before = sockets.as_ref().filter(|_| direction == Direction::Down);
    let after = sockets.as_ref().filter(|_| direction == Direction::Up);
    let sent = before.map_or(links.offered, |sockets| sockets.handed);
    let mut rows = vec![row(Side::In, "sent", sent), row(Side::In, "duplicated", links.duplicated)];
    rows.extend(Cause::ALL.map(|c| row(Side::Out, c.name(), links.lost[c as usize])));
    if direction == Direction::Down {
        rows.push(row(Side::Out, "misaddressed", links.misaddressed));
    }
    rows.push(row(Side::Out, "in-flight", links.in_flight));
    if let Some(SocketTally { not_sent, dropped, .. }) = sockets.as_ref().map(|s| s.tally) {
        rows.push(row(Side::Out, "not-sent", not_sent));
        rows.extend(dropped.map(|dropped| row(Side::Out, "kernel", dropped)));
    }
    rows.push(match after {
        Some(Sockets { read: Some(read), .. }) => row(Side::Out, "received", *read),
        Some(Sockets { read: None, tally, .. }) => {
            let gone = tally.not_sent + tally.dropped.unwrap_or(0);
            row(Side::Out, "handed-to-target", links.arrived.saturating_sub(gone))
        }
        None => row(Side::Out, "received", links.arrived),
    });
    // Absolute values, so that the two parts can't cancel each other.
    let by_links = links.offered as i64 + links.duplicated as i64
        - (links.all_lost() + links.misaddressed + links.in_flight + links.arrived) as i64;
    let by_sockets = sockets.as_ref().map_or(0, Sockets::unexplained);
    let count = by_links.abs() + by_sockets.abs();
    rows.push(LedgerRow { count, ..row(Side::Out, UNEXPLAINED, 0) });
    rows.push(row(Side::Beside, "changed", links.changed));
    rows.push(row(Side::Beside, "mangled", links.mangled));
    rows.push(row(Side::Beside, "retransmitted", links.retransmitted));
    rows.push(row(Side::Beside, "acked", links.acked));
    rows.push(row(Side::Beside, "given-up", links.given_up));
    rows
}

/// The rows of the delivery ledger: `expected` is the sum of the terms `out`.
fn delivery_rows(group: Option<usize>, tally: &DeliveryTally) -> Vec<LedgerRow> {
    [
        (Side::In, "expected", tally.expected),
        (Side::Out, "delivered", tally.delivered),
        (Side::Out, "lost-up", tally.lost_up),
        (Side::Out, "refused", tally.refused),
        (Side::Out, "not-member", tally.not_member),
        (Side::Out, "lost-down", tally.lost_down),
        (Side::Out, "in-flight", tally.in_flight),
        (Side::Out, "kernel-up", tally.kernel_up),
        (Side::Out, "kernel-down", tally.kernel_down),
        (Side::Out, "target", tally.target),
        (Side::Out, UNEXPLAINED, tally.unexplained),
        (Side::Beside, "duplicates", tally.duplicates),
        (Side::Beside, "surplus", tally.surplus),
    ]
    .into_iter()
    .map(|(side, term, count)| LedgerRow {
        level: Level::Deliveries,
        direction: None,
        group,
        side,
        term,
        count: count as i64,
    })
    .collect()
}
