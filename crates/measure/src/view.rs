//! The input of the formulas of metrics: what was counted in all groups together, or in one.

use skipbeat_core::Direction;

use crate::ledger::{ledger, unexplained};
use crate::{DeliveryTally, GroupTally, RunFacts, RunTally, Shares};

/// The input of the formulas of the common metrics.
pub(crate) struct View {
    pub(crate) facts: RunFacts,
    /// The group, or all of them together.
    pub(crate) group: GroupTally,
    pub(crate) deliveries: DeliveryTally,
    /// Figures that only the whole run has; `None` for a group.
    pub(crate) whole: Option<Whole>,
    /// Datagrams that the server received and sent, as far as that is known.
    pub(crate) up_received: Option<u64>,
    pub(crate) down_sent: u64,
    /// Whether datagrams can be seen; they can't if all traffic goes over the kernel's connections.
    pub(crate) datagrams_seen: bool,
}

/// Figures that only a whole run has.
pub(crate) struct Whole {
    pub(crate) unexplained: i64,
    pub(crate) shares: Option<Shares>,
    pub(crate) members_max: Option<u64>,
    pub(crate) busiest_second: Option<u64>,
}

impl View {
    pub(crate) fn of_all(run: &RunTally) -> Self {
        let whole = Whole {
            unexplained: unexplained(&ledger(run)),
            shares: run.shares,
            members_max: run.members_max,
            busiest_second: run.busiest_second,
        };
        View::new(run, run.all_groups(), run.settled_in_all(), Some(whole))
    }

    pub(crate) fn of_group(run: &RunTally, number: usize) -> Self {
        View::new(run, run.groups[number].clone(), run.settled(number), None)
    }

    fn new(
        run: &RunTally,
        group: GroupTally,
        deliveries: DeliveryTally,
        whole: Option<Whole>,
    ) -> Self {
        View {
            facts: run.facts,
            up_received: run.read(&group, Direction::Up),
            down_sent: run.handed(&group, whole.is_some(), Direction::Down),
            datagrams_seen: run.sockets.is_none() || !group.only_streams,
            deliveries,
            whole,
            group,
        }
    }

    /// The length of the run, in seconds.
    pub(crate) fn run_s(&self) -> f64 {
        self.facts.end.seconds()
    }

    /// The length of the window as far as it was seen, in seconds.
    pub(crate) fn window_s(&self) -> f64 {
        let RunFacts { end, from, to, .. } = self.facts;
        to.min(end).since(from).seconds()
    }
}
