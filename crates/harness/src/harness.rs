//! What the two drivers share of a run: links, endpoints and recorder. Every datagram enters its
//! link here, and is recorded as it does.

mod streams;

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, PREFETCH, Roster, Time};
use skipbeat_link::{Change, Class, Links, PacketInfo, Transit, Verdict};
use skipbeat_measure::{Event, GroupKind, MessageSlot, Recorder, Window};
use skipbeat_protocol::{Down, HEARTBEAT, Tag};
use skipbeat_scenario::{Group, Plan, Target};
use skipbeat_swarm::{Act, Audience, Datagram, Dialect, GroupOptions, Heard, Transport};
use skipbeat_workload::WorkloadContext;

use crate::classify::{class_of_act, heard_in};
use crate::{Endpoints, Sent};

use streams::StreamLedger;

/// Bytes of the IP and UDP headers. Links count the bytes of datagrams without them, so the same is
/// left out of the IP packets of TCP.
const HEADERS: usize = 28;

/// Sees every datagram that enters a link, for example to write a capture file.
pub trait Tap {
    /// A datagram enters a link at `at`, sent from `endpoint` or to it by `direction`, and the link
    /// gives a verdict. Calls of one direction come in order of time.
    fn passage(
        &mut self,
        at: Time,
        direction: Direction,
        endpoint: EndpointId,
        payload: &[u8],
        verdict: &Verdict,
    );
}

/// Links, endpoints and recorder of a run.
pub struct Harness {
    /// Counts all events.
    pub recorder: Recorder,
    /// The endpoint of each client.
    pub endpoints: Endpoints,
    /// The group of each client.
    pub roster: Roster,
    /// The end of the run. Later events are recorded as of this time.
    pub end: Time,
    /// Sees every datagram, where one is set.
    pub tap: Option<Box<dyn Tap>>,
    /// How clients word what they say to a server with a protocol of its own.
    dialect: Option<Dialect>,
    run: u16,
    /// Whether the server reports which samples and queries it accepts; the built-in one does.
    server_tells: bool,
    pub(crate) streams: StreamLedger,
    up: Links,
    down: Links,
    /// Whether all links up are plain for the whole run.
    plain_up: bool,
    scratch: Vec<u8>,
    transits: Vec<Transit>,
}

impl Harness {
    /// The harness of a run that has not begun: all clients are at their first endpoints, and
    /// nothing is recorded.
    pub fn new(plan: &Plan) -> Self {
        let roster = plan.roster();
        let window = Window {
            from: plan.measured_from(),
            to: plan.measured_to(),
            detection: plan.detection_horizon(),
        };
        let server_tells = matches!(plan.server.target, Target::BuiltIn { .. });
        let kind = |(number, group): (usize, &Group)| {
            let measured = window.from..window.to;
            let (members, clients) = (roster.range(number), roster.clients());
            let context =
                WorkloadContext { group: members, clients, window: measured, server_tells };
            let GroupOptions { workload, hostile, member, transport, .. } = &group.behaviour;
            GroupKind {
                hostile: hostile.is_some(),
                member: *member,
                stream: *transport == Transport::Tcp,
                books: workload.map(|work| work.books(context)),
            }
        };
        let kinds = plan.groups.iter().enumerate().map(kind).collect();
        let links = |direction| {
            let schedules = plan.groups.iter().map(|group| match direction {
                Direction::Up => group.up.clone(),
                Direction::Down => group.down.clone(),
            });
            Links::new(plan.seed(), direction, schedules, &roster)
        };
        Harness {
            up: links(Direction::Up),
            down: links(Direction::Down),
            recorder: Recorder::new(roster.clone(), window, kinds),
            server_tells,
            streams: StreamLedger::new(&plan.groups),
            endpoints: Endpoints::new(&plan.groups, &roster),
            end: plan.end(),
            tap: None,
            dialect: plan.dialect.clone(),
            run: plan.run_id(),
            plain_up: plan.groups.iter().all(|group| group.up.is_plain()),
            scratch: Vec::new(),
            transits: Vec::new(),
            roster,
        }
    }

    /// Records an event.
    #[inline(always)]
    pub fn record(&mut self, at: Time, event: Event<'_>) {
        self.recorder.record(at.min(self.end), event);
    }

    /// The message that a tag names, if it is of this run and not closed yet.
    pub fn message(&self, tag: Option<Tag>) -> Option<MessageSlot> {
        tag.filter(|tag| tag.run == self.run).and_then(|tag| self.recorder.find(tag.message))
    }

    /// The tag in a text, if it is of this run.
    pub fn tag(&self, text: &[u8]) -> Option<Tag> {
        let position = self.dialect.as_ref().and_then(|dialect| dialect.tag_at);
        let text = match position {
            Some(at) => text.get(at..at + Tag::LEN)?,
            None => text,
        };
        Tag::find(text).filter(|tag| tag.run == self.run)
    }

    /// A client sends something: its message is opened, or recorded as a retransmission.
    #[inline(always)]
    pub(crate) fn open(
        &mut self,
        planned: Time,
        client: ClientId,
        datagram: &Datagram,
        audience: &ClientSet,
    ) -> Option<MessageSlot> {
        let id = datagram.act.tag()?.message;
        match datagram.act {
            Act::Message { again: true, .. } | Act::Get { again: true, .. } => {
                self.record(planned, Event::Retransmitted { direction: Direction::Up, client });
            }
            // A server that is not ours does not say whether it took a sample.
            Act::Put { .. } if !self.server_tells => {}
            Act::Put { .. } | Act::Get { .. } => {
                self.record(planned, Event::Request { message: id });
            }
            _ => {
                let dialect = self.dialect.as_ref();
                let narrower = dialect.and_then(|d| receivers(d.audience, client, audience));
                let audience = narrower.as_ref().unwrap_or(audience);
                self.record(planned, Event::Chat { message: id, audience });
            }
        }
        let message = self.recorder.find(id);
        if let Act::Message { again: false, .. } | Act::Get { again: false, .. } = datagram.act {
            self.record(planned, Event::Held { message });
        }
        message
    }

    /// A TCP segment of a client's connection enters its link, in an IP packet of this many bytes.
    pub fn segment(
        &mut self,
        now: Time,
        direction: Direction,
        client: ClientId,
        packet: usize,
    ) -> Verdict {
        let (bytes, class) = (packet.saturating_sub(HEADERS), Class::Chat);
        let links = if direction == Direction::Up { &mut self.up } else { &mut self.down };
        let group = self.roster.group_of(client);
        let verdict = links.judge(now, group, client, PacketInfo { bytes, class });
        let (message, mangled) = (None, 0);
        self.record(now, Event::Offered { direction, client, bytes, verdict, mangled, message });
        verdict
    }

    /// A client sends a datagram: its message is opened, and its link up decides what becomes of
    /// it.
    #[inline(always)]
    pub(crate) fn send_up<'d>(
        &mut self,
        planned: Time,
        client: ClientId,
        datagram: &'d Datagram,
        audience: &ClientSet,
    ) -> Sent<'d> {
        let direction = Direction::Up;
        let message = self.open(planned, client, datagram, audience);
        let bytes = self.length(client, datagram);
        let packet = PacketInfo { bytes, class: class_of_act(datagram.act) };
        let verdict = self.up.judge(planned, self.roster.group_of(client), client, packet);
        let whole = verdict.changes().map(|change| {
            change.is_none_or(|change| {
                write(&self.dialect, client, datagram, &mut self.scratch);
                change.apply(&mut self.scratch);
                Tag::find(&self.scratch) == datagram.act.tag()
            })
        });
        let (mangled, messages) = what_is_whole(&verdict, whole, message);
        self.record(
            planned,
            Event::Offered { direction, client, bytes, verdict, mangled, message },
        );
        let from = self.endpoints.of(client, datagram.source, &self.roster);
        if let Some(tap) = &mut self.tap {
            write(&self.dialect, client, datagram, &mut self.scratch);
            tap.passage(planned, direction, from, &self.scratch, &verdict);
        }
        Sent { client, datagram, messages, from, verdict }
    }

    /// Whether [`Harness::beat_up`] can handle the heartbeats of clients: links up, addresses and
    /// heartbeats are all plain.
    pub(crate) fn is_plain_up(&self) -> bool {
        self.plain_up
            && !self.streams.any()
            && self.dialect.is_none()
            && self.tap.is_none()
            && self.endpoints.are_plain()
    }

    /// Each of these clients sends a bare heartbeat. The buffer that this returns should go back by
    /// [`Harness::give_back`].
    pub(crate) fn beat_up(&mut self, beats: &[(Time, ClientId)]) -> Vec<Transit> {
        let mut transits = std::mem::take(&mut self.transits);
        let soon = beats.iter().skip(PREFETCH).map(|(_, client)| *client);
        self.up.fly(beats.iter().copied(), soon, &self.roster, &mut transits);
        self.recorder.beat(beats, HEARTBEAT.len(), &transits);
        transits
    }

    /// Takes back the buffer of [`Harness::beat_up`] for the next call.
    pub(crate) fn give_back(&mut self, transits: Vec<Transit>) {
        self.transits = transits;
    }

    /// The length of a datagram of a client, in bytes.
    fn length(&mut self, client: ClientId, datagram: &Datagram) -> usize {
        match (datagram.session, datagram.act) {
            (None, Act::Heartbeat(None)) if self.dialect.is_none() => HEARTBEAT.len(),
            (None, Act::Chat { size, .. }) if self.dialect.is_none() => size,
            _ => {
                write(&self.dialect, client, datagram, &mut self.scratch);
                self.scratch.len()
            }
        }
    }

    /// Whether a client sends a datagram at all: some dialects have no word for leaving.
    pub(crate) fn says(&self, datagram: &Datagram) -> bool {
        self.dialect.as_ref().is_none_or(|dialect| dialect.says(datagram))
    }

    /// Writes the bytes of a datagram of a client into `out`, which is emptied first.
    pub fn write(&self, client: ClientId, datagram: &Datagram, out: &mut Vec<u8>) {
        write(&self.dialect, client, datagram, out);
    }

    /// Whether a datagram of the server acknowledges a heartbeat of the client, by the dialect.
    pub fn is_answer(&self, client: ClientId, payload: &[u8]) -> bool {
        self.dialect.as_ref().is_some_and(|dialect| dialect.is_ack(client, payload))
    }

    /// The server sends a datagram to an endpoint: the link down of the client there decides what
    /// becomes of it. `None` if no client is there, or not any more.
    #[inline]
    pub fn send_down(
        &mut self,
        now: Time,
        endpoint: EndpointId,
        payload: &[u8],
        class: Class,
        message: Option<MessageSlot>,
    ) -> Option<SentDown> {
        let bytes = payload.len();
        let Some(client) = self.endpoints.at(endpoint) else {
            if let Some(client) = self.endpoints.owner(endpoint) {
                self.record(now, Event::Misaddressed { client, bytes, message });
            }
            return None;
        };
        let group = self.roster.group_of(client);
        let verdict = self.down.judge(now, group, client, PacketInfo { bytes, class });
        let (mut mangled, mut messages) = (0, [message; 2]);
        if !verdict.is_whole() {
            let tag = Tag::find(payload);
            let whole = verdict.changes().map(|change| {
                change.is_none_or(|change| Tag::find(self.damaged(payload, change)) == tag)
            });
            (mangled, messages) = what_is_whole(&verdict, whole, message);
        }
        let direction = Direction::Down;
        self.record(now, Event::Offered { direction, client, bytes, verdict, mangled, message });
        if let Some(tap) = &mut self.tap {
            tap.passage(now, direction, endpoint, payload, &verdict);
        }
        Some(SentDown { client, verdict, messages })
    }

    /// The server sends a text to many clients, all at their first endpoints and behind plain
    /// links. Arrivals up to `last` are recorded at once, ahead of time, which is right only where
    /// clients do not react to them; `late` gets those after `last`.
    pub fn fan_out(
        &mut self,
        now: Time,
        bytes: usize,
        message: Option<MessageSlot>,
        to: &ClientSet,
        last: Time,
        mut late: impl FnMut(&Transit),
    ) {
        let Harness { down, roster, recorder, transits, .. } = self;
        // All links first, then the recorder: in short loops the processor overlaps the iterations.
        for members in to.by_word() {
            down.fly(members.map(|client| (now, client)), std::iter::empty(), roster, transits);
            recorder.fan_out(now, bytes, message, last, transits, &mut late);
        }
    }

    /// What a client makes of a datagram of the server and of its copy, after the link has changed
    /// them. `unchanged` is what it makes of the payload as it was sent.
    #[inline]
    pub fn heard_after(
        &mut self,
        unchanged: Option<Heard>,
        payload: &[u8],
        verdict: &Verdict,
    ) -> [Option<Heard>; 2] {
        verdict.changes().map(|change| match change {
            None => unchanged,
            Some(change) => heard_in(&Down::parse(self.damaged(payload, change))),
        })
    }

    /// A datagram as a link changes it.
    fn damaged(&mut self, payload: &[u8], change: Change) -> &[u8] {
        self.scratch.clear();
        self.scratch.extend_from_slice(payload);
        change.apply(&mut self.scratch);
        &self.scratch
    }
}

/// A datagram that the server has sent, and what its link does with it.
#[derive(Clone, Copy, Debug)]
pub struct SentDown {
    /// The client it is sent to.
    pub client: ClientId,
    /// When it arrives, if at all, and how it is changed.
    pub verdict: Verdict,
    /// The message in it and in its copy, where the link leaves the tag intact.
    pub messages: [Option<MessageSlot>; 2],
}

/// Writes the bytes of a datagram of a client.
fn write(dialect: &Option<Dialect>, client: ClientId, datagram: &Datagram, out: &mut Vec<u8>) {
    match dialect {
        Some(dialect) => dialect.write(client, datagram, out),
        None => datagram.write(out),
    }
}

/// The clients that should get a message of a client, where these are not `all` of them.
fn receivers(audience: Audience, client: ClientId, all: &ClientSet) -> Option<ClientSet> {
    match audience {
        Audience::All => None,
        Audience::Others => {
            let mut others = all.clone();
            others.remove(client);
            Some(others)
        }
        Audience::Sender => Some(std::iter::once(client).collect()),
        Audience::Nobody => Some(ClientSet::new()),
    }
}

/// How many of a datagram and its copy arrive without the message that was in them, and the message
/// that each of them still has. `whole` says of each whether its tag is intact.
fn what_is_whole(
    verdict: &Verdict,
    whole: [bool; 2],
    message: Option<MessageSlot>,
) -> (u32, [Option<MessageSlot>; 2]) {
    let arrives = [verdict.arrival.is_ok(), verdict.copy().is_some()];
    let mangled = (0..2).filter(|n| message.is_some() && arrives[*n] && !whole[*n]).count();
    (mangled as u32, whole.map(|whole| message.filter(|_| whole)))
}
