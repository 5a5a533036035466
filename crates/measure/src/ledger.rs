//! Both ledgers, term by term, as rows. Every term that a datagram or a delivery can fall under is
//! named here and nowhere else.

use skipbeat_core::{Direction, Time};
use skipbeat_link::{Cause, Verdict};

use crate::DeliveryTally;

/// What the links of one direction of one group did.
#[derive(Clone, Copy, Default, Debug)]
pub struct DatagramTally {
    /// Datagrams that were to enter the links.
    pub offered: u64,
    /// Of those, the ones that entered in the measured time.
    pub offered_in_window: u64,
    /// Bytes of those that were offered.
    pub bytes: u64,
    /// Bytes of those that entered in the measured time.
    pub bytes_in_window: u64,
    /// Copies that the links made.
    pub duplicated: u64,
    /// Datagrams of those offered that entered no link: no client has the address that they went
    /// to (any more).
    pub misaddressed: u64,
    /// What the links lost, by [`Cause`].
    pub lost: [u64; Cause::ALL.len()],
    /// What the reorder stage chose.
    pub held: u64,
    /// Datagrams and copies that were changed.
    pub changed: u64,
    /// Of those, the ones whose message can't be told any more.
    pub mangled: u64,
    /// Datagrams and copies that left the links.
    pub arrived: u64,
    /// Datagrams and copies on the links when the run ended.
    pub in_flight: u64,
    /// Datagrams of those offered that were sent again for want of an ack.
    pub retransmitted: u64,
    /// Messages whose ack came.
    pub acked: u64,
    /// Messages that were given up without one.
    pub given_up: u64,
    /// The sum of the times that datagrams travelled, copies apart, in nanoseconds; without what
    /// they waited in clogs and queues.
    pub delay_ns: u128,
    /// The sum of the squares of those, in square nanoseconds. A whole number, so that it does not
    /// depend on the order.
    pub delay_squares: u128,
    /// The sum of what they waited, in nanoseconds.
    pub waited_ns: u128,
}

impl DatagramTally {
    /// A datagram of `bytes` comes to a link at `now`, which gives this verdict.
    #[inline]
    pub fn offer(&mut self, now: Time, within: bool, bytes: usize, verdict: &Verdict) {
        self.offered += 1;
        self.bytes += bytes as u64;
        self.offered_in_window += u64::from(within);
        self.bytes_in_window += if within { bytes as u64 } else { 0 };
        match verdict.arrival {
            Ok(arrival) => {
                let travelled = arrival.since(now + verdict.waited());
                self.delay_ns += u128::from(travelled.nanos());
                self.delay_squares = self.delay_squares.saturating_add(travelled.squared());
            }
            Err(cause) => self.lost[cause as usize] += 1,
        }
        let Some(besides) = &verdict.besides else { return };
        self.waited_ns += u128::from(besides.waited.nanos());
        self.duplicated += u64::from(besides.copy.is_some());
        self.held += u64::from(besides.held);
        let changes = [besides.change, besides.copy_change];
        self.changed += changes.iter().flatten().count() as u64;
    }

    /// Datagrams that entered a link.
    pub fn entered(&self) -> u64 {
        self.offered - self.misaddressed
    }

    /// Everything that the links lost.
    pub fn all_lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// Adds another group's.
    pub fn add(&mut self, other: &DatagramTally) {
        self.offered += other.offered;
        self.offered_in_window += other.offered_in_window;
        self.bytes += other.bytes;
        self.bytes_in_window += other.bytes_in_window;
        self.duplicated += other.duplicated;
        self.misaddressed += other.misaddressed;
        for (mine, theirs) in self.lost.iter_mut().zip(other.lost) {
            *mine += theirs;
        }
        self.held += other.held;
        self.changed += other.changed;
        self.mangled += other.mangled;
        self.delay_squares = self.delay_squares.saturating_add(other.delay_squares);
        self.waited_ns += other.waited_ns;
        self.arrived += other.arrived;
        self.in_flight += other.in_flight;
        self.retransmitted += other.retransmitted;
        self.acked += other.acked;
        self.given_up += other.given_up;
        self.delay_ns += other.delay_ns;
    }
}

/// What carried the datagrams of one direction between the links and the server: nothing in the
/// simulator, two sockets and a kernel on a real network. By group where a list.
#[derive(Clone, Debug, Default)]
pub struct Carriage {
    /// Handed to the sending socket.
    pub entered: Vec<u64>,
    /// The socket did not take it.
    pub not_sent: u64,
    /// Thrown away at the receiving socket, by its own counter; `None` where it can't be read.
    pub dropped: Option<u64>,
    /// Read from the receiving socket; `None` where a foreign server reads it.
    pub left: Option<Vec<u64>>,
}

impl Carriage {
    /// What neither counter accounts for, in total: `entered - not sent - dropped - left`.
    pub fn unexplained(&self) -> i64 {
        let Some(left) = &self.left else { return 0 };
        let entered: u64 = self.entered.iter().sum();
        let left: u64 = left.iter().sum();
        entered as i64 - (self.not_sent + self.dropped.unwrap_or(0) + left) as i64
    }
}

/// Which ledger a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Datagrams of one direction.
    Datagrams,
    /// Messages × receivers.
    Deliveries,
}

impl Level {
    /// The name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Datagrams => "datagrams",
            Level::Deliveries => "deliveries",
        }
    }
}

/// One term of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Which ledger.
    pub level: Level,
    /// Which way; deliveries go both.
    pub direction: Option<Direction>,
    /// Which group; all of them where there is none.
    pub group: Option<usize>,
    /// Which side of the identity and which term of it, such as `in:sent` or `out:loss`.
    pub term: String,
    /// How many.
    pub count: i64,
}

/// The rows of one direction. The identity: the `in` terms add up to the `out` terms. What the
/// kernel did is known for all groups together only.
pub(crate) fn datagram_rows(
    direction: Direction,
    group: Option<usize>,
    links: &DatagramTally,
    carriage: Option<&Carriage>,
) -> Vec<LedgerRow> {
    let row = |term: &str, count: u64| LedgerRow {
        level: Level::Datagrams,
        direction: Some(direction),
        group,
        term: term.to_owned(),
        count: count as i64,
    };
    // Upwards the links come first and the sockets last, downwards it is the other way round.
    let before = carriage.filter(|_| direction == Direction::Down);
    let after = carriage.filter(|_| direction == Direction::Up);
    let sent = before.map_or(links.offered, |c| c.entered.iter().sum());
    let mut rows = vec![row("in:sent", sent), row("in:duplicated", links.duplicated)];
    rows.extend(Cause::ALL.map(|c| row(&format!("out:{}", c.name()), links.lost[c as usize])));
    if direction == Direction::Down {
        rows.push(row("out:misaddressed", links.misaddressed));
    }
    rows.push(row("out:in-flight", links.in_flight));
    if let Some(carriage) = carriage {
        rows.push(row("out:not-sent", carriage.not_sent));
        if let Some(dropped) = carriage.dropped {
            rows.push(row("out:kernel", dropped));
        }
    }
    match after {
        Some(Carriage { left: Some(left), .. }) => {
            rows.push(row("out:received", left.iter().sum()))
        }
        Some(Carriage { left: None, not_sent, dropped, .. }) => {
            let gone = not_sent + dropped.unwrap_or(0);
            rows.push(row("out:handed-to-target", links.arrived.saturating_sub(gone)));
        }
        None => rows.push(row("out:received", links.arrived)),
    }
    // Neither part may hide the other.
    let by_links = links.offered as i64 + links.duplicated as i64
        - (links.all_lost() + links.misaddressed + links.in_flight + links.arrived) as i64;
    let by_sockets = carriage.map_or(0, Carriage::unexplained);
    let count = by_links.abs() + by_sockets.abs();
    rows.push(LedgerRow { count, ..row("out:unexplained", 0) });
    rows.push(row("beside:changed", links.changed));
    rows.push(row("beside:mangled", links.mangled));
    rows.push(row("beside:retransmitted", links.retransmitted));
    rows.push(row("beside:acked", links.acked));
    rows.push(row("beside:given-up", links.given_up));
    rows
}

/// The rows of the delivery ledger. The identity: `in:expected` is the sum of the `out` terms.
pub(crate) fn delivery_rows(group: Option<usize>, tally: &DeliveryTally) -> Vec<LedgerRow> {
    [
        ("in:expected", tally.expected),
        ("out:delivered", tally.delivered),
        ("out:lost-up", tally.lost_up),
        ("out:refused", tally.refused),
        ("out:not-member", tally.not_member),
        ("out:lost-down", tally.lost_down),
        ("out:in-flight", tally.in_flight),
        ("out:kernel-up", tally.kernel_up),
        ("out:kernel-down", tally.kernel_down),
        ("out:target", tally.target),
        ("out:unexplained", tally.unexplained),
        ("beside:duplicates", tally.duplicates),
        ("beside:surplus", tally.surplus),
    ]
    .into_iter()
    .map(|(term, count)| LedgerRow {
        level: Level::Deliveries,
        direction: None,
        group,
        term: term.to_owned(),
        count: count as i64,
    })
    .collect()
}
