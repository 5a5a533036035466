//! What carries datagrams in virtual time: the tunnel and the calendar of arrivals.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use skipbeat_core::{
    AddressPlan, Calendar, ClientId, ClientSet, Direction, Life, Place, Span, Time,
};
use skipbeat_link::{Change, Class, Flight, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder};
use skipbeat_protocol::{BYE, DEFAULT_PORT, Down, Packet, Tag, Up};
use skipbeat_scenario::Plan;
use skipbeat_server::{Effects, Note, PeerId, Sending, Server, Settled};
use skipbeat_stream::Side;
use skipbeat_swarm::{Act, Datagram, GroupOptions, Happening, Heard, Swarm};
use skipbeat_tunnel::{Carry, Fallen, FromSwarm, Sent, Tap, Tunnel, class_of, heed};

use crate::streams::{Looked, Streams};

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
    Up(Datagram, Place, Option<Change>),
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
        if let Some(place) = self.free.pop() {
            self.loads[place as usize] = load;
            return place;
        }
        self.loads.push(load);
        self.loads.len() as u32 - 1
    }

    fn release(&mut self, place: u32) {
        let load = &mut self.loads[place as usize];
        load.uses -= 1;
        if load.uses == 0 {
            self.free.push(place);
        }
    }
}

/// Where the server's peers are: each at the place of its own number, but for those that have
/// exchanged their places.
#[derive(Debug, Default)]
struct Seats {
    places: BTreeMap<PeerId, Place>,
    peers: BTreeMap<Place, PeerId>,
}

impl Seats {
    #[inline]
    fn place(&self, peer: PeerId) -> Place {
        if self.places.is_empty() { peer } else { *self.places.get(&peer).unwrap_or(&peer) }
    }

    #[inline]
    fn peer(&self, place: Place) -> PeerId {
        if self.peers.is_empty() { place } else { *self.peers.get(&place).unwrap_or(&place) }
    }

    fn exchange(&mut self, a: PeerId, b: PeerId) {
        let (at_a, at_b) = (self.place(a), self.place(b));
        for (peer, place) in [(a, at_b), (b, at_a)] {
            self.places.insert(peer, place);
            self.peers.insert(place, peer);
        }
    }
}

pub(crate) struct Carrier {
    pub(crate) tunnel: Tunnel,
    seats: Seats,
    arrivals: Calendar<Arrival>,
    loads: Loads,
    text: Vec<u8>,
    pub(crate) streams: Streams,
    server_dead: bool,
    /// Where the arrival of a text at a client has no effect but in the books: the last moment of
    /// the run. Texts are accounted for when they are sent then, and wait for nothing.
    known_until: Option<Time>,
}

/// Whether the arrival of a text at a client has no effect but in the books, whatever happens:
/// clients heed nothing and stay where they are, no text is told twice, links down are plain, and
/// nothing that is counted depends on the order of arrivals.
fn texts_are_known(plan: &Plan) -> bool {
    let moves = plan.events.iter().any(|event| event.happening == Happening::Rebind);
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

impl Carrier {
    pub(crate) fn new(plan: &Plan, tap: Option<Box<dyn Tap>>, bucket: u32) -> Self {
        let known = tap.is_none() && texts_are_known(plan);
        let mut tunnel = Tunnel::new(plan);
        tunnel.tap = tap;
        Carrier {
            tunnel,
            seats: Seats::default(),
            arrivals: Calendar::with_width(bucket),
            loads: Loads::default(),
            text: Vec::new(),
            streams: Streams::new(plan.seed),
            server_dead: false,
            known_until: known.then(|| plan.end() - Span::from_nanos(1)),
        }
    }

    /// Keeps every event.
    pub(crate) fn keep_log(&mut self) {
        self.tunnel.recorder.keep_log();
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
                self.tunnel.recorder.expect(soon);
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
        self.tunnel.record(now, Event::ServerCrashed);
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
        let (index, copy, place) = (arrival.index, arrival.is_copy(), arrival.load());
        let late = Span::ZERO;
        if place == BEAT {
            let event = Event::Arrived { direction, client, index, copy, late, message: None };
            self.tunnel.record(now, event);
            if self.server_dead {
                self.tunnel.unread(now, client, None);
                return false;
            }
            let peer = self.seats.peer(client);
            let from = CLIENTS.address(client);
            let beat = Packet { session: None, up: Up::Heartbeat(None) };
            server.handle(now, peer, from, beat, &mut FromServer::new(self, now));
            return true;
        }
        let Load { says, message, .. } = self.loads.loads[place as usize];
        let event = Event::Arrived { direction, client, index, copy, late, message };
        self.tunnel.record(now, event);
        self.loads.release(place);
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
            Says::Up(_, from, _) if self.server_dead => self.tunnel.unread(now, from, message),
            Says::Up(datagram, place, change) => {
                let mut text = std::mem::take(&mut self.text);
                let mut out = FromServer { message, ..FromServer::new(self, now) };
                let from = CLIENTS.address(place);
                let peer = out.carrier.seats.peer(place);
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
                self.tunnel.severed(now, direction, client);
            }
            if dead && side == Side::Client && !expected {
                self.tunnel.record(now, Event::Disconnected { client });
                self.tunnel.severed(now, Direction::Down, client);
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
        let message = self.tunnel.message(Tag::find(datagram));
        if side == Side::Client {
            self.tunnel.read(now, Direction::Down, client, message);
            if let Some(heard) = heed(Down::parse(datagram)) {
                swarm.hear(now, client, heard, &mut FromSwarm(self));
            }
        } else {
            let (peer, from) = (self.seats.peer(client), CLIENTS.address(client));
            let mut out = FromServer { message, ..FromServer::new(self, now) };
            server.handle_datagram(now, peer, from, datagram, &mut out);
            self.tunnel.read(now, Direction::Up, client, message);
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
        let verdict = self.tunnel.segment(now, direction, client, packet.len());
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
            self.tunnel.severed(now, Direction::Down, client);
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
            let place = self.loads.add(load(0, 1 + u32::from(verdict.copy().is_some())));
            self.schedule(direction, client, verdict, place);
            return;
        }
        let place = self.loads.add(load(0, 1));
        let arrival = Arrival::new(direction, client, verdict.index, place);
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
            *known = now.max(self.tunnel.recorder.told_until()).min(last);
            return *known;
        }
        now
    }

    /// The run is over: what is still on the links is told to the books.
    pub(crate) fn finish(mut self, end: Time) -> Recorder {
        self.tunnel.leave_in_streams(end);
        for (_, arrival) in self.arrivals.iter() {
            let (direction, client) = (arrival.direction(), arrival.client());
            let load = self.loads.loads.get(arrival.load() as usize);
            let message = load.and_then(|load| load.message);
            self.tunnel.record(end, Event::InFlight { direction, client, message });
        }
        self.tunnel.recorder
    }
}

impl Carry for Carrier {
    fn tunnel(&mut self) -> &mut Tunnel {
        &mut self.tunnel
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

    fn launch_beats(&mut self, beats: &[Flight]) {
        for Flight { client, index, arrival } in beats {
            if *arrival != Time::NEVER {
                self.arrivals.push(*arrival, Arrival::new(Direction::Up, *client, *index, BEAT));
            }
        }
    }

    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram) {
        let mut text = std::mem::take(&mut self.text);
        self.tunnel.write(client, datagram, &mut text);
        if !self.streams.write(client, Side::Client, &text) {
            self.tunnel.severed(planned, Direction::Up, client);
        }
        self.text = text;
    }

    fn connection(&mut self, at: Time, client: ClientId, life: Life) {
        match life {
            Life::Up => {
                for direction in Direction::BOTH {
                    self.tunnel.severed(at, direction, client);
                }
                self.streams.connect(at, client);
            }
            Life::Left => self.streams.close(client),
            Life::Crashed => self.streams.abandon(client),
        }
    }

    fn moved(&mut self, _: ClientId, _: Place, _: Place) {}
}

/// What the server does, in the simulator.
pub(crate) struct FromServer<'a> {
    carrier: &'a mut Carrier,
    now: Time,
    /// The message that the server is looking at.
    message: Option<MessageSlot>,
    /// The place that the last member left which has moved.
    left: Place,
}

impl<'a> FromServer<'a> {
    pub(crate) fn new(carrier: &'a mut Carrier, now: Time) -> Self {
        FromServer { carrier, now, message: None, left: 0 }
    }
}

impl Effects for FromServer<'_> {
    fn send(&mut self, peer: PeerId, payload: &[u8], sending: Sending) {
        let FromServer { carrier, now, message, .. } = self;
        let (now, direction) = (*now, Direction::Down);
        let place = carrier.seats.place(peer);
        let down = Down::parse(payload);
        let message = match down {
            Down::Message { rest: text, .. } | Down::Value { data: text, .. } => {
                message.or_else(|| carrier.tunnel.message(Tag::find(text)))
            }
            _ => None,
        };
        match sending {
            Sending::Once => {}
            Sending::First => carrier.tunnel.record(now, Event::Held { message }),
            Sending::Again => carrier.tunnel.retransmitted(now, place),
        }
        if carrier.tunnel.is_stream(place) {
            carrier.write_down(now, place, payload);
            return;
        }
        let class = class_of(&down);
        let fallen = carrier.tunnel.send_down(now, place, payload, class, message);
        if let Some(Fallen { client, verdict, messages }) = fallen {
            let heard = carrier.tunnel.heed(payload, &verdict);
            let says = heard.map(|heard| heard.map_or(Says::Text, Says::Down));
            carrier.carry(direction, client, &verdict, says, messages);
        }
    }

    fn settled(&mut self, peer: PeerId, text: &[u8], end: Settled) {
        let Carrier { tunnel, seats, .. } = &mut *self.carrier;
        let message = tunnel.message(Tag::find(text));
        tunnel.settled(self.now, seats.place(peer), message, end == Settled::Acked);
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        let FromServer { carrier, now, message, .. } = self;
        let (now, message, direction) = (*now, *message, Direction::Down);
        let class = if payload == BYE { Class::Other } else { Class::Chat };
        if carrier.seats.places.is_empty() {
            carrier.tunnel.broadcast(now, message, members);
        } else {
            let places = members.iter().map(|peer| carrier.seats.place(peer)).collect();
            carrier.tunnel.broadcast(now, message, &places);
        }
        let load = carrier.loads.add(Load { says: Says::Text, message, uses: 1 });
        let mut uses = 0;
        if let Some(last) = carrier.known_until {
            let Carrier { tunnel, arrivals, .. } = &mut **carrier;
            tunnel.fan_out(now, payload.len(), message, to, last, |flight| {
                let Flight { client, index, arrival } = *flight;
                arrivals.push(arrival, Arrival::new(direction, client, index, load));
                uses += 1;
            });
            carrier.loads.loads[load as usize].uses += uses;
            carrier.loads.release(load);
            return;
        }
        for peer in to.iter() {
            let place = carrier.seats.place(peer);
            if carrier.tunnel.is_stream(place) {
                carrier.write_down(now, place, payload);
                continue;
            }
            let fallen = carrier.tunnel.send_down(now, place, payload, class, message);
            let Some(Fallen { client, verdict, messages }) = fallen else { continue };
            if verdict.is_whole() {
                uses += carrier.schedule(direction, client, &verdict, load);
            } else {
                let heard = carrier.tunnel.heed(payload, &verdict);
                let says = heard.map(|heard| heard.map_or(Says::Text, Says::Down));
                carrier.carry(direction, client, &verdict, says, messages);
            }
        }
        carrier.loads.loads[load as usize].uses += uses;
        carrier.loads.release(load);
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.left = self.carrier.seats.place(member);
        self.carrier.seats.exchange(member, elsewhere);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        let Carrier { tunnel, seats, .. } = &mut *self.carrier;
        tunnel.note(self.now, seats.place(peer), note, self.left, self.message);
    }
}
