//! The reader of the event stream that keeps everything: it hands each event to those who count,
//! and makes the results when the run is over.

use std::collections::BTreeMap;

use skipbeat_core::{ClientId, Direction, MessageId, Roster, Span, Time};
use skipbeat_link::Verdict;
use skipbeat_workload::GroupBooks;

use crate::deliveries::{Deliveries, Delivery};
use crate::detection::Detection;
use crate::digest::Digest;
use crate::figures::Basis;
use crate::ledger::{datagram_rows, delivery_rows};
use crate::path::{Jitters, Paths};
use crate::results::doubts;
use crate::timeline::Timeline;
use crate::{
    Carriage, DatagramTally, DeliveryTally, Distribution, Event, Figures, LedgerRow, MessageSlot,
    PathTally, Results, RunContext, Second, Shares, observers_every,
};

/// The part of a run that is measured: from the end of the warm-up to the beginning of the drain.
/// What is measured belongs to it by its *planned* time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first moment that counts.
    pub from: Time,
    /// The first moment that does not count any more.
    pub to: Time,
    /// The longest that the eviction of a crashed client takes; crashes closer to the end of the
    /// run are left out of the detection time, since only the fast ones among them would be seen.
    pub detection: Span,
}

impl Window {
    /// Whether a moment counts.
    pub fn contains(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

/// What a group is, to those who count.
#[derive(Clone, Debug)]
pub struct GroupKind {
    /// Whether its clients are hostile.
    pub hostile: bool,
    /// Whether they are to be members.
    pub member: bool,
    /// Whether they talk over streams.
    pub stream: bool,
    /// The books of what they do.
    pub books: Option<GroupBooks>,
}

/// The links of one direction, by group.
pub(crate) struct Way {
    pub(crate) datagrams: Vec<DatagramTally>,
    pub(crate) path_tallies: Vec<PathTally>,
    pub(crate) paths: Paths,
}

impl Way {
    fn new(roster: &Roster) -> Self {
        Way {
            datagrams: vec![DatagramTally::default(); roster.groups()],
            path_tallies: vec![PathTally::default(); roster.groups()],
            paths: Paths::new(roster.clients()),
        }
    }
}

/// Everything that is counted while a run goes on.
pub struct Recorder {
    pub(crate) roster: Roster,
    pub(crate) window: Window,
    pub(crate) ways: [Way; 2],
    pub(crate) deliveries: Deliveries,
    /// What the workload of each group counts beside that.
    pub(crate) workloads: Vec<Option<GroupBooks>>,
    detection: Detection,
    /// Connections of living clients that ended by themselves, by group.
    pub(crate) disconnected: Vec<u64>,
    pub(crate) latency: Vec<Distribution>,
    /// Heartbeat → its answer, by group.
    answers: Vec<Distribution>,
    /// Nothing as long as every message left at its planned time: then it is `latency`.
    pub(crate) latency_real: Option<Vec<Distribution>>,
    pub(crate) jitters: Jitters,
    pub(crate) timeline: Timeline,
    /// Members of any kind, now and at the most.
    members: u64,
    members_max: u64,
    /// Which groups are hostile.
    hostile: Vec<bool>,
    /// Which groups are of clients that are to be members.
    member: Vec<bool>,
    /// Which groups talk over streams.
    stream: Vec<bool>,
    refusals: BTreeMap<&'static str, u64>,
    /// Until when something was told ahead of time.
    pub(crate) told_until: Time,
    pub(crate) flying_down: Vec<(MessageSlot, ClientId)>,
    pub(crate) digest: Digest,
}

impl Recorder {
    /// A recorder that has seen nothing of these groups.
    pub fn new(roster: Roster, window: Window, kinds: Vec<GroupKind>) -> Self {
        let groups = roster.groups();
        let clients = roster.clients();
        Recorder {
            ways: [Way::new(&roster), Way::new(&roster)],
            deliveries: Deliveries::new(&roster),
            hostile: kinds.iter().map(|kind| kind.hostile).collect(),
            stream: kinds.iter().map(|kind| kind.stream).collect(),
            member: kinds.iter().map(|kind| kind.member).collect(),
            workloads: kinds.into_iter().map(|kind| kind.books).collect(),
            detection: Detection::new(&roster, window),
            disconnected: vec![0; groups],
            latency: vec![Distribution::default(); groups],
            answers: vec![Distribution::default(); groups],
            latency_real: None,
            jitters: Jitters::new(clients),
            timeline: Timeline::default(),
            members: 0,
            members_max: 0,
            refusals: BTreeMap::new(),
            told_until: Time::ZERO,
            flying_down: Vec::new(),
            digest: Digest::default(),
            roster,
            window,
        }
    }

    /// The latest arrival that is in the books ahead of its time.
    pub fn told_until(&self) -> Time {
        self.told_until
    }

    /// Keeps every event for [`Results::log`]: for runs that are short.
    pub fn keep_log(&mut self) {
        self.digest.log = Some(Vec::new());
    }

    /// Something of this client is about to arrive at the server.
    #[inline]
    pub fn expect(&self, soon: ClientId) {
        self.ways[Direction::Up as usize].paths.expect(soon);
    }

    /// The place of a message that is accounted for and under way.
    pub fn find(&self, message: MessageId) -> Option<MessageSlot> {
        self.deliveries.find(message)
    }

    /// Takes note of an event. The two that make up nearly all of a run are dealt with where they
    /// happen.
    #[inline(always)]
    pub fn record(&mut self, at: Time, event: Event<'_>) {
        match event {
            Event::Offered { direction, client, bytes, verdict, mangled, message } => {
                self.digest.add(at, &event);
                if mangled > 0 {
                    self.links_of(direction, client).mangled += u64::from(mangled);
                }
                // Those of them that still carry it.
                let copies =
                    u32::from(verdict.arrival.is_ok()) + u32::from(verdict.copy().is_some());
                let message = message.map(|slot| (slot, copies.saturating_sub(mangled)));
                self.offer(at, direction, client, bytes, &verdict, message);
            }
            Event::Arrived { .. } => {
                self.digest.add(at, &event);
                self.arrive(at, &event);
            }
            event => self.record_other(at, event),
        }
    }

    /// Takes note of anything but the passage of a datagram.
    #[inline(never)]
    fn record_other(&mut self, at: Time, event: Event<'_>) {
        self.digest.add(at, &event);
        match event {
            Event::Chat { message, up } => self.due(at, message, Some(up)),
            Event::Request { message } => self.due(at, message, None),
            Event::Taken { message: Some(slot), .. } => self.served(at, slot, None),
            Event::Served { message: Some(slot), datagrams, .. } => {
                self.served(at, slot, Some(datagrams));
            }
            Event::Taken { message: None, .. } | Event::Served { message: None, .. } => {}
            Event::Written { .. }
            | Event::Read { .. }
            | Event::Severed { .. }
            | Event::Disconnected { .. }
            | Event::InStream { .. } => self.record_stream(at, event),
            Event::Broadcast { message: Some(slot), members, datagrams, complete } => {
                let pending = if complete { None } else { Some(datagrams) };
                self.deliveries.broadcast(slot, members, pending, &self.roster);
            }
            Event::Broadcast { message: None, .. } => {}
            Event::InFlight { direction, client, message } => {
                self.links_of(direction, client).in_flight += 1;
                match (direction, message) {
                    (Direction::Up, Some(slot)) => self.deliveries.in_flight_up(slot),
                    (Direction::Down, Some(slot)) => self.flying_down.push((slot, client)),
                    (_, None) => {}
                }
            }
            Event::Refused { cause, message, .. } => {
                *self.refusals.entry(cause).or_default() += 1;
                if let Some(slot) = message {
                    self.deliveries.refused(slot, &self.roster);
                }
            }
            Event::Misaddressed { client, bytes, message } => {
                self.misaddress(at, client, bytes, message);
            }
            Event::Held { .. }
            | Event::Retransmitted { .. }
            | Event::Settled { .. }
            | Event::Repeated { .. } => self.record_ack(at, event),
            Event::Life { .. }
            | Event::Joined { .. }
            | Event::Quit { .. }
            | Event::ServerCrashed
            | Event::ServerSuspected { .. }
            | Event::Rebound { .. }
            | Event::Moved { .. }
            | Event::GhostJoined { .. }
            | Event::GhostGone { .. }
            | Event::Evicted { .. } => self.record_membership(at, event),
            Event::Answered { client, after } => {
                if self.window.contains(at) {
                    self.answers[self.roster.group_of(client)].record(after);
                }
            }
            Event::Offered { .. } | Event::Arrived { .. } => {
                unreachable!("dealt with where they happen")
            }
        }
        self.tell_what_is_over();
    }

    #[inline(always)]
    pub(crate) fn offer(
        &mut self,
        at: Time,
        direction: Direction,
        client: ClientId,
        bytes: usize,
        verdict: &Verdict,
        message: Option<(MessageSlot, u32)>,
    ) {
        let group = self.roster.group_of(client);
        let way = &mut self.ways[direction as usize];
        way.datagrams[group].offer(at, self.window.contains(at), bytes, verdict);
        way.paths.offer(client, verdict.arrival.is_err(), &mut way.path_tallies[group]);
        let second = self.timeline.at(at);
        if let Err(cause) = verdict.arrival {
            second.lost[cause as usize] += 1;
        }
        match direction {
            Direction::Up => {
                second.up_sent += 1;
                second.up_bytes += bytes as u64;
                if let Some((slot, copies)) = message {
                    self.offered_up(slot, copies);
                }
            }
            Direction::Down => {
                second.down_sent += 1;
                second.down_bytes += bytes as u64;
                if let Some((slot, copies)) = message {
                    self.deliveries.offered_down(slot, client, copies, &self.roster);
                }
            }
        }
    }

    #[inline(always)]
    fn arrive(&mut self, at: Time, event: &Event<'_>) {
        let Event::Arrived { direction, client, index, copy, late, message } = *event else {
            return;
        };
        let group = self.roster.group_of(client);
        let way = &mut self.ways[direction as usize];
        way.datagrams[group].arrived += 1;
        if !copy {
            way.paths.arrive(client, index, &mut way.path_tallies[group]);
        }
        match direction {
            Direction::Up => {
                self.timeline.at(at).up_received += 1;
                if let Some(slot) = message.filter(|_| !copy) {
                    if !late.is_zero() {
                        self.latency_real.get_or_insert_with(|| self.latency.clone());
                    }
                    self.deliveries.left_late(slot, late);
                }
            }
            Direction::Down => {
                self.timeline.at(at).down_received += 1;
                if let Some(slot) = message {
                    self.deliver(at, slot, client, group);
                }
            }
        }
    }

    fn misaddress(
        &mut self,
        at: Time,
        client: ClientId,
        bytes: usize,
        message: Option<MessageSlot>,
    ) {
        let within = self.window.contains(at);
        let links = self.links_of(Direction::Down, client);
        links.offered += 1;
        links.offered_in_window += u64::from(within);
        links.bytes += bytes as u64;
        links.bytes_in_window += if within { bytes as u64 } else { 0 };
        links.misaddressed += 1;
        let second = self.timeline.at(at);
        second.down_sent += 1;
        second.down_bytes += bytes as u64;
        if let Some(slot) = message {
            self.deliveries.offered_down(slot, client, 0, &self.roster);
        }
    }

    fn record_ack(&mut self, at: Time, event: Event<'_>) {
        match event {
            Event::Held { message: Some(slot) } => self.deliveries.held(slot),
            Event::Retransmitted { direction, client } => {
                self.links_of(direction, client).retransmitted += 1;
            }
            Event::Settled { direction, client, acked, message } => {
                let links = self.links_of(direction, client);
                *(if acked { &mut links.acked } else { &mut links.given_up }) += 1;
                if let Some(slot) = message {
                    if let (Direction::Up, Some((id, planned))) =
                        (direction, self.deliveries.of(slot))
                        && let Some(books) = self.books_of(id.sender)
                    {
                        books.settled(at, planned, id, acked);
                    }
                    self.deliveries.settled(slot, &self.roster);
                }
            }
            Event::Repeated { message: Some(slot), .. } => {
                self.deliveries.repeated(slot, &self.roster);
            }
            _ => {}
        }
    }

    fn links_of(&mut self, direction: Direction, client: ClientId) -> &mut DatagramTally {
        &mut self.ways[direction as usize].datagrams[self.roster.group_of(client)]
    }

    fn record_membership(&mut self, at: Time, event: Event<'_>) {
        match event {
            Event::Life { client, life } => {
                self.workloads.iter_mut().flatten().for_each(|books| books.life(at, client, life));
                let group = self.roster.group_of(client);
                if self.member[group] {
                    self.detection.life(at, client, group, life);
                } else {
                    self.detection.life_of_outsider(at, group, life);
                }
            }
            Event::Joined { client } => {
                self.detection.joined(at, client, self.roster.group_of(client));
                self.member_joined(at);
            }
            Event::Quit { client } => {
                self.detection.quit(at, client, self.roster.group_of(client));
                self.member_gone(at);
            }
            Event::Rebound { client, left } => {
                self.detection.rebound(at, client, self.roster.group_of(client), left);
            }
            Event::Moved { client, left, to, current } => {
                let group = self.roster.group_of(client);
                self.detection.moved(at, client, group, [left, to], current);
            }
            Event::GhostJoined { client, endpoint } => {
                self.detection.ghost_joined(at, endpoint, self.roster.group_of(client));
                self.member_joined(at);
            }
            Event::GhostGone { client, endpoint, silence } => {
                let group = self.roster.group_of(client);
                self.detection.ghost_gone(at, client, group, endpoint, silence);
                self.member_gone(at);
                self.timeline.at(at).evictions += u64::from(silence.is_some());
            }
            Event::Evicted { client, silence, uncertainty } => {
                let group = self.roster.group_of(client);
                let mistake = self.detection.evicted(at, client, group, silence, uncertainty);
                self.member_gone(at);
                let second = self.timeline.at(at);
                second.evictions += 1;
                second.false_evictions += u64::from(mistake);
            }
            Event::ServerCrashed => self.detection.server_crashed(at),
            Event::ServerSuspected { client } => {
                self.detection.server_suspected(at, self.roster.group_of(client));
            }
            _ => unreachable!("other events have no say in membership"),
        }
    }

    fn member_joined(&mut self, at: Time) {
        self.timeline.at(at).members += 1;
        self.members += 1;
        self.members_max = self.members_max.max(self.members);
    }

    fn member_gone(&mut self, at: Time) {
        self.timeline.at(at).members -= 1;
        self.members = self.members.saturating_sub(1);
    }

    #[inline]
    fn deliver(&mut self, at: Time, slot: MessageSlot, client: ClientId, group: usize) {
        let id = self.deliveries.of(slot).map(|(id, _)| id);
        let delivery = self.deliveries.arrived(slot, client, &self.roster);
        if let Delivery::First { planned, .. } = delivery {
            self.jitters.arrive(client, at.since(planned));
        }
        self.reached(at, id, client, group, delivery);
        self.tell_what_is_over();
    }

    /// The run is over.
    pub fn finish(mut self, context: RunContext) -> Results {
        for Way { paths, path_tallies, .. } in &mut self.ways {
            paths.finish(&self.roster, path_tallies, &mut self.jitters);
        }
        self.deliveries.finish(&self.flying_down, &self.roster);
        self.tell_what_is_over();
        self.detection.finish(context.end, &self.roster);
        let [up, down] = context.carriage.clone().unwrap_or_else(|| self.frictionless());
        self.settle_kernel(&up, &down, context.foreign);
        let carriage = [&up, &down];

        let groups: Vec<usize> = (0..self.roster.groups()).collect();
        let mut ledger = Vec::new();
        for group in std::iter::once(None).chain(groups.iter().copied().map(Some)) {
            let of = group.map_or(&groups[..], |g| &groups[g..=g]);
            for direction in Direction::BOTH {
                let links = self.link_tally(direction, of);
                let whole = group.is_none().then_some(carriage[direction as usize]);
                ledger.extend(datagram_rows(direction, group, &links, whole));
            }
            ledger.extend(delivery_rows(group, &self.delivery_tally(of)));
        }
        let unexplained = total_unexplained(&ledger);
        let doubts = doubts(unexplained, carriage, &context);
        let detection = &self.detection;
        let figures = self.figures(&groups, Some(unexplained), detection, carriage, &context);
        let of_group = |g: &usize| self.figures(&[*g], None, detection, carriage, &context);
        let by_group = groups.iter().map(of_group).collect();
        let detection = detection.tally(&groups);
        let mut evictions = std::mem::take(&mut self.detection.evictions);
        evictions.sort_by_key(|eviction| (eviction.at, eviction.client));
        let latency_real = self.latency_real.as_ref().unwrap_or(&self.latency);
        let [ways_up, ways_down] = self.ways;
        Results {
            figures,
            groups: by_group,
            timeline: self.timeline.finish(context.end),
            evictions,
            ledger,
            links: [ways_up.datagrams, ways_down.datagrams],
            paths: [ways_up.path_tallies, ways_down.path_tallies],
            latency: sum(&self.latency, &groups),
            latency_real: sum(latency_real, &groups),
            eviction_latency: detection.latency,
            mistake_duration: detection.mistake_durations,
            lateness: context.lateness,
            refusals: self.refusals,
            doubts,
            observed_every: observers_every(self.roster.clients()),
            digest: self.digest.sum,
            events: self.digest.events,
            log: self.digest.log.unwrap_or_default(),
            end: context.end,
        }
    }

    /// In the simulator what leaves a link is at the server, and what the server sends is on one.
    fn frictionless(&self) -> [Carriage; 2] {
        let carry = |count: fn(&DatagramTally) -> u64, way: &Way| {
            let counts: Vec<u64> = way.datagrams.iter().map(count).collect();
            Carriage { entered: counts.clone(), not_sent: 0, dropped: Some(0), left: Some(counts) }
        };
        let [up, down] = &self.ways;
        [carry(|tally| tally.arrived, up), carry(|tally| tally.offered, down)]
    }

    /// What is missing without a cause belongs to the sockets as far as their own counters say
    /// so; the rest is unexplained, or the target's where that is not ours.
    fn settle_kernel(&mut self, up: &Carriage, down: &Carriage, foreign: bool) {
        let up_explained = self.deliveries.missing_up <= up.dropped.unwrap_or(0) + up.not_sent;
        let missing_down: u64 = self.deliveries.tallies.iter().map(|t| t.kernel_down).sum();
        let down_explained = missing_down <= down.dropped.unwrap_or(0) + down.not_sent;
        for tally in &mut self.deliveries.tallies {
            if !up_explained {
                let missing = std::mem::take(&mut tally.kernel_up);
                *(if foreign { &mut tally.target } else { &mut tally.unexplained }) += missing;
            }
            if !down_explained {
                tally.unexplained += std::mem::take(&mut tally.kernel_down);
            }
        }
    }

    fn link_tally(&self, direction: Direction, groups: &[usize]) -> DatagramTally {
        let mut tally = DatagramTally::default();
        groups.iter().for_each(|g| tally.add(&self.ways[direction as usize].datagrams[*g]));
        tally
    }

    fn path_tally(&self, direction: Direction, groups: &[usize]) -> PathTally {
        let mut tally = PathTally::default();
        groups.iter().for_each(|g| tally.add(&self.ways[direction as usize].path_tallies[*g]));
        tally
    }

    fn delivery_tally(&self, groups: &[usize]) -> DeliveryTally {
        let mut tally = DeliveryTally::default();
        groups.iter().for_each(|g| tally.add(&self.deliveries.tallies[*g]));
        tally
    }

    /// The figures of the whole run and of each group, as if it ended now, but without what is still
    /// open of messages.
    pub(crate) fn figures_so_far(&self, context: &RunContext) -> (Figures, Vec<Figures>) {
        let mut detection = self.detection.clone();
        detection.finish(context.end, &self.roster);
        let [up, down] = context.carriage.clone().unwrap_or_else(|| self.frictionless());
        let groups: Vec<usize> = (0..self.roster.groups()).collect();
        let of = |groups: &[usize], unexplained| {
            self.figures(groups, unexplained, &detection, [&up, &down], context)
        };
        (of(&groups, Some(0)), groups.iter().map(|g| of(&[*g], None)).collect())
    }

    /// Members now, of any kind.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// What happened in the last second that was over before a moment.
    pub(crate) fn second_before(&self, now: Time) -> Option<Second> {
        self.timeline.before(now)
    }

    /// Bytes that the hostile ones of these groups sent, and that were sent to them and to the
    /// addresses that they forged.
    fn attack(&self, groups: &[usize]) -> Option<[u64; 2]> {
        let hostile: Vec<usize> = groups.iter().copied().filter(|g| self.hostile[*g]).collect();
        let bytes = |direction| self.link_tally(direction, &hostile).bytes;
        (!hostile.is_empty()).then(|| Direction::BOTH.map(bytes))
    }

    fn figures(
        &self,
        groups: &[usize],
        unexplained: Option<i64>,
        detection: &Detection,
        [up, down]: [&Carriage; 2],
        context: &RunContext,
    ) -> Figures {
        let whole = unexplained.is_some();
        let range = |g: &usize| self.roster.range(*g);
        let first = groups.iter().map(range).map(|r| r.start).min().unwrap_or(0);
        let last = groups.iter().map(range).map(|r| r.end).max().unwrap_or(0);
        let shares: &Shares = &self.deliveries.shares;
        let workloads = groups.iter().filter_map(|g| self.workloads[*g].as_ref());
        Figures::compute(&Basis {
            clients: last - first,
            chat_sent: groups.iter().map(|g| self.deliveries.sent[*g]).sum(),
            deliveries: &self.delivery_tally(groups),
            shares: whole.then_some(shares),
            detection: &detection.tally(groups),
            up: &self.link_tally(Direction::Up, groups),
            down: &self.link_tally(Direction::Down, groups),
            attack: self.attack(groups),
            members_max: whole.then_some(self.members_max),
            rx_peak: self.timeline.busiest(self.window.from, self.window.to).filter(|_| whole),
            up_path: &self.path_tally(Direction::Up, groups),
            down_path: &self.path_tally(Direction::Down, groups),
            latency: &sum(&self.latency, groups),
            answers: &sum(&self.answers, groups),
            answers_known: context.answers_known,
            latency_real: &sum(self.latency_real.as_ref().unwrap_or(&self.latency), groups),
            jitter: self.jitters.mean(first..last),
            up_received: (up.left.as_ref()).map(|left| groups.iter().map(|g| left[*g]).sum()),
            // Of all groups together, what has no group counts too.
            down_sent: match unexplained {
                Some(_) => down.entered.iter().sum(),
                None => groups.iter().map(|g| down.entered[*g]).sum(),
            },
            datagrams_seen: context.carriage.is_none() || !groups.iter().all(|g| self.stream[*g]),
            connections_broken: (groups.iter().any(|g| self.stream[*g]))
                .then(|| groups.iter().map(|g| self.disconnected[*g]).sum()),
            unexplained,
            membership_seen: context.membership_seen,
            membership_told: !context.foreign,
            server_beats: context.server_beats,
            workloads: skipbeat_workload::figures(workloads, context.end),
            run_s: context.end.seconds(),
            window_s: self.window.to.min(context.end).since(self.window.from).seconds(),
        })
    }
}

fn sum(distributions: &[Distribution], groups: &[usize]) -> Distribution {
    let mut sum = Distribution::default();
    groups.iter().for_each(|g| sum.add(&distributions[*g]));
    sum
}

fn total_unexplained(ledger: &[LedgerRow]) -> i64 {
    let whole = ledger.iter().filter(|row| row.group.is_none() && row.term == "out:unexplained");
    whole.map(|row| row.count.abs()).sum()
}
