//! The recorder reads all events of a run. It passes each to the parts that count, and makes the
//! results when the run is over.

use std::collections::BTreeMap;

use skipbeat_core::{ClientId, Direction, Distribution, MessageId, Roster, Time};
use skipbeat_link::Verdict;
use skipbeat_workload::{GroupBooks, WorkloadTallies};

use crate::deliveries::{Deliveries, Delivery};
use crate::detection::Detection;
use crate::digest::Digest;
use crate::path::{Jitters, Paths};
use crate::tally::{GroupRows, GroupTally, PartDetail, RunFacts, RunTally};
use crate::timeline::{self, Timeline};
use crate::{
    Columns, DatagramTally, Event, MessageSlot, PathTally, Results, RunContext, Second,
    SocketCounts, SocketTally, Window, observers_every,
};

/// What the recorder has to know about a group.
#[derive(Clone, Debug)]
pub struct GroupKind {
    /// Whether its clients are hostile.
    pub hostile: bool,
    /// Whether its clients should be members.
    pub member: bool,
    /// Whether its clients talk over streams.
    pub stream: bool,
    /// The books of its workload, if it has any.
    pub books: Option<GroupBooks>,
}

/// The links of one direction, by group.
pub(crate) struct LinkBooks {
    pub(crate) datagrams: Vec<DatagramTally>,
    pub(crate) path_tallies: Vec<PathTally>,
    pub(crate) paths: Paths,
}

impl LinkBooks {
    fn new(roster: &Roster) -> Self {
        LinkBooks {
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
    pub(crate) ways: [LinkBooks; 2],
    pub(crate) deliveries: Deliveries,
    /// The books of each group's workload.
    pub(crate) workloads: Vec<Option<GroupBooks>>,
    detection: Detection,
    /// Connections of living clients that ended by themselves, by group.
    pub(crate) disconnected: Vec<u64>,
    pub(crate) latency: Vec<Distribution>,
    /// The times from a heartbeat to its answer, by group.
    answers: Vec<Distribution>,
    /// `None` as long as every message left at its planned time: then it equals `latency`.
    pub(crate) latency_real: Option<Vec<Distribution>>,
    pub(crate) jitters: Jitters,
    /// By group.
    pub(crate) timelines: Vec<Timeline>,
    /// The number of members, ghosts included: now, and the most so far.
    members: u64,
    members_max: u64,
    /// Changes of the number of members, by group; `None` unless the run is a part of one.
    member_changes: Option<Vec<Vec<(Time, i32)>>>,
    /// Which groups are hostile.
    hostile: Vec<bool>,
    /// Which groups have clients that should be members.
    member: Vec<bool>,
    /// Which groups talk over streams.
    stream: Vec<bool>,
    /// By group.
    refusals: Vec<BTreeMap<&'static str, u64>>,
    /// The latest arrival that was recorded ahead of time.
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
            ways: [LinkBooks::new(&roster), LinkBooks::new(&roster)],
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
            timelines: (0..groups).map(|_| Timeline::default()).collect(),
            members: 0,
            members_max: 0,
            member_changes: None,
            refusals: vec![BTreeMap::new(); groups],
            told_until: Time::ZERO,
            flying_down: Vec::new(),
            digest: Digest::default(),
            roster,
            window,
        }
    }

    /// The latest arrival that was recorded ahead of time.
    pub fn told_until(&self) -> Time {
        self.told_until
    }

    /// Keeps every event for [`Results::log`]; only for short runs.
    pub fn keep_log(&mut self) {
        self.digest.log = Some(Vec::new());
    }

    /// Keeps what is needed to add this run to other parts of the same run: see
    /// [`PartDetail`](crate::PartDetail). The memory for it grows with the number of messages and
    /// of joins.
    pub fn keep_parts(&mut self) {
        let groups = self.roster.groups();
        self.member_changes = Some(vec![Vec::new(); groups]);
        self.deliveries.reach = Some(vec![Vec::new(); groups]);
    }

    /// Prefetches the state of a client from which something is about to arrive at the server.
    #[inline]
    pub fn expect(&self, soon: ClientId) {
        self.ways[Direction::Up as usize].paths.expect(soon);
    }

    /// The place of a message that is accounted for and under way.
    pub fn find(&self, message: MessageId) -> Option<MessageSlot> {
        self.deliveries.find(message)
    }

    /// Records an event. The two kinds that make up nearly all of a run are handled inline.
    #[inline(always)]
    pub fn record(&mut self, at: Time, event: Event<'_>) {
        match event {
            Event::Offered { direction, client, bytes, verdict, mangled, message } => {
                self.digest.add(at, &event);
                if mangled > 0 {
                    self.links_of(direction, client).mangled += u64::from(mangled);
                }
                // Mangled copies don't carry the message any more.
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

    /// Records any event but a datagram that enters or leaves a link.
    #[inline(never)]
    fn record_other(&mut self, at: Time, event: Event<'_>) {
        self.digest.add(at, &event);
        match event {
            Event::Chat { message, audience } => self.due(at, message, Some(audience)),
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
            Event::Refused { client, cause, message } => {
                let group = self.roster.group_of(client);
                *self.refusals[group].entry(cause).or_default() += 1;
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
        let second = self.timelines[group].at(at);
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
                self.timelines[group].at(at).up_received += 1;
                if let Some(slot) = message.filter(|_| !copy) {
                    if !late.is_zero() {
                        self.latency_real.get_or_insert_with(|| self.latency.clone());
                    }
                    self.deliveries.left_late(slot, late);
                }
            }
            Direction::Down => {
                self.timelines[group].at(at).down_received += 1;
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
        let second = self.timelines[self.roster.group_of(client)].at(at);
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
                let group = self.roster.group_of(client);
                self.detection.joined(at, client, group);
                self.member_joined(at, group);
            }
            Event::Quit { client } => {
                let group = self.roster.group_of(client);
                self.detection.quit(at, client, group);
                self.member_gone(at, group);
            }
            Event::Rebound { client, left } => {
                self.detection.rebound(at, client, self.roster.group_of(client), left);
            }
            Event::Moved { client, left, to, current } => {
                let group = self.roster.group_of(client);
                self.detection.moved(at, client, group, [left, to], current);
            }
            Event::GhostJoined { client, endpoint } => {
                let group = self.roster.group_of(client);
                self.detection.ghost_joined(at, endpoint, group);
                self.member_joined(at, group);
            }
            Event::GhostGone { client, endpoint, silence } => {
                let group = self.roster.group_of(client);
                self.detection.ghost_gone(at, client, group, endpoint, silence);
                self.member_gone(at, group);
                self.timelines[group].at(at).evictions += u64::from(silence.is_some());
            }
            Event::Evicted { client, silence, uncertainty } => {
                let group = self.roster.group_of(client);
                let mistake = self.detection.evicted(at, client, group, silence, uncertainty);
                self.member_gone(at, group);
                let second = self.timelines[group].at(at);
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

    fn member_joined(&mut self, at: Time, group: usize) {
        self.timelines[group].at(at).members += 1;
        self.members += 1;
        self.members_max = self.members_max.max(self.members);
        if let Some(changes) = &mut self.member_changes {
            changes[group].push((at, 1));
        }
    }

    fn member_gone(&mut self, at: Time, group: usize) {
        self.timelines[group].at(at).members -= 1;
        self.members = self.members.saturating_sub(1);
        if let Some(changes) = &mut self.member_changes {
            changes[group].push((at, -1));
        }
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

    /// Ends the run; returns its results, with figures for these columns.
    pub fn finish(mut self, context: RunContext, columns: &Columns) -> Results {
        for LinkBooks { paths, path_tallies, .. } in &mut self.ways {
            paths.finish(&self.roster, path_tallies, &mut self.jitters);
        }
        self.deliveries.finish(&self.flying_down, &self.roster);
        self.tell_what_is_over();
        self.detection.finish(context.end, &self.roster);
        let mut tally = self.tally(&context, &self.detection);
        tally.rows = self.rows(context.end);
        tally.lateness = context.lateness;
        Results { log: self.digest.log.unwrap_or_default(), ..Results::of(tally, columns) }
    }

    /// The tally as if the run ended now, but without messages that are still under way.
    pub(crate) fn tally_so_far(&self, context: &RunContext) -> RunTally {
        let mut detection = self.detection.clone();
        detection.finish(context.end, &self.roster);
        self.tally(context, &detection)
    }

    fn tally(&self, context: &RunContext, detection: &Detection) -> RunTally {
        let RunContext { end, foreign, membership_seen, answers_known, server_beats, .. } =
            *context;
        let Window { from, to, .. } = self.window;
        let sockets = context.sockets.as_ref();
        let groups = 0..self.roster.groups();
        let seconds = self.timelines.iter().fold(Vec::new(), |mut sum, timeline| {
            timeline::add(&mut sum, &timeline.until(end));
            sum
        });
        RunTally {
            facts: RunFacts {
                end,
                from,
                to,
                foreign,
                membership_seen,
                answers_known,
                server_beats,
                lateness_limit: context.lateness_limit,
                observed_every: observers_every(self.roster.clients()),
            },
            groups: groups.map(|g| self.group(g, context, detection)).collect(),
            rows: Vec::new(),
            sockets: sockets.map(|sockets| {
                sockets.each_ref().map(|way| SocketTally {
                    handed_of_no_group: way.handed_of_no_group,
                    not_sent: way.not_sent,
                    dropped: way.dropped,
                    read_is_known: way.read.is_some(),
                })
            }),
            lateness: None,
            shares: Some(self.deliveries.shares),
            members_max: Some(self.members_max),
            busiest_second: timeline::busiest(&seconds, from, to),
            digest: self.digest.sum,
            events: self.digest.events,
        }
    }

    fn group(&self, g: usize, context: &RunContext, detection: &Detection) -> GroupTally {
        let [up, down] = &self.ways;
        let of_sockets = |counts: fn(&SocketCounts) -> Option<&Vec<u64>>| {
            let count = |way: &SocketCounts| counts(way).map_or(0, |counts| counts[g]);
            context.sockets.as_ref().map_or([0, 0], |sockets| sockets.each_ref().map(count))
        };
        let links = [up.datagrams[g], down.datagrams[g]];
        let range = self.roster.range(g);
        let refused = self.refusals[g].iter().map(|(cause, count)| (cause.to_string(), *count));
        let workload = self.workloads[g].as_ref();
        GroupTally {
            clients: range.len() as u32,
            messages: self.deliveries.sent[g],
            attack: self.hostile[g].then_some(links.map(|links| links.bytes)),
            links,
            order: [up.path_tallies[g], down.path_tallies[g]],
            jitter: self.jitters.average(range),
            handed: of_sockets(|way| Some(&way.handed)),
            read: of_sockets(|way| way.read.as_ref()),
            deliveries: self.deliveries.tallies[g],
            missing_up: self.deliveries.missing_up[g],
            detection: detection.tallies[g].clone(),
            latency: self.latency[g].clone(),
            latency_real: self.latency_real.as_ref().map(|by_group| by_group[g].clone()),
            answer_latency: self.answers[g].clone(),
            connections_broken: self.stream[g].then_some(self.disconnected[g]),
            only_streams: self.stream[g],
            refused: refused.collect(),
            workloads: workload
                .map(|books| WorkloadTallies::of(books, context.end))
                .unwrap_or_default(),
        }
    }

    /// The records that grow with the length of the run, by group.
    fn rows(&mut self, end: Time) -> Vec<GroupRows> {
        let reach = self.deliveries.reach.take();
        let parts = self.member_changes.take().zip(reach).map(|(members, reach)| {
            let parts = members.into_iter().zip(reach);
            parts.map(|(members, messages)| PartDetail::new(members, messages)).collect::<Vec<_>>()
        });
        let mut parts = parts.into_iter().flatten();
        let evictions = std::mem::take(&mut self.detection.evictions);
        let rows = self.timelines.iter().zip(evictions);
        rows.map(|(timeline, evictions)| {
            GroupRows::new(timeline.until(end), evictions, parts.next())
        })
        .collect()
    }

    /// The number of members now, ghosts included.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// What happened in the last whole second before a moment.
    pub(crate) fn second_before(&self, now: Time) -> Option<Second> {
        let seconds = self.timelines.iter().filter_map(|timeline| timeline.before(now));
        seconds.reduce(|mut sum, second| {
            sum.add(&second);
            sum
        })
    }
}
