//! Connections of clients that talk TCP: a pair of ends for each, and what is under way between them
//! is segments, which the links carry as they do datagrams.

use std::collections::{BTreeMap, BTreeSet};

use skipbeat_core::{Calendar, ClientId, Direction, Time, mix};
use skipbeat_stream::{Endpoint, Side, TcpOptions};

/// The connections of all clients.
#[derive(Debug, Default)]
pub(crate) struct SimStreams {
    connections: BTreeMap<ClientId, Connection>,
    /// How many there were so far.
    opened: u32,
    seed: u64,
    deadlines: Calendar<(ClientId, Side, u32)>,
    /// The ends to which something happened since they were last looked at.
    touched: BTreeSet<(ClientId, Side)>,
    packets: Packets,
    /// The machine of the server is dead: its ends say nothing more.
    server_dead: bool,
}

/// A connection.
#[derive(Debug)]
struct Connection {
    /// Which one of all: an earlier one of the same client may still have segments under way.
    number: u32,
    client: Endpoint,
    server: Endpoint,
    /// Whether the client is there: it is not any more once it has crashed.
    attended: bool,
    /// Whether the client has asked for its end.
    closing: bool,
    /// When each end has something to do, as it stands in the calendar.
    due: [Option<Time>; 2],
}

impl Connection {
    fn end(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// What became of an end that was looked at.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) client: ClientId,
    pub(crate) side: Side,
    /// Which connection it was.
    pub(crate) number: u32,
    /// IP packets that it sends.
    pub(crate) packets: Vec<Vec<u8>>,
    /// Datagrams that came out of it.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Whether it is over.
    pub(crate) dead: bool,
    /// Whether the client wanted that, or is not there to mind.
    pub(crate) expected: bool,
}

/// IP packets under way, by number; a link may make two of one.
#[derive(Debug, Default)]
struct Packets {
    packets: Vec<(Vec<u8>, u32)>,
    free: Vec<u32>,
}

impl Packets {
    fn put(&mut self, packet: Vec<u8>, uses: u32) -> u32 {
        if let Some(endpoint) = self.free.pop() {
            self.packets[endpoint as usize] = (packet, uses);
            return endpoint;
        }
        self.packets.push((packet, uses));
        self.packets.len() as u32 - 1
    }

    fn take(&mut self, endpoint: u32) -> Vec<u8> {
        let (packet, uses) = &mut self.packets[endpoint as usize];
        *uses -= 1;
        if *uses > 0 {
            return packet.clone();
        }
        self.free.push(endpoint);
        std::mem::take(packet)
    }
}

impl SimStreams {
    pub(crate) fn new(seed: u64) -> Self {
        SimStreams { seed, ..SimStreams::default() }
    }

    /// A client connects, in the place of any earlier connection of its.
    pub(crate) fn connect(&mut self, now: Time, client: ClientId) {
        self.opened += 1;
        let number = self.opened;
        let open = |side, salt: u64| {
            let seed = mix(self.seed ^ mix(u64::from(number) << 1 | salt));
            Endpoint::open(now, side, seed, TcpOptions::default())
        };
        let connection = Connection {
            number,
            server: open(Side::Server, 0),
            client: open(Side::Client, 1),
            attended: true,
            closing: false,
            due: [None; 2],
        };
        self.connections.insert(client, connection);
        self.touched.insert((client, Side::Client));
    }

    /// A client ends its connection, after what it has written.
    pub(crate) fn close(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.client.close();
            connection.closing = true;
            self.touched.insert((client, Side::Client));
        }
    }

    /// The machine of the server dies.
    pub(crate) fn kill_server(&mut self) {
        self.server_dead = true;
    }

    /// A client is not there any more.
    pub(crate) fn abandon(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.attended = false;
        }
    }

    /// Somebody writes a datagram; says whether there is a connection that takes it.
    pub(crate) fn write(&mut self, client: ClientId, side: Side, datagram: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&client) else { return false };
        if connection.end(side).is_dead() {
            return false;
        }
        connection.end(side).write(datagram);
        self.touched.insert((client, side));
        true
    }

    /// Keeps a packet of a connection while links carry it so often.
    pub(crate) fn keep(&mut self, packet: Vec<u8>, uses: u32) -> u32 {
        self.packets.put(packet, uses)
    }

    /// A packet leaves its link; it may have been changed there.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        client: ClientId,
        (direction, number): (Direction, u32),
        endpoint: u32,
        change: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut packet = self.packets.take(endpoint);
        change(&mut packet);
        let side = match direction {
            Direction::Up => Side::Server,
            Direction::Down => Side::Client,
        };
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let there = match side {
            Side::Client => connection.attended,
            Side::Server => !self.server_dead,
        };
        if connection.number == number && there {
            connection.end(side).receive(now, packet);
            self.touched.insert((client, side));
        }
    }

    /// When some end has something to do. It may turn out to be nothing.
    pub(crate) fn next_deadline(&self) -> Time {
        self.deadlines.next_at().unwrap_or(Time::NEVER)
    }

    /// Ends whose time has come are looked at next.
    pub(crate) fn wake(&mut self, now: Time) {
        while let Some((at, (client, side, number))) = self.deadlines.pop_until(now) {
            let Some(connection) = self.connections.get_mut(&client) else { continue };
            let due = &mut connection.due[side as usize];
            if connection.number == number && *due == Some(at) {
                *due = None;
                self.touched.insert((client, side));
            }
        }
    }

    /// Looks at the next end to which something happened.
    pub(crate) fn look(&mut self, now: Time) -> Option<Looked> {
        loop {
            let (client, side) = self.touched.pop_first()?;
            let Some(connection) = self.connections.get_mut(&client) else { continue };
            let there = match side {
                Side::Client => connection.attended,
                Side::Server => !self.server_dead,
            };
            if !there {
                continue;
            }
            let number = connection.number;
            let expected = connection.closing || !connection.attended;
            let end = connection.end(side);
            end.advance(now);
            let packets = std::iter::from_fn(|| end.next_packet()).collect();
            let datagrams = std::iter::from_fn(|| end.next_datagram()).collect();
            let dead = end.is_dead();
            let next = end.next_deadline(now);
            let due = &mut connection.due[side as usize];
            if let Some(at) = next.filter(|at| due.is_none_or(|due| *at < due)) {
                *due = Some(at);
                self.deadlines.push(at, (client, side, number));
            }
            return Some(Looked { client, side, number, packets, datagrams, dead, expected });
        }
    }
}
