//! The books of the way between swarm and server: what enters a link, what the server does, and to
//! which client each of it belongs.

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, PREFETCH, Roster, Span, Time};
use skipbeat_link::{Change, Class, Links, PacketInfo, Transit, Verdict};
use skipbeat_measure::{Event, GroupKind, MessageSlot, Recorder, Window};
use skipbeat_protocol::{Down, HEARTBEAT, Tag};
use skipbeat_scenario::{Group, Plan, Target};
use skipbeat_server::Note;
use skipbeat_swarm::{Act, Audience, Datagram, Dialect, GroupOptions, Heard, Transport};
use skipbeat_workload::WorkloadContext;

use crate::streams::StreamLedger;
use crate::{Endpoints, Sent};

/// Bytes of an IP packet that are left out where links count bytes: what IP and UDP add to a datagram.
/// So segments and datagrams are counted alike.
const UNCOUNTED: usize = 28;

/// Hears of every datagram that enters a link, beside the books.
pub trait Tap {
    /// A datagram enters a link at `at`, from a place or to it, and the link gives a verdict. Calls
    /// of one direction come in order of time.
    fn passage(
        &mut self,
        at: Time,
        direction: Direction,
        endpoint: EndpointId,
        payload: &[u8],
        verdict: &Verdict,
    );
}

/// Links, addresses and books of a run.
pub struct Harness {
    /// Hears of everything.
    pub recorder: Recorder,
    /// Who is where.
    pub endpoints: Endpoints,
    /// Who belongs to which group.
    pub roster: Roster,
    /// What is later than this is heard as if it came at the end.
    pub end: Time,
    /// Hears of every datagram, where somebody wants to.
    pub tap: Option<Box<dyn Tap>>,
    /// How clients talk, where the server is not a chat of our kind.
    dialect: Option<Dialect>,
    run: u16,
    /// Whether the server tells what it takes: ours does.
    server_tells: bool,
    pub(crate) streams: StreamLedger,
    up: Links,
    down: Links,
    /// Whether all links up are and stay plain.
    plain_up: bool,
    scratch: Vec<u8>,
    transits: Vec<Transit>,
}

impl Harness {
    /// The harness of a run that has not begun.
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
            let (group_of, clients) = (roster.range(number), roster.clients());
            let setting =
                WorkloadContext { group: group_of, clients, window: measured, server_tells };
            let GroupOptions { workload, hostile, member, transport, .. } = &group.behaviour;
            GroupKind {
                hostile: hostile.is_some(),
                member: *member,
                stream: *transport == Transport::Tcp,
                books: workload.map(|work| work.books(setting)),
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

    /// Tells the books.
    #[inline(always)]
    pub fn record(&mut self, at: Time, event: Event<'_>) {
        self.recorder.record(at.min(self.end), event);
    }

    /// The message of a tag, if it is of this run and accounted for.
    pub fn message(&self, tag: Option<Tag>) -> Option<MessageSlot> {
        tag.filter(|tag| tag.run == self.run).and_then(|tag| self.recorder.find(tag.message))
    }

    /// The tag in a text, if it is of this run.
    pub fn tag(&self, text: &[u8]) -> Option<Tag> {
        let endpoint = self.dialect.as_ref().and_then(|dialect| dialect.tag_at);
        let text = match endpoint {
            Some(at) => text.get(at..at + Tag::LEN)?,
            None => text,
        };
        Tag::find(text).filter(|tag| tag.run == self.run)
    }

    /// A client says something: the message in it is opened, or its sending again noted.
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
            // Whether another server took it can't be known.
            Act::Put { .. } if !self.server_tells => {}
            Act::Put { .. } | Act::Get { .. } => {
                self.record(planned, Event::Request { message: id });
            }
            _ => {
                let dialect = self.dialect.as_ref();
                let narrower = dialect.and_then(|d| receivers(d.audience, client, audience));
                let up = narrower.as_ref().unwrap_or(audience);
                self.record(planned, Event::Chat { message: id, up });
            }
        }
        let message = self.recorder.find(id);
        if let Act::Message { again: false, .. } | Act::Get { again: false, .. } = datagram.act {
            self.record(planned, Event::Held { message });
        }
        message
    }

    /// A segment of a client's connection enters its link, as an IP packet of this many bytes. Counted
    /// is what it has beyond a datagram's headers.
    pub fn segment(
        &mut self,
        now: Time,
        direction: Direction,
        client: ClientId,
        packet: usize,
    ) -> Verdict {
        let (bytes, class) = (packet.saturating_sub(UNCOUNTED), Class::Chat);
        let links = if direction == Direction::Up { &mut self.up } else { &mut self.down };
        let group = self.roster.group_of(client);
        let verdict = links.judge(now, group, client, PacketInfo { bytes, class });
        let (message, mangled) = (None, 0);
        self.record(now, Event::Offered { direction, client, bytes, verdict, mangled, message });
        verdict
    }

    /// A client sends: the message is opened, and the link towards the server decides.
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

    /// Whether heartbeats of clients are so plain that [`Harness::beat_up`] can deal with many.
    pub(crate) fn is_plain_up(&self) -> bool {
        self.plain_up
            && !self.streams.any()
            && self.dialect.is_none()
            && self.tap.is_none()
            && self.endpoints.are_plain()
    }

    /// Clients send a bare heartbeat each.
    pub(crate) fn beat_up(&mut self, beats: &[(Time, ClientId)]) -> Vec<Transit> {
        let mut transits = std::mem::take(&mut self.transits);
        let soon = beats.iter().skip(PREFETCH).map(|(_, client)| *client);
        self.up.fly(beats.iter().copied(), soon, &self.roster, &mut transits);
        self.recorder.beat(beats, HEARTBEAT.len(), &transits);
        transits
    }

    /// The room that [`Harness::beat_up`] gave away.
    pub(crate) fn give_back(&mut self, transits: Vec<Transit>) {
        self.transits = transits;
    }

    /// Bytes of what a client says.
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

    /// Whether a client says a datagram at all: not every server has a word for leaving.
    pub(crate) fn says(&self, datagram: &Datagram) -> bool {
        self.dialect.as_ref().is_none_or(|dialect| dialect.says(datagram))
    }

    /// The bytes of what a client says.
    pub fn write(&self, client: ClientId, datagram: &Datagram, out: &mut Vec<u8>) {
        write(&self.dialect, client, datagram, out);
    }

    /// Whether a datagram of the server answers the heartbeat of a client.
    pub fn is_answer(&self, client: ClientId, payload: &[u8]) -> bool {
        self.dialect.as_ref().is_some_and(|dialect| dialect.is_ack(client, payload))
    }

    /// A datagram goes to a place: the link towards the client there decides. Nothing where no
    /// client is there (any more).
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
            let whole = verdict.changes().map(|change| {
                change.is_none_or(|change| {
                    let damaged = self.damaged(payload, change);
                    Tag::find(damaged) == Tag::find(payload)
                })
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

    /// A text that clients need not heed goes to many, all at their first places and behind plain
    /// links: what becomes of it until `last` is in the books at once, and only what arrives later
    /// is given to `late`.
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
        // All links first, then the books: short loops are quick, since what is in them overlaps.
        for members in to.by_word() {
            down.fly(members.map(|client| (now, client)), std::iter::empty(), roster, transits);
            recorder.fan_out(now, bytes, message, last, transits, &mut late);
        }
    }

    /// What a client has to heed of a datagram of the server, and of its copy, as they arrive.
    pub fn heed(&mut self, payload: &[u8], verdict: &Verdict) -> [Option<Heard>; 2] {
        verdict.changes().map(|change| match change {
            None => heed(Down::parse(payload)),
            Some(change) => heed(Down::parse(self.damaged(payload, change))),
        })
    }

    /// A datagram as a link changes it.
    fn damaged(&mut self, payload: &[u8], change: Change) -> &[u8] {
        self.scratch.clear();
        self.scratch.extend_from_slice(payload);
        change.apply(&mut self.scratch);
        &self.scratch
    }

    /// The server sends a message to its members, who are at these places.
    pub fn broadcast(&mut self, at: Time, message: Option<MessageSlot>, members: &ClientSet) {
        let complete = false;
        if self.endpoints.are_plain() {
            let datagrams = members.len() - self.written_to(at, message, members);
            self.record(at, Event::Broadcast { message, members, datagrams, complete });
            return;
        }
        let mut clients = ClientSet::with_room(self.roster.clients());
        for endpoint in members.iter() {
            if let Some(client) = self.endpoints.owner(endpoint) {
                clients.insert(client);
            }
        }
        let datagrams = members.len() - self.written_to(at, message, &clients);
        self.record(at, Event::Broadcast { message, members: &clients, datagrams, complete });
    }

    /// The server takes note of something about the peer at a place. `message` is the one that it
    /// was looking at; `left` is where a peer was that has moved.
    #[inline]
    pub fn note(
        &mut self,
        at: Time,
        endpoint: EndpointId,
        note: Note,
        left: EndpointId,
        message: Option<MessageSlot>,
    ) {
        let Some(client) = self.endpoints.owner(endpoint) else { return };
        let honest = self.endpoints.honest_at(endpoint, &self.roster).is_some();
        let event = match note {
            Note::Joined if honest => Event::Joined { client },
            Note::Joined => Event::GhostJoined { client, endpoint },
            Note::Quit if honest => Event::Quit { client },
            Note::Quit => Event::GhostGone { client, endpoint, silence: None },
            Note::Evicted { silence } if honest => {
                Event::Evicted { client, silence: Some(silence), uncertainty: Span::ZERO }
            }
            Note::Evicted { silence } => {
                Event::GhostGone { client, endpoint, silence: Some(silence) }
            }
            Note::Moved => Event::Moved { client, left, to: endpoint, current: honest },
            Note::Repeated => Event::Repeated { client, message },
            Note::Taken => Event::Taken { client, message },
            Note::Served if self.is_stream(client) => {
                if let Some(message) = message {
                    self.written(at, Direction::Down, client, message);
                }
                Event::Served { client, message, datagrams: 0 }
            }
            Note::Served => Event::Served { client, message, datagrams: 1 },
            Note::Refused(cause) => Event::Refused { client, cause: cause.name(), message },
        };
        self.record(at, event);
    }

    /// A numbered text to the peer at a place is sent again.
    pub fn retransmitted(&mut self, at: Time, endpoint: EndpointId) {
        if let Some(client) = self.endpoints.owner(endpoint) {
            self.record(at, Event::Retransmitted { direction: Direction::Down, client });
        }
    }

    /// A numbered text to the peer at a place is not waited for any more.
    pub fn settled(
        &mut self,
        at: Time,
        endpoint: EndpointId,
        message: Option<MessageSlot>,
        acked: bool,
    ) {
        if let Some(client) = self.endpoints.owner(endpoint) {
            self.record(at, Event::Settled { direction: Direction::Down, client, acked, message });
        }
    }

    /// A datagram reached a server that has fallen silent.
    pub fn unread(&mut self, at: Time, endpoint: EndpointId, message: Option<MessageSlot>) {
        if let Some(client) = self.endpoints.owner(endpoint) {
            self.record(at, Event::Refused { client, cause: "server-down", message });
        }
    }
}

/// A datagram of the server on its way to a client.
#[derive(Clone, Copy, Debug)]
pub struct SentDown {
    /// To whom.
    pub client: ClientId,
    /// When it arrives, if it does, and what of it is changed.
    pub verdict: Verdict,
    /// The message in it, and in its copy, where it can be told when it arrives.
    pub messages: [Option<MessageSlot>; 2],
}

/// The bytes of what a client says.
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

/// How many of a datagram and its copy arrive without the message, and the message of each.
fn what_is_whole(
    verdict: &Verdict,
    whole: [bool; 2],
    message: Option<MessageSlot>,
) -> (u32, [Option<MessageSlot>; 2]) {
    let arrives = [verdict.arrival.is_ok(), verdict.copy().is_some()];
    let mangled = (0..2).filter(|n| message.is_some() && arrives[*n] && !whole[*n]).count();
    (mangled as u32, whole.map(|whole| message.filter(|_| whole)))
}

/// What kind of datagram a client sends, for the links. A join is a heartbeat that asks for more.
fn class_of_act(act: Act) -> Class {
    match act {
        Act::Heartbeat(_) | Act::Join(_) => Class::Heartbeat,
        Act::Ack(_) => Class::Ack,
        Act::Quit => Class::Other,
        Act::Chat { .. }
        | Act::Message { .. }
        | Act::Put { .. }
        | Act::Get { .. }
        | Act::Shout(_)
        | Act::Noise { .. } => Class::Chat,
    }
}

/// What kind of datagram the server sends, for the links.
pub fn class_of(down: &Down<'_>) -> Class {
    match down {
        Down::Heartbeat(_) => Class::Heartbeat,
        Down::Ack(_) => Class::Ack,
        Down::Chat { .. } | Down::Message { .. } | Down::Value { .. } | Down::Foreign(_) => {
            Class::Chat
        }
        Down::Bye | Down::Cookie(_) | Down::Welcome(_) | Down::Expired(_) => Class::Other,
    }
}

/// What of the server's datagram a client has to heed.
pub fn heed(down: Down<'_>) -> Option<Heard> {
    match down {
        Down::Heartbeat(number) => Some(Heard::Heartbeat(number)),
        Down::Message { number, .. } => Some(Heard::Message(number)),
        Down::Ack(number) => Some(Heard::Ack(number)),
        Down::Value { number, .. } => Some(Heard::Value(number)),
        Down::Cookie(cookie) => Some(Heard::Cookie(cookie)),
        Down::Welcome(Some(token)) => Some(Heard::Welcome(token)),
        Down::Expired(token) => Some(Heard::Expired(token)),
        Down::Welcome(None) | Down::Bye | Down::Chat { .. } | Down::Foreign(_) => None,
    }
}
