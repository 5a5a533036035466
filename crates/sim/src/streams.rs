//! The TCP connections of clients in virtual time. Each has two ends, and the links carry the
//! segments between them as they carry datagrams.

use std::collections::{BTreeMap, BTreeSet};

use skipbeat_core::{Calendar, ClientId, Direction, Time, mix};
use skipbeat_stream::{ConnectionEnd, Endpoint, TcpOptions};

/// The connections of all clients.
#[derive(Debug, Default)]
pub(crate) struct SimStreams {
    connections: BTreeMap<ClientId, Connection>,
    /// Connections that were opened so far.
    opened: u32,
    seed: u64,
    /// When ends have something to do, with the number of their connection.
    deadlines: Calendar<(ClientId, ConnectionEnd, u32)>,
    /// The ends to which something has happened since they were last served.
    pending: BTreeSet<(ClientId, ConnectionEnd)>,
    packets: Packets,
    /// Whether the server has crashed, so that its ends are silent.
    server_dead: bool,
}

#[derive(Debug)]
struct Connection {
    /// Its number in the order of opening. An earlier connection of the same client may still have
    /// segments under way.
    number: u32,
    client: Endpoint,
    server: Endpoint,
    /// Whether the client is running; false once it has crashed.
    client_runs: bool,
    /// Whether the client has closed the connection.
    closing: bool,
    /// By side, the deadline that counts; earlier entries in the calendar are outdated.
    due: [Option<Time>; 2],
}

impl Connection {
    fn end(&mut self, side: ConnectionEnd) -> &mut Endpoint {
        match side {
            ConnectionEnd::Client => &mut self.client,
            ConnectionEnd::Server => &mut self.server,
        }
    }
}

/// What came of serving one end of a connection.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) client: ClientId,
    pub(crate) side: ConnectionEnd,
    /// The number of the connection.
    pub(crate) number: u32,
    /// IP packets to send.
    pub(crate) packets: Vec<Vec<u8>>,
    /// Datagrams that were received completely.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Whether the connection is over at this end.
    pub(crate) dead: bool,
    /// Whether that is no surprise to the client, since it has closed the connection or crashed.
    pub(crate) expected: bool,
}

/// IP packets under way, by slot, each with the number of copies that are still to arrive.
#[derive(Debug, Default)]
struct Packets {
    packets: Vec<(Vec<u8>, u32)>,
    free: Vec<u32>,
}

impl Packets {
    fn put(&mut self, packet: Vec<u8>, uses: u32) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.packets[slot as usize] = (packet, uses);
            return slot;
        }
        self.packets.push((packet, uses));
        self.packets.len() as u32 - 1
    }

    fn take(&mut self, slot: u32) -> Vec<u8> {
        let (packet, uses) = &mut self.packets[slot as usize];
        *uses -= 1;
        if *uses > 0 {
            return packet.clone();
        }
        self.free.push(slot);
        std::mem::take(packet)
    }
}

impl SimStreams {
    pub(crate) fn new(seed: u64) -> Self {
        SimStreams { seed, ..SimStreams::default() }
    }

    /// A client connects. Its earlier connection, if it had one, is dropped.
    pub(crate) fn connect(&mut self, now: Time, client: ClientId) {
        self.opened += 1;
        let number = self.opened;
        let open = |side, salt: u64| {
            let seed = mix(self.seed ^ mix(u64::from(number) << 1 | salt));
            Endpoint::open(now, side, seed, TcpOptions::default())
        };
        let connection = Connection {
            number,
            server: open(ConnectionEnd::Server, 0),
            client: open(ConnectionEnd::Client, 1),
            client_runs: true,
            closing: false,
            due: [None; 2],
        };
        self.connections.insert(client, connection);
        self.pending.insert((client, ConnectionEnd::Client));
    }

    /// A client closes its connection; what it has written is still sent.
    pub(crate) fn close(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.client.close();
            connection.closing = true;
            self.pending.insert((client, ConnectionEnd::Client));
        }
    }

    /// The server crashes.
    pub(crate) fn kill_server(&mut self) {
        self.server_dead = true;
    }

    /// A client crashes.
    pub(crate) fn abandon(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.client_runs = false;
        }
    }

    /// One side writes a datagram. Returns whether there is a connection that accepts it.
    pub(crate) fn write(&mut self, client: ClientId, side: ConnectionEnd, datagram: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&client) else { return false };
        if connection.end(side).is_dead() {
            return false;
        }
        connection.end(side).write(datagram);
        self.pending.insert((client, side));
        true
    }

    /// Keeps a packet until it has been received `uses` times. Returns its slot.
    pub(crate) fn keep(&mut self, packet: Vec<u8>, uses: u32) -> u32 {
        self.packets.put(packet, uses)
    }

    /// A packet arrives; `change` is what its link did to it.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        client: ClientId,
        (direction, number): (Direction, u32),
        slot: u32,
        change: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut packet = self.packets.take(slot);
        change(&mut packet);
        let side = match direction {
            Direction::Up => ConnectionEnd::Server,
            Direction::Down => ConnectionEnd::Client,
        };
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let runs = match side {
            ConnectionEnd::Client => connection.client_runs,
            ConnectionEnd::Server => !self.server_dead,
        };
        if connection.number == number && runs {
            connection.end(side).receive(now, packet);
            self.pending.insert((client, side));
        }
    }

    /// When an end may have something to do.
    pub(crate) fn next_deadline(&self) -> Time {
        self.deadlines.next_at().unwrap_or(Time::NEVER)
    }

    /// The ends whose deadlines have passed are served next.
    pub(crate) fn wake(&mut self, now: Time) {
        while let Some((at, (client, side, number))) = self.deadlines.pop_until(now) {
            let Some(connection) = self.connections.get_mut(&client) else { continue };
            let due = &mut connection.due[side as usize];
            if connection.number == number && *due == Some(at) {
                *due = None;
                self.pending.insert((client, side));
            }
        }
    }

    /// Serves the next end to which something has happened.
    pub(crate) fn serve_next(&mut self, now: Time) -> Option<Served> {
        loop {
            let (client, side) = self.pending.pop_first()?;
            let Some(connection) = self.connections.get_mut(&client) else { continue };
            let runs = match side {
                ConnectionEnd::Client => connection.client_runs,
                ConnectionEnd::Server => !self.server_dead,
            };
            if !runs {
                continue;
            }
            let number = connection.number;
            let expected = connection.closing || !connection.client_runs;
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
            return Some(Served { client, side, number, packets, datagrams, dead, expected });
        }
    }
}
