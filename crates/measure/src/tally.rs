//! The counts of a run, as values that add up. The tallies of the parts of a run, added in any
//! order, give the tally of the whole, and so its figures, percentiles included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skipbeat_core::{Average, Direction, Distribution, Span, Time};
use skipbeat_workload::WorkloadTallies;

use crate::deliveries::MessageReach;
use crate::detection::DetectionTally;
use crate::{
    DatagramTally, DeliveryTally, Eviction, PathTally, Second, Shares, SocketTally, timeline,
};

/// The counts of one group, or of those of its clients that are in one part of a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTally {
    /// The number of clients.
    pub clients: u32,
    /// Texts to everybody that were due in the window.
    pub messages: u64,
    /// What their links did, by direction.
    pub links: [DatagramTally; 2],
    /// Order and losses on their links, by direction.
    pub order: [PathTally; 2],
    /// Jitter of the messages that each of them got, in nanoseconds.
    pub jitter: Average,
    /// Datagrams handed to the sending socket, by direction.
    pub handed: [u64; 2],
    /// Datagrams read from the receiving socket, by direction.
    pub read: [u64; 2],
    /// What became of messages for them.
    pub deliveries: DeliveryTally,
    /// Their messages that the server never got although no link lost them.
    pub missing_up: u64,
    /// Crashes, evictions, mistakes.
    pub detection: DetectionTally,
    /// The times from planned sending to first delivery.
    pub latency: Distribution,
    /// The times from real sending to first delivery; `None` if everything was sent at its planned
    /// time.
    pub latency_real: Option<Distribution>,
    /// The times from a heartbeat to its answer, for servers that answer.
    pub answer_latency: Distribution,
    /// Bytes that hostile clients sent, and bytes sent to them and to addresses that they forged;
    /// `None` if none of the clients is hostile.
    pub attack: Option<[u64; 2]>,
    /// Connections of live clients that ended by themselves; `None` if none of the clients uses
    /// connections.
    pub connections_broken: Option<u64>,
    /// Whether all of the clients use connections.
    pub only_streams: bool,
    /// What the server refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// The sums of their workloads.
    pub workloads: WorkloadTallies,
}

/// The records of a group that grow with the length of the run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRows {
    /// What happened in each second of the run.
    pub timeline: Vec<Second>,
    /// Every eviction, by time and client.
    pub evictions: Vec<Eviction>,
    /// What else is needed to add up parts of a run; `None` if it has no parts.
    pub part: Option<PartDetail>,
}

/// What is needed of a part of a run for the figures that don't follow from sums.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDetail {
    /// Each change of the number of members, by time; at equal times joins come first.
    pub members: Vec<(Time, i32)>,
    /// How many clients of this part each message should reach and did reach, by message.
    pub messages: Vec<MessageReach>,
}

impl GroupTally {
    /// Adds the tally of another group, or of another part of this one.
    pub fn add(&mut self, other: &GroupTally) {
        self.latency_real = match (self.latency_real.take(), &other.latency_real) {
            (None, None) => None,
            (mine, theirs) => {
                let mut sum = mine.unwrap_or_else(|| self.latency.clone());
                sum.add(theirs.as_ref().unwrap_or(&other.latency));
                Some(sum)
            }
        };
        // Groups without clients don't count; if neither has any, this is false.
        self.only_streams = (self.only_streams || self.clients == 0)
            && (other.only_streams || other.clients == 0)
            && self.clients + other.clients > 0;
        self.clients += other.clients;
        self.messages += other.messages;
        for way in [0, 1] {
            self.links[way].add(&other.links[way]);
            self.order[way].add(&other.order[way]);
            self.handed[way] += other.handed[way];
            self.read[way] += other.read[way];
        }
        self.jitter.add(&other.jitter);
        self.deliveries.add(&other.deliveries);
        self.missing_up += other.missing_up;
        self.detection.add(&other.detection);
        self.latency.add(&other.latency);
        self.answer_latency.add(&other.answer_latency);
        self.attack = sum(self.attack, other.attack, |[a, b], [c, d]| [a + c, b + d]);
        self.connections_broken =
            sum(self.connections_broken, other.connections_broken, |mine, theirs| mine + theirs);
        for (cause, count) in &other.refused {
            *self.refused.entry(cause.clone()).or_default() += count;
        }
        self.workloads.add(&other.workloads);
    }
}

impl GroupRows {
    /// The records of a group; evictions in any order.
    pub(crate) fn new(
        timeline: Vec<Second>,
        mut evictions: Vec<Eviction>,
        part: Option<PartDetail>,
    ) -> Self {
        sort(&mut evictions);
        GroupRows { timeline, evictions, part }
    }

    /// Adds the records of another part of the same group.
    pub fn add(&mut self, other: &GroupRows) {
        timeline::add(&mut self.timeline, &other.timeline);
        self.evictions.extend(&other.evictions);
        sort(&mut self.evictions);
        self.part = sum(self.part.take(), other.part.clone(), PartDetail::joined);
    }
}

fn sort(evictions: &mut [Eviction]) {
    evictions.sort_by_key(|eviction| (eviction.at, eviction.client));
}

/// The sum of two values, either of which may be missing.
fn sum<T>(mine: Option<T>, theirs: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => Some(add(mine, theirs)),
        (mine, theirs) => mine.or(theirs),
    }
}

impl PartDetail {
    /// Sorts changes and messages, which come in any order.
    pub(crate) fn new(members: Vec<(Time, i32)>, messages: Vec<MessageReach>) -> Self {
        PartDetail::default().joined(PartDetail { members, messages })
    }

    fn joined(mut self, other: PartDetail) -> PartDetail {
        self.members.extend(other.members);
        self.members.sort_by_key(|(at, change)| (*at, -change));
        self.messages.extend(other.messages);
        self.messages.sort_by_key(MessageReach::id);
        self.messages.dedup_by(|later, earlier| {
            let same = later.id() == earlier.id();
            if same {
                earlier.expected += later.expected;
                earlier.delivered += later.delivered;
                earlier.open |= later.open;
            }
            same
        });
        self
    }

    fn members_max(&self) -> u64 {
        let (mut members, mut most) = (0, 0);
        for (_, change) in &self.members {
            members += i64::from(*change);
            most = most.max(members);
        }
        most.unsigned_abs()
    }

    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        for message in self.messages.iter().filter(|message| !message.open) {
            shares.record(message.delivered, message.expected);
        }
        shares
    }
}

/// What figures depend on besides the counts of a run.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// When it ended: earlier than planned if it was interrupted.
    pub end: Time,
    /// The first moment of the measured window.
    pub from: Time,
    /// The first moment after it.
    pub to: Time,
    /// Whether the server's membership was seen from outside.
    pub foreign: bool,
    /// Whether the membership could be seen at all: a foreign server shows it by its broadcasts.
    pub membership_seen: bool,
    /// Whether answers to heartbeats can be told from other datagrams.
    pub answers_known: bool,
    /// Whether the server sends heartbeats to its members.
    pub server_beats: bool,
    /// The limit for the 99th percentile of the generator's lateness.
    pub lateness_limit: Span,
    /// One client in this many was observed for order, loss runs and jitter.
    pub observed_every: u32,
}

/// Everything that was counted in a run, or in a part of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTally {
    /// What figures depend on besides the counts.
    pub facts: RunFacts,
    /// The counts of each group.
    pub groups: Vec<GroupTally>,
    /// The records of each group; empty if only what figures need is kept.
    pub rows: Vec<GroupRows>,
    /// What the sockets did, by direction; `None` in the simulator, which has none.
    pub sockets: Option<[SocketTally; 2]>,
    /// How much later than planned the clients sent; `None` in the simulator.
    pub lateness: Option<Distribution>,
    /// The shares of receivers that messages reached; `None` if only part of the receivers is
    /// known.
    pub shares: Option<Shares>,
    /// The most members at a time, ghosts included; `None` if only part of them is known.
    pub members_max: Option<u64>,
    /// The busiest second of the window: datagrams that left the links towards the server.
    pub busiest_second: Option<u64>,
    /// The digest of all events: the sum of a hash of each.
    pub digest: u64,
    /// How many events there were.
    pub events: u64,
}

impl RunTally {
    /// Adds another part of the same run. `members_max` and `shares` don't follow from sums, and
    /// are known only if both parts have their [`PartDetail`].
    pub fn add(&mut self, other: &RunTally) {
        self.facts.end = self.facts.end.max(other.facts.end);
        self.facts.membership_seen &= other.facts.membership_seen;
        if self.groups.len() < other.groups.len() {
            self.groups.resize_with(other.groups.len(), GroupTally::default);
        }
        for (mine, theirs) in self.groups.iter_mut().zip(&other.groups) {
            mine.add(theirs);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.sockets, &other.sockets) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.add(theirs));
        }
        if let (Some(mine), Some(theirs)) = (&mut self.lateness, &other.lateness) {
            mine.add(theirs);
        }
        if self.rows.len() < other.rows.len() {
            self.rows.resize_with(other.rows.len(), GroupRows::default);
        }
        for (mine, theirs) in self.rows.iter_mut().zip(&other.rows) {
            mine.add(theirs);
        }
        let details = self.rows.iter().map(|rows| rows.part.clone());
        let details: Option<Vec<_>> = details.collect();
        let whole = details.and_then(|details| details.into_iter().reduce(PartDetail::joined));
        self.members_max = whole.as_ref().map(PartDetail::members_max);
        self.shares = whole.as_ref().map(PartDetail::shares);
        self.busiest_second = timeline::busiest(&self.timeline(), self.facts.from, self.facts.to);
        self.digest = self.digest.wrapping_add(other.digest);
        self.events += other.events;
    }

    /// All groups together.
    pub fn all_groups(&self) -> GroupTally {
        let mut groups = self.groups.iter();
        let mut sum = groups.next().cloned().unwrap_or_default();
        groups.for_each(|group| sum.add(group));
        sum
    }

    /// What happened in each second, of all groups together.
    pub fn timeline(&self) -> Vec<Second> {
        let mut sum = Vec::new();
        self.rows.iter().for_each(|rows| timeline::add(&mut sum, &rows.timeline));
        sum
    }

    /// Every eviction, by time and client.
    pub fn evictions(&self) -> Vec<Eviction> {
        let all = self.rows.iter().flat_map(|rows| &rows.evictions);
        let mut all: Vec<Eviction> = all.copied().collect();
        sort(&mut all);
        all
    }

    /// What the server refused, by cause, of all groups together.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        for (cause, count) in self.groups.iter().flat_map(|group| &group.refused) {
            *sum.entry(cause.clone()).or_default() += count;
        }
        sum
    }

    /// Datagrams that were to enter links, in both directions.
    pub fn datagrams(&self) -> u64 {
        self.groups.iter().flat_map(|group| &group.links).map(|links| links.offered).sum()
    }

    /// This tally without the records that grow with the length of the run: enough for every figure
    /// and for the ledger.
    pub fn without_rows(self) -> Self {
        RunTally { rows: Vec::new(), ..self }
    }

    /// Datagrams handed to the sending socket for a group. For the `whole` run they include those
    /// for addresses that belong to no group. In the simulator: what left the links up, or what the
    /// server sent.
    pub(crate) fn handed(&self, group: &GroupTally, whole: bool, direction: Direction) -> u64 {
        let way = direction as usize;
        match (self.sockets, direction) {
            (Some(sockets), _) if whole => group.handed[way] + sockets[way].handed_of_no_group,
            (Some(_), _) => group.handed[way],
            (None, Direction::Up) => group.links[way].arrived,
            (None, Direction::Down) => group.links[way].offered,
        }
    }

    /// Datagrams read from the receiving socket, where that is known.
    pub(crate) fn read(&self, group: &GroupTally, direction: Direction) -> Option<u64> {
        let way = direction as usize;
        match (self.sockets, direction) {
            (Some(sockets), _) => sockets[way].read_is_known.then_some(group.read[way]),
            (None, Direction::Up) => Some(group.links[way].arrived),
            (None, Direction::Down) => Some(group.links[way].offered),
        }
    }

    /// What became of messages for a group. Messages that are missing without a cause are blamed on
    /// the sockets if the sockets' own counters cover all of them. Otherwise they are unexplained;
    /// on the way to a foreign server they are blamed on the server.
    pub(crate) fn settled(&self, group: usize) -> DeliveryTally {
        let lost = |way: usize| match self.sockets {
            Some(sockets) => sockets[way].dropped.unwrap_or(0) + sockets[way].not_sent,
            None => 0,
        };
        let missing_up: u64 = self.groups.iter().map(|group| group.missing_up).sum();
        let missing_down: u64 = self.groups.iter().map(|group| group.deliveries.kernel_down).sum();
        let mut tally = self.groups[group].deliveries;
        if missing_up > lost(Direction::Up as usize) {
            let missing = std::mem::take(&mut tally.kernel_up);
            let foreign = self.facts.foreign;
            *(if foreign { &mut tally.target } else { &mut tally.unexplained }) += missing;
        }
        if missing_down > lost(Direction::Down as usize) {
            tally.unexplained += std::mem::take(&mut tally.kernel_down);
        }
        tally
    }

    /// What became of messages, for all groups together.
    pub(crate) fn settled_in_all(&self) -> DeliveryTally {
        let mut sum = DeliveryTally::default();
        (0..self.groups.len()).for_each(|group| sum.add(&self.settled(group)));
        sum
    }
}
