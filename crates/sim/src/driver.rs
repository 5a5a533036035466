//! Carries datagrams between swarm and server in virtual time: those that a link lets through wait
//! in a calendar until they arrive.

mod server_side;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use skipbeat_core::{AddressPlan, Calendar, ClientId, Direction, EndpointId, Life, Span, Time};
use skipbeat_harness::{Driver, FromServer, FromSwarm, Harness, Sent, ServerEvent, Tap, heard_in};
use skipbeat_link::{Change, Transit, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder};
use skipbeat_protocol::{DEFAULT_PORT, Down, Packet, Tag, Up};
use skipbeat_scenario::Plan;
use skipbeat_server::Server;
use skipbeat_stream::ConnectionEnd;
use skipbeat_swarm::{Act, ClientEvent, Datagram, GroupOptions, Swarm};

use crate::arrivals::{Arrival, BEAT, Load, Loads, Payload};
use crate::peers::PeerEndpoints;
use crate::streams::{Served, SimStreams};

/// The addresses of endpoints in virtual time, as the server sees them and captures show them.
pub const CLIENTS: AddressPlan =
    AddressPlan { first: AddressPlan::LOOPBACK, port: DEFAULT_PORT + 1 };
/// The address of the server in virtual time.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);

/// Carries datagrams between swarm and server.
pub(crate) struct SimDriver {
    pub(crate) harness: Harness,
    peers: PeerEndpoints,
    arrivals: Calendar<Arrival>,
    loads: Loads,
    text: Vec<u8>,
    pub(crate) streams: SimStreams,
    server_dead: bool,
    /// The last moment of the run, where texts can be recorded when they are sent because their
    /// arrival changes nothing (see [`texts_are_known`]).
    known_until: Option<Time>,
}

/// Whether the arrival of a text at a client changes nothing that happens later: clients do not
/// react and never move, no text is broadcast twice, links down are plain, and no figure depends on
/// the order of arrivals.
fn texts_are_known(plan: &Plan) -> bool {
    let moves = plan.events.iter().any(|event| event.happening == ClientEvent::Rebind);
    let mut groups = plan.groups.iter();
    !moves
        && !plan.swarm_options().may_react()
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
            peers: PeerEndpoints::default(),
            arrivals: Calendar::with_width(bucket),
            loads: Loads::default(),
            text: Vec::new(),
            streams: SimStreams::new(plan.seed),
            server_dead: false,
            known_until: known.then(|| plan.end() - Span::from_nanos(1)),
        }
    }

    /// Has the recorder keep every event.
    pub(crate) fn keep_log(&mut self) {
        self.harness.recorder.keep_log();
    }

    /// The time of the next arrival.
    #[inline]
    pub(crate) fn next_at(&self) -> Time {
        self.arrivals.next_at().unwrap_or(Time::NEVER)
    }

    /// The next arrival at or before `limit`. When that opens a bucket of the calendar, server and
    /// recorder prefetch what they will need for the arrivals in it.
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

    /// The server crashes.
    pub(crate) fn kill_server(&mut self, now: Time) {
        self.server_dead = true;
        self.streams.kill_server();
        self.harness.server_event(now, ServerEvent::Crashed);
    }

    /// Delivers an arrival to the server, the swarm or a connection. Returns whether it did, so
    /// that their next deadlines may have changed.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        now: Time,
        arrival: Arrival,
        server: &mut Server,
        swarm: &mut Swarm,
    ) -> bool {
        let (direction, client) = (arrival.direction(), arrival.client());
        let (index, copy, load) = (arrival.index(), arrival.is_copy(), arrival.load());
        let late = Span::ZERO;
        if load == BEAT {
            let event = Event::Arrived { direction, client, index, copy, late, message: None };
            self.harness.record(now, event);
            if self.server_dead {
                let unread = ServerEvent::Unread { peer: client, message: None };
                self.harness.server_event(now, unread);
                return false;
            }
            let peer = self.peers.peer(client);
            let from = CLIENTS.address(client);
            let beat = Packet { session: None, up: Up::Heartbeat(None) };
            server.handle(now, peer, from, beat, &mut FromServer::new(self, now));
            return true;
        }
        let Some(Load { payload, message, .. }) = self.loads.get(load) else { return false };
        let event = Event::Arrived { direction, client, index, copy, late, message };
        self.harness.record(now, event);
        self.loads.release(load);
        match payload {
            Payload::Text => return false,
            Payload::Segment { connection, packet, change } => {
                let change = |bytes: &mut Vec<u8>| {
                    change.into_iter().for_each(|change| change.apply(bytes));
                };
                self.streams.receive(now, client, (direction, connection), packet, change);
            }
            Payload::Down(heard) => swarm.hear(now, client, heard, &mut FromSwarm(self)),
            Payload::Up(_, from, _) if self.server_dead => {
                self.harness.server_event(now, ServerEvent::Unread { peer: from, message });
            }
            Payload::Up(datagram, from, change) => {
                self.hand_over(now, &datagram, from, change, message, server);
            }
        }
        true
    }

    /// Hands a datagram of a client to the server. Frequent kinds are handed over without writing
    /// and parsing their bytes.
    #[inline]
    fn hand_over(
        &mut self,
        now: Time,
        datagram: &Datagram,
        from: EndpointId,
        change: Option<Change>,
        message: Option<MessageSlot>,
        server: &mut Server,
    ) {
        let mut text = std::mem::take(&mut self.text);
        let (peer, address) = (self.peers.peer(from), CLIENTS.address(from));
        let mut out = FromServer::handling(self, now, message);
        let short = match *datagram {
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
            Some(packet) => server.handle(now, peer, address, packet, &mut out),
            None => {
                datagram.write(&mut text);
                if let Some(change) = change {
                    change.apply(&mut text);
                }
                server.handle_datagram(now, peer, address, &text, &mut out);
            }
        }
        self.text = text;
    }

    /// Serves all ends of connections to which something has happened, until none has anything left
    /// to do at this time.
    pub(crate) fn settle(&mut self, now: Time, server: &mut Server, swarm: &mut Swarm) {
        while let Some(served) = self.streams.serve_next(now) {
            let Served { client, side, number, packets, datagrams, dead, expected } = served;
            let direction =
                if side == ConnectionEnd::Client { Direction::Up } else { Direction::Down };
            for packet in packets {
                self.carry_segment(now, direction, client, number, packet);
            }
            for datagram in datagrams {
                self.take_out(now, client, side, &datagram, server, swarm);
            }
            if dead {
                self.harness.severed(now, direction, client);
            }
            if dead && side == ConnectionEnd::Client && !expected {
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
        side: ConnectionEnd,
        datagram: &[u8],
        server: &mut Server,
        swarm: &mut Swarm,
    ) {
        let message = self.harness.message(Tag::find(datagram));
        if side == ConnectionEnd::Client {
            self.harness.read(now, Direction::Down, client, message);
            if let Some(heard) = heard_in(&Down::parse(datagram)) {
                swarm.hear(now, client, heard, &mut FromSwarm(self));
            }
        } else {
            let (peer, from) = (self.peers.peer(client), CLIENTS.address(client));
            let mut out = FromServer::handling(self, now, message);
            server.handle_datagram(now, peer, from, datagram, &mut out);
            self.harness.server_event(now, ServerEvent::Read { peer: client, message });
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
        let segment = |change| Payload::Segment { connection, packet, change };
        self.carry(direction, client, &verdict, verdict.changes().map(segment), [None; 2]);
    }

    /// Puts a datagram and its copy into the calendar, as far as the link lets them through.
    /// Returns how many arrivals that makes.
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

    /// Does the same for a datagram that shares its load with no other. Its copy shares it unless
    /// the link has changed one of them.
    #[inline]
    fn carry(
        &mut self,
        direction: Direction,
        client: ClientId,
        verdict: &Verdict,
        payloads: [Payload; 2],
        messages: [Option<MessageSlot>; 2],
    ) {
        let Ok(at) = verdict.arrival else { return };
        let load = |n: usize, uses| Load { payload: payloads[n], message: messages[n], uses };
        if verdict.is_whole() {
            let slot = self.loads.add(load(0, 1 + u32::from(verdict.copy().is_some())));
            self.schedule(direction, client, verdict, slot);
            return;
        }
        let slot = self.loads.add(load(0, 1));
        let arrival = Arrival::new(direction, client, verdict.index, slot);
        self.arrivals.push(at, arrival);
        if let Some(at) = verdict.copy() {
            let slot = self.loads.add(load(1, 1));
            self.arrivals.push(at, arrival.copy(slot));
        }
    }

    /// Ends the run at `now`, before its `last` moment, or as soon as possible after that:
    /// everything that is recorded ahead of time has to happen first. Returns the last moment of
    /// the run.
    pub(crate) fn stop(&mut self, now: Time, last: Time) -> Time {
        if let Some(known) = &mut self.known_until {
            *known = now.max(self.harness.recorder.told_until()).min(last);
            return *known;
        }
        now
    }

    /// The run is over: records what is still on the links and in streams.
    pub(crate) fn finish(mut self, end: Time) -> Recorder {
        self.harness.leave_in_streams(end);
        for (_, arrival) in self.arrivals.iter() {
            let (direction, client) = (arrival.direction(), arrival.client());
            let message = self.loads.get(arrival.load()).and_then(|load| load.message);
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
        let payloads = verdict.changes().map(|change| Payload::Up(**datagram, *from, change));
        self.carry(Direction::Up, *client, verdict, payloads, *messages);
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
        if !self.streams.write(client, ConnectionEnd::Client, &text) {
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
