//! What carries datagrams in virtual time: the harness and the calendar of arrivals.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use skipbeat_core::{
    AddressPlan, Calendar, ClientId, ClientSet, Direction, EndpointId, Life, Span, Time,
};
use skipbeat_harness::{Driver, FromSwarm, Harness, Sent, SentDown, Tap, class_of, heed};
use skipbeat_link::{Change, Class, Transit, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder};
use skipbeat_protocol::{BYE, DEFAULT_PORT, Down, Packet, Tag, Up};
use skipbeat_scenario::Plan;
use skipbeat_server::{AckEnd, Note, PeerId, Sending, Server, ServerEffects};
use skipbeat_stream::Side;
use skipbeat_swarm::{Act, ClientEvent, Datagram, GroupOptions, Heard, Swarm};

use crate::streams::{Looked, SimStreams};

/// Where the clients are in virtual time.
pub const CLIENTS: AddressPlan =
    AddressPlan { first: AddressPlan::LOOPBACK, port: DEFAULT_PORT + 1 };
/// Where the server is in virtual time.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);

/// A datagram that leaves a link, in twelve bytes. The order of the fields, up before down and
/// originals before copies, is the order of simultaneous arrivals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival {
    /// Whose link; the highest bit says that it is the one down.
    link: u32,
    /// The place on the link.
    index: u32,
    /// The number of what it carries; the highest bit says that it is a copy.
    load: u32,
}

impl Arrival {
    const FLAG: u32 = 1 << 31;

    #[inline]
    fn new(direction: Direction, client: ClientId, index: u32, load: u32) -> Self {
        let down = if direction == Direction::Down { Self::FLAG } else { 0 };
        Arrival { link: client | down, index, load }
    }

    /// The copy of it, which carries something of its own.
    #[inline]
    fn copy(self, load: u32) -> Self {
        Arrival { load: load | Self::FLAG, ..self }
    }

    #[inline]
    fn direction(self) -> Direction {
        if self.link & Self::FLAG == 0 { Direction::Up } else { Direction::Down }
    }

    #[inline]
    fn client(self) -> ClientId {
        self.link & !Self::FLAG
    }

    #[inline]
    fn is_copy(self) -> bool {
        self.load & Self::FLAG != 0
    }

    #[inline]
    fn load(self) -> u32 {
        self.load & !Self::FLAG
    }
}

/// The load of a plain heartbeat from the client's own address: there is nothing to remember of it.
const BEAT: u32 = Arrival::FLAG - 1;

/// What a datagram says.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// A segment of this connection, by the number under which it is kept, and what was changed of it.
    Segment { connection: u32, packet: u32, change: Option<Change> },
    /// What a client says, from which place it seems to come, and what was changed of it.
    Up(Datagram, EndpointId, Option<Change>),
    /// What the server says that clients have to heed.
    Down(Heard),
    /// A text of the server, which has no effect on clients.
    Text,
}

/// What a datagram carries, shared by all copies of it.
#[derive(Clone, Copy, Debug)]
struct Load {
    says: Says,
    message: Option<MessageSlot>,
    /// How many arrivals refer to it.
    uses: u32,
}

/// Loads by number; free places are used again.
#[derive(Debug, Default)]
struct Loads {
    loads: Vec<Load>,
    free: Vec<u32>,
}

impl Loads {
    fn add(&mut self, load: Load) -> u32 {
        if let Some(endpoint) = self.free.pop() {
            self.loads[endpoint as usize] = load;
            return endpoint;
        }
        self.loads.push(load);
        self.loads.len() as u32 - 1
    }

    fn release(&mut self, endpoint: u32) {
        let load = &mut self.loads[endpoint as usize];
        load.uses -= 1;
        if load.uses == 0 {
            self.free.push(endpoint);
        }
    }
}

/// Where the server's peers are: each at the place of its own number, but for those that have
/// exchanged their places.
#[derive(Debug, Default)]
struct Seats {
    endpoints: BTreeMap<PeerId, EndpointId>,
    peers: BTreeMap<EndpointId, PeerId>,
}

impl Seats {
    #[inline]
    fn endpoint(&self, peer: PeerId) -> EndpointId {
        if self.endpoints.is_empty() { peer } else { *self.endpoints.get(&peer).unwrap_or(&peer) }
    }

    #[inline]
    fn peer(&self, endpoint: EndpointId) -> PeerId {
        if self.peers.is_empty() {
            endpoint
        } else {
            *self.peers.get(&endpoint).unwrap_or(&endpoint)
        }
    }

    fn exchange(&mut self, a: PeerId, b: PeerId) {
        let (at_a, at_b) = (self.endpoint(a), self.endpoint(b));
        for (peer, endpoint) in [(a, at_b), (b, at_a)] {
            self.endpoints.insert(peer, endpoint);
            self.peers.insert(endpoint, peer);
        }
    }
}

pub(crate) struct SimDriver {
    pub(crate) harness: Harness,
    seats: Seats,
    arrivals: Calendar<Arrival>,
    loads: Loads,
    text: Vec<u8>,
    pub(crate) streams: SimStreams,
    server_dead: bool,
    /// Where the arrival of a text at a client has no effect but in the books: the last moment of
    /// the run. Texts are accounted for when they are sent then, and wait for nothing.
    known_until: Option<Time>,
}

/// Whether the arrival of a text at a client has no effect but in the books, whatever happens:
/// clients heed nothing and stay where they are, no text is told twice, links down are plain, and
/// nothing that is counted depends on the order of arrivals.
fn texts_are_known(plan: &Plan) -> bool {
    let moves = plan.events.iter().any(|event| event.happening == ClientEvent::Rebind);
    let mut groups = plan.groups.iter();
    !moves
        && !plan.swarm_options().heeds()
        && groups.all(|group| {
            let GroupOptions { hostile, churn, workload, .. } = &group.behaviour;
            let stays = hostile.is_none() && churn.rebind == 0.0;
            let ordered = workload.is_some_and(|work| work.needs_order());
            stays && !ordered && group.down.is_plain() && !group.up.copies()
        })
}

impl SimDriver {
    pub(crate) fn new(plan: &Plan, tap: Option<Box<dyn Tap>>, bucket: u32) -> Self {
        let known = tap.is_none() && texts_are_known(plan);
        let mut harness = Harness::new(plan);
        harness.tap = tap;
        SimDriver {
            harness,
            seats: Seats::default(),
            arrivals: Calendar::with_width(bucket),
            loads: Loads::default(),
            text: Vec::new(),
            streams: SimStreams::new(plan.seed),
            server_dead: false,
            known_until: known.then(|| plan.end() - Span::from_nanos(1)),
        }
    }

    /// Keeps every event.
    pub(crate) fn keep_log(&mut self) {
        self.harness.recorder.keep_log();
    }

    /// When the next arrival is.
    #[inline]
    pub(crate) fn next_at(&self) -> Time {
        self.arrivals.next_at().unwrap_or(Time::NEVER)
    }

    /// The next arrival before or at `limit`. When a bucket is opened for it, those are told who will
    /// be asked of the next one.
    #[inline]
    pub(crate) fn next_arrival(&mut self, limit: Time, server: &Server) -> Option<(Time, Arrival)> {
        let before = self.arrivals.cursor();
        let next = self.arrivals.pop_until(limit);
        if self.arrivals.cursor() != before {
            for soon in self.arrivals.upcoming().map(Arrival::client) {
                server.expect(soon);
                self.harness.recorder.expect(soon);
            }
        }
        next
    }

    /// Whether the server has crashed.
    pub(crate) fn server_is_dead(&self) -> bool {
        self.server_dead
    }

    /// The server falls silent for good.
    pub(crate) fn kill_server(&mut self, now: Time) {
        self.server_dead = true;
        self.streams.kill_server();
        self.harness.record(now, Event::ServerCrashed);
    }

    /// Hands an arrival to whom it is for; says whether a machine heard of it.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        now: Time,
        arrival: Arrival,
        server: &mut Server,
        swarm: &mut Swarm,
    ) -> bool {
        let (direction, client) = (arrival.direction(), arrival.client());
        let (index, copy, endpoint) = (arrival.index, arrival.is_copy(), arrival.load());
        let late = Span::ZERO;
        if endpoint == BEAT {
            let event = Event::Arrived { direction, client, index, copy, late, message: None };
            self.harness.record(now, event);
            if self.server_dead {
                self.harness.unread(now, client, None);
                return false;
            }
            let peer = self.seats.peer(client);
            let from = CLIENTS.address(client);
            let beat = Packet { session: None, up: Up::Heartbeat(None) };
            server.handle(now, peer, from, beat, &mut FromServer::new(self, now));
            return true;
        }
        let Load { says, message, .. } = self.loads.loads[endpoint as usize];
        let event = Event::Arrived { direction, client, index, copy, late, message };
        self.harness.record(now, event);
        self.loads.release(endpoint);
        match says {
            Says::Text => return false,
            Says::Segment { connection, packet, change } => {
                let change = |bytes: &mut Vec<u8>| {
                    change.into_iter().for_each(|change| change.apply(bytes));
                };
                let which = (direction, connection);
                self.streams.receive(now, client, which, packet, change);
            }
            Says::Down(heard) => swarm.hear(now, client, heard, &mut FromSwarm(self)),
            Says::Up(_, from, _) if self.server_dead => self.harness.unread(now, from, message),
            Says::Up(datagram, endpoint, change) => {
                let mut text = std::mem::take(&mut self.text);
                let mut out = FromServer { message, ..FromServer::new(self, now) };
                let from = CLIENTS.address(endpoint);
                let peer = out.driver.seats.peer(endpoint);
                let short = match datagram {
                    _ if change.is_some() => None,
                    Datagram { session, act: Act::Heartbeat(number), .. } => {
                        Some(Packet { session, up: Up::Heartbeat(number) })
                    }
                    Datagram { session, act: Act::Ack(number), .. } => {
                        Some(Packet { session, up: Up::Ack(number) })
                    }
                    _ => None,
                };
                match short {
                    Some(packet) => server.handle(now, peer, from, packet, &mut out),
                    None => {
                        datagram.write(&mut text);
                        if let Some(change) = change {
                            change.apply(&mut text);
                        }
                        server.handle_datagram(now, peer, from, &text, &mut out);
                    }
                }
                self.text = text;
            }
        }
        true
    }

    /// Deals with all ends of connections to which something has happened, and what comes of that: all
    /// of it at once.
    pub(crate) fn settle(&mut self, now: Time, server: &mut Server, swarm: &mut Swarm) {
        while let Some(looked) = self.streams.look(now) {
            let Looked { client, side, number, packets, datagrams, dead, expected } = looked;
            let direction = if side == Side::Client { Direction::Up } else { Direction::Down };
            for packet in packets {
                self.carry_segment(now, direction, client, number, packet);
            }
            for datagram in datagrams {
                self.take_out(now, client, side, &datagram, server, swarm);
            }
            if dead {
                self.harness.severed(now, direction, client);
            }
            if dead && side == Side::Client && !expected {
                self.harness.record(now, Event::Disconnected { client });
                self.harness.severed(now, Direction::Down, client);
                self.streams.connect(now, client);
            }
        }
    }

    /// A datagram comes out of a stream at one of its ends.
    fn take_out(
        &mut self,
        now: Time,
        client: ClientId,
        side: Side,
        datagram: &[u8],
        server: &mut Server,
        swarm: &mut Swarm,
    ) {
        let message = self.harness.message(Tag::find(datagram));
        if side == Side::Client {
            self.harness.read(now, Direction::Down, client, message);
            if let Some(heard) = heed(Down::parse(datagram)) {
                swarm.hear(now, client, heard, &mut FromSwarm(self));
            }
        } else {
            let (peer, from) = (self.seats.peer(client), CLIENTS.address(client));
            let mut out = FromServer { message, ..FromServer::new(self, now) };
            server.handle_datagram(now, peer, from, datagram, &mut out);
            self.harness.read(now, Direction::Up, client, message);
        }
    }

    /// A segment enters the link of its client.
    fn carry_segment(
        &mut self,
        now: Time,
        direction: Direction,
        client: ClientId,
        connection: u32,
        packet: Vec<u8>,
    ) {
        let verdict = self.harness.segment(now, direction, client, packet.len());
        if verdict.arrival.is_err() {
            return;
        }
        let packet = self.streams.keep(packet, 1 + u32::from(verdict.copy().is_some()));
        let segment = |change| Says::Segment { connection, packet, change };
        self.carry(direction, client, &verdict, verdict.changes().map(segment), [None; 2]);
    }

    /// The server writes a datagram to a client that has a stream.
    fn write_down(&mut self, now: Time, client: ClientId, datagram: &[u8]) {
        if !self.streams.write(client, Side::Server, datagram) {
            // Nobody hears it any more.
            self.harness.severed(now, Direction::Down, client);
        }
    }

    /// Puts what a link lets through into the calendar; says how many arrivals that makes.
    #[inline]
    fn schedule(
        &mut self,
        direction: Direction,
        client: ClientId,
        verdict: &Verdict,
        load: u32,
    ) -> u32 {
        let Ok(at) = verdict.arrival else { return 0 };
        let arrival = Arrival::new(direction, client, verdict.index, load);
        self.arrivals.push(at, arrival);
        if let Some(at) = verdict.copy() {
            self.arrivals.push(at, arrival.copy(load));
        }
        1 + u32::from(verdict.copy().is_some())
    }

    /// Puts a datagram with loads of its own into the calendar, if its link lets it through: one
    /// for itself and its copy where they are alike, else one each.
    #[inline]
    fn carry(
        &mut self,
        direction: Direction,
        client: ClientId,
        verdict: &Verdict,
        says: [Says; 2],
        messages: [Option<MessageSlot>; 2],
    ) {
        let Ok(at) = verdict.arrival else { return };
        let load = |n: usize, uses| Load { says: says[n], message: messages[n], uses };
        if verdict.is_whole() {
            let endpoint = self.loads.add(load(0, 1 + u32::from(verdict.copy().is_some())));
            self.schedule(direction, client, verdict, endpoint);
            return;
        }
        let endpoint = self.loads.add(load(0, 1));
        let arrival = Arrival::new(direction, client, verdict.index, endpoint);
        self.arrivals.push(at, arrival);
        if let Some(at) = verdict.copy() {
            let load = self.loads.add(load(1, 1));
            self.arrivals.push(at, arrival.copy(load));
        }
    }

    /// The run is to stop at `now`, before its `last` moment: gives the first moment at which it can,
    /// when all that is in the books has happened.
    pub(crate) fn stop(&mut self, now: Time, last: Time) -> Time {
        if let Some(known) = &mut self.known_until {
            *known = now.max(self.harness.recorder.told_until()).min(last);
            return *known;
        }
        now
    }

    /// The run is over: what is still on the links is told to the books.
    pub(crate) fn finish(mut self, end: Time) -> Recorder {
        self.harness.leave_in_streams(end);
        for (_, arrival) in self.arrivals.iter() {
            let (direction, client) = (arrival.direction(), arrival.client());
            let load = self.loads.loads.get(arrival.load() as usize);
            let message = load.and_then(|load| load.message);
            self.harness.record(end, Event::InFlight { direction, client, message });
        }
        self.harness.recorder
    }
}

impl Driver for SimDriver {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
    }

    #[inline]
    fn launch(&mut self, sent: &Sent<'_>) {
        let Sent { client, datagram, messages, from, verdict } = sent;
        if datagram.is_bare_beat() && from == client && verdict.is_whole() {
            self.schedule(Direction::Up, *client, verdict, BEAT);
            return;
        }
        let changes = verdict.changes();
        let says = changes.map(|change| Says::Up(**datagram, *from, change));
        self.carry(Direction::Up, *client, verdict, says, *messages);
    }

    fn launch_beats(&mut self, beats: &[Transit]) {
        for Transit { client, index, arrival } in beats {
            if *arrival != Time::NEVER {
                self.arrivals.push(*arrival, Arrival::new(Direction::Up, *client, *index, BEAT));
            }
        }
    }

    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram) {
        let mut text = std::mem::take(&mut self.text);
        self.harness.write(client, datagram, &mut text);
        if !self.streams.write(client, Side::Client, &text) {
            self.harness.severed(planned, Direction::Up, client);
        }
        self.text = text;
    }

    fn connection(&mut self, at: Time, client: ClientId, life: Life) {
        match life {
            Life::Up => {
                for direction in Direction::BOTH {
                    self.harness.severed(at, direction, client);
                }
                self.streams.connect(at, client);
            }
            Life::Left => self.streams.close(client),
            Life::Crashed => self.streams.abandon(client),
        }
    }

    fn moved(&mut self, _: ClientId, _: EndpointId, _: EndpointId) {}
}

/// What the server does, in the simulator.
pub(crate) struct FromServer<'a> {
    driver: &'a mut SimDriver,
    now: Time,
    /// The message that the server is looking at.
    message: Option<MessageSlot>,
    /// The place that the last member left which has moved.
    left: EndpointId,
}

impl<'a> FromServer<'a> {
    pub(crate) fn new(driver: &'a mut SimDriver, now: Time) -> Self {
        FromServer { driver, now, message: None, left: 0 }
    }
}

impl ServerEffects for FromServer<'_> {
    fn send(&mut self, peer: PeerId, payload: &[u8], sending: Sending) {
        let FromServer { driver, now, message, .. } = self;
        let (now, direction) = (*now, Direction::Down);
        let endpoint = driver.seats.endpoint(peer);
        let down = Down::parse(payload);
        let message = match down {
            Down::Message { rest: text, .. } | Down::Value { data: text, .. } => {
                message.or_else(|| driver.harness.message(Tag::find(text)))
            }
            _ => None,
        };
        match sending {
            Sending::Once => {}
            Sending::First => driver.harness.record(now, Event::Held { message }),
            Sending::Again => driver.harness.retransmitted(now, endpoint),
        }
        if driver.harness.is_stream(endpoint) {
            driver.write_down(now, endpoint, payload);
            return;
        }
        let class = class_of(&down);
        let fallen = driver.harness.send_down(now, endpoint, payload, class, message);
        if let Some(SentDown { client, verdict, messages }) = fallen {
            let heard = driver.harness.heed(payload, &verdict);
            let says = heard.map(|heard| heard.map_or(Says::Text, Says::Down));
            driver.carry(direction, client, &verdict, says, messages);
        }
    }

    fn settled(&mut self, peer: PeerId, text: &[u8], end: AckEnd) {
        let SimDriver { harness, seats, .. } = &mut *self.driver;
        let message = harness.message(Tag::find(text));
        harness.settled(self.now, seats.endpoint(peer), message, end == AckEnd::Acked);
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        let FromServer { driver, now, message, .. } = self;
        let (now, message, direction) = (*now, *message, Direction::Down);
        let class = if payload == BYE { Class::Other } else { Class::Chat };
        if driver.seats.endpoints.is_empty() {
            driver.harness.broadcast(now, message, members);
        } else {
            let endpoints = members.iter().map(|peer| driver.seats.endpoint(peer)).collect();
            driver.harness.broadcast(now, message, &endpoints);
        }
        let load = driver.loads.add(Load { says: Says::Text, message, uses: 1 });
        let mut uses = 0;
        if let Some(last) = driver.known_until {
            let SimDriver { harness, arrivals, .. } = &mut **driver;
            harness.fan_out(now, payload.len(), message, to, last, |transit| {
                let Transit { client, index, arrival } = *transit;
                arrivals.push(arrival, Arrival::new(direction, client, index, load));
                uses += 1;
            });
            driver.loads.loads[load as usize].uses += uses;
            driver.loads.release(load);
            return;
        }
        for peer in to.iter() {
            let endpoint = driver.seats.endpoint(peer);
            if driver.harness.is_stream(endpoint) {
                driver.write_down(now, endpoint, payload);
                continue;
            }
            let fallen = driver.harness.send_down(now, endpoint, payload, class, message);
            let Some(SentDown { client, verdict, messages }) = fallen else { continue };
            if verdict.is_whole() {
                uses += driver.schedule(direction, client, &verdict, load);
            } else {
                let heard = driver.harness.heed(payload, &verdict);
                let says = heard.map(|heard| heard.map_or(Says::Text, Says::Down));
                driver.carry(direction, client, &verdict, says, messages);
            }
        }
        driver.loads.loads[load as usize].uses += uses;
        driver.loads.release(load);
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.left = self.driver.seats.endpoint(member);
        self.driver.seats.exchange(member, elsewhere);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        let SimDriver { harness, seats, .. } = &mut *self.driver;
        harness.note(self.now, seats.endpoint(peer), note, self.left, self.message);
    }
}
