//! Carries datagrams between the swarm and the sockets. What clients send waits on their links up
//! and is then handed to the kernel; what was read from the kernel goes through the links down.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::{Calendar, ClientId, Direction, Distribution, EndpointId, Life, Span, Time};
use skipbeat_harness::{Driver, FromSwarm, Harness, Sent, SentDown, class_of, heard_in};
use skipbeat_link::{Change, Class, Verdict};
use skipbeat_measure::{Event, MessageSlot};
use skipbeat_protocol::{Down, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::EvictionTiming;
use skipbeat_swarm::{Act, Audience, Datagram, Heard, Swarm};

use crate::client_sockets::ClientSockets;
use crate::outside::{Conclusion, Outside};
use crate::server::{Report, RunningServer};
use crate::streams::{ClientStreamEvent, KernelStreams};

/// How long a client that has lost its connection waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// A datagram on a link, with what it carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct InTransit<P> {
    client: ClientId,
    index: u32,
    copy: bool,
    message: Option<MessageSlot>,
    payload: P,
}

/// A datagram of a client, the endpoint it seems to come from, and how the link changed it.
type UpPayload = (Datagram, EndpointId, Option<Change>);
/// What a client makes of a datagram of the server; `None` if it does not react.
type DownPayload = Option<Heard>;

/// Carries datagrams between the swarm and the sockets.
pub(crate) struct NetDriver {
    pub(crate) harness: Harness,
    /// How late datagrams were handed to the kernel.
    pub(crate) lateness: Distribution,
    /// What is known of the members, if the server is a foreign one.
    pub(crate) outside: Option<Outside>,
    /// Whether the server sends each text to all members, so that a client that misses one is no
    /// member.
    pub(crate) room: bool,
    /// By group, datagrams read from the sockets of clients.
    pub(crate) received: Vec<u64>,
    /// By group, datagrams handed to the sockets of clients.
    pub(crate) handed: Vec<u64>,
    pub(crate) now: Time,
    /// Datagrams on links up, which have to be handed to the kernel on time.
    up: Calendar<InTransit<UpPayload>>,
    /// Datagrams on links down.
    down: Calendar<InTransit<DownPayload>>,
    /// Whether clients react to the server, so that datagrams on links down must not be late.
    reacts: bool,
    /// When the last heartbeat of each client was due at the socket, if the server acknowledges
    /// them.
    beat_at: Vec<Time>,
    /// The TCP connections of clients, if any client has one.
    pub(crate) streams: Option<KernelStreams>,
    /// The endpoints to which clients have moved since the last call of [`NetDriver::arrive`].
    moved_to: Vec<EndpointId>,
}

impl NetDriver {
    pub(crate) fn new(plan: &Plan, foreign: bool, streams: Option<KernelStreams>) -> Self {
        let harness = Harness::new(plan);
        let clients = harness.roster.clients();
        let groups = plan.groups.len();
        let lazy = plan.server.options.eviction == EvictionTiming::Lazy;
        let dialect = plan.dialect.as_ref();
        let acknowledged = dialect.is_some_and(|dialect| dialect.ack.is_some());
        NetDriver {
            lateness: Distribution::default(),
            outside: foreign.then(|| Outside::new(clients, lazy)),
            room: dialect.is_none_or(|dialect| dialect.audience == Audience::All),
            received: vec![0; groups],
            handed: vec![0; groups],
            now: Time::ZERO,
            up: Calendar::new(),
            down: Calendar::new(),
            reacts: plan.swarm_options().may_react(),
            beat_at: vec![Time::ZERO; if acknowledged { clients as usize } else { 0 }],
            streams,
            moved_to: Vec::new(),
            harness,
        }
    }

    /// A datagram of the server was read from the socket of an endpoint.
    pub(crate) fn receive(&mut self, endpoint: EndpointId, payload: &[u8]) {
        let Some(owner) = self.harness.endpoints.owner(endpoint) else { return };
        self.received[self.harness.roster.group_of(owner)] += 1;
        let tag = self.harness.tag(payload);
        let message = self.harness.message(tag);
        let answer = self.harness.is_answer(owner, payload);
        let down = Down::parse(payload);
        if let (Down::Value { .. }, Some(_), Some(_)) = (down, message, &self.outside) {
            // That a foreign server has served a query is known by its answer only.
            self.harness.record(self.now, Event::Served { client: owner, message, datagrams: 1 });
        }
        let class = if answer { Class::Ack } else { class_of(&down) };
        let sent = self.harness.send_down(self.now, endpoint, payload, class, message);
        let Some(SentDown { client, verdict, messages }) = sent else { return };
        if let (Some(outside), Some(tag)) = (&mut self.outside, tag) {
            outside.got(self.now, client, tag.message);
        }
        if let (true, Ok(at)) = (answer, verdict.arrival) {
            let after = self.now.since(self.beat_at[client as usize]);
            self.harness.record(at, Event::Answered { client, after });
        }
        let heard = self.harness.heard_after(heard_in(&down), payload, &verdict);
        put(&mut self.down, client, verdict, messages, heard);
    }

    /// Takes off the links what has arrived by now, but not after `last`: on links down it goes to
    /// the swarm, which may react, and on links up to the kernel.
    pub(crate) fn arrive(
        &mut self,
        last: Time,
        swarm: &mut Swarm,
        transport: &mut ClientSockets,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let until = self.now.min(last);
        self.arrive_down(until, swarm);
        for endpoint in std::mem::take(&mut self.moved_to) {
            transport.open_endpoint(endpoint)?;
        }
        // While too much waits for a full send buffer, datagrams stay on their links and get late.
        while !transport.is_congested() {
            let Some((at, arrived)) = self.up.pop_until(until) else { break };
            let InTransit { client, index, copy, message, payload } = arrived;
            let (datagram, from, change) = payload;
            self.harness.write(client, &datagram, scratch);
            if let (Act::Heartbeat(_), Some(beat)) =
                (datagram.act, self.beat_at.get_mut(client as usize))
            {
                *beat = at;
            }
            if let Some(change) = change {
                change.apply(scratch);
            }
            transport.send(from, scratch);
            self.handed[self.harness.roster.group_of(client)] += 1;
            let (direction, late) = (Direction::Up, self.now.since(at));
            self.lateness.record(late);
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.harness.record(at, event);
        }
        Ok(())
    }

    fn arrive_down(&mut self, until: Time, swarm: &mut Swarm) {
        while let Some((at, arrived)) = self.down.pop_until(until) {
            let InTransit { client, index, copy, message, payload: heard } = arrived;
            let (direction, late) = (Direction::Down, Span::ZERO);
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.harness.record(at, event);
            if let Some(heard) = heard {
                swarm.hear(at, client, heard, &mut FromSwarm(self));
            }
        }
    }

    /// When a datagram next arrives on a link up.
    pub(crate) fn next_up(&self) -> Option<Time> {
        self.up.next_at()
    }

    /// When a datagram next arrives on a link down, if clients react to those.
    pub(crate) fn next_down(&self) -> Option<Time> {
        self.down.next_at().filter(|_| self.reacts)
    }

    /// Records what the built-in server reports, except about addresses that are no client's.
    pub(crate) fn record_reports(&mut self, server: &RunningServer, transport: &ClientSockets) {
        let NetDriver { harness, streams, .. } = self;
        let of_stream = |peer| streams.as_ref().and_then(|streams| streams.client_at(peer));
        let endpoint = |peer: SocketAddr| of_stream(peer).or_else(|| transport.endpoint(peer));
        for report in server.reports() {
            match report {
                Report::Event(at, event) => {
                    let message = |tag| harness.message(Some(tag));
                    if let Some(event) = event.map(endpoint, message) {
                        harness.server_event(at, event);
                    }
                }
                Report::Broadcast { at, tag, mut members, others } => {
                    let message = harness.message(tag);
                    for endpoint in others.into_iter().filter_map(endpoint) {
                        members.insert(endpoint);
                    }
                    harness.broadcast(at, message, &members);
                }
            }
        }
    }

    /// Handles what happened to the connections of clients.
    pub(crate) fn handle_streams(&mut self, events: Vec<ClientStreamEvent>, swarm: &mut Swarm) {
        for event in events {
            match event {
                ClientStreamEvent::Received(client, at, datagram) => {
                    let message = self.harness.message(Tag::find(&datagram));
                    let at = at.min(self.now);
                    self.harness.read(at, Direction::Down, client, message);
                    if let Some(heard) = heard_in(&Down::parse(&datagram)) {
                        swarm.hear(self.now, client, heard, &mut FromSwarm(self));
                    }
                }
                ClientStreamEvent::Ended(client) => {
                    self.harness.record(self.now, Event::Disconnected { client });
                    // Not at once, since a server that refuses connections would be flooded.
                    self.connect(self.now, client, RECONNECT_AFTER);
                }
            }
        }
    }

    /// Connects a client after a while; what was in an earlier connection is lost.
    fn connect(&mut self, at: Time, client: ClientId, after: Duration) {
        for direction in Direction::BOTH {
            self.harness.severed(at, direction, client);
        }
        if let Some(streams) = &mut self.streams {
            streams.connect(client, after);
        }
    }

    /// Infers the members of a foreign server from what clients have received until then.
    pub(crate) fn conclude(&mut self, until: Time) {
        let Some(mut outside) = self.outside.take() else { return };
        let (harness, room) = (&mut self.harness, self.room);
        outside.settle(until, |conclusion| match conclusion {
            Conclusion::Joined { .. } | Conclusion::Quit { .. } | Conclusion::Evicted { .. }
                if !room => {}
            Conclusion::Joined { at, client } => harness.record(at, Event::Joined { client }),
            Conclusion::Quit { at, client } => harness.record(at, Event::Quit { client }),
            Conclusion::Evicted { at, client, uncertainty } => {
                harness.record(at, Event::Evicted { client, silence: None, uncertainty });
            }
            Conclusion::Broadcast { at, message, members } => {
                let message = harness.recorder.find(message);
                let (datagrams, complete) = (members.len(), true);
                harness.record(
                    at,
                    Event::Broadcast { message, members: &members, datagrams, complete },
                );
            }
        });
        self.outside = Some(outside);
    }

    /// Records what is still on the links and in streams.
    pub(crate) fn leave_in_flight(&mut self) {
        let end = self.harness.end;
        self.harness.leave_in_streams(end);
        for (_, InTransit { client, message, .. }) in self.up.iter() {
            let direction = Direction::Up;
            self.harness.record(end, Event::InFlight { direction, client, message });
        }
        for (_, InTransit { client, message, .. }) in self.down.iter() {
            let direction = Direction::Down;
            self.harness.record(end, Event::InFlight { direction, client, message });
        }
    }
}

/// Puts a datagram and its copy into the calendar, as far as the link lets them through.
fn put<P: Copy + Ord>(
    calendar: &mut Calendar<InTransit<P>>,
    client: ClientId,
    verdict: Verdict,
    messages: [Option<MessageSlot>; 2],
    payloads: [P; 2],
) {
    let Ok(at) = verdict.arrival else { return };
    let ([message, message_of_copy], [payload, payload_of_copy]) = (messages, payloads);
    let original = InTransit { client, index: verdict.index, copy: false, message, payload };
    calendar.push(at, original);
    if let Some(at) = verdict.copy() {
        let (message, payload) = (message_of_copy, payload_of_copy);
        calendar.push(at, InTransit { copy: true, message, payload, ..original });
    }
}

impl Driver for NetDriver {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
    }

    fn launch(&mut self, sent: &Sent<'_>) {
        let Sent { client, datagram, messages, from, verdict } = *sent;
        if let (Act::Quit, Ok(at), Some(outside)) =
            (datagram.act, verdict.arrival, self.outside.as_mut())
        {
            outside.quits(at, client);
        }
        let payloads = verdict.changes().map(|change| (*datagram, from, change));
        put(&mut self.up, client, verdict, messages, payloads);
    }

    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram) {
        let mut bytes = Vec::new();
        self.harness.write(client, datagram, &mut bytes);
        let taken = self.streams.as_mut().is_some_and(|s| s.write(client, &bytes));
        self.lateness.record(self.now.since(planned));
        if !taken {
            self.harness.severed(planned, Direction::Up, client);
        }
    }

    fn connection(&mut self, at: Time, client: ClientId, life: Life) {
        match (life, &mut self.streams) {
            (Life::Up, _) => self.connect(at, client, Duration::ZERO),
            (Life::Left, Some(streams)) => streams.close(client),
            (Life::Crashed, Some(streams)) => streams.abandon(client),
            (_, None) => {}
        }
    }

    fn moved(&mut self, client: ClientId, left: EndpointId, to: EndpointId) {
        self.moved_to.push(to);
        // Whether a foreign server still has a member at the old address can't be seen from
        // outside.
        let (now, endpoint) = (self.now, left);
        if self.outside.as_mut().is_some_and(|outside| outside.moves(now, client)) {
            self.harness.record(now, Event::GhostGone { client, endpoint, silence: None });
        }
    }
}
