//! A server whose effects are logged, for tests that send it datagrams and check what it does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_server::{AckEnd, Note, Options, PeerId, Sending, Server, ServerEffects};

/// A time in milliseconds since the start.
pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

/// Records every effect of the server.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) notes: Vec<(PeerId, Note)>,
    pub(crate) broadcasts: Vec<(Vec<u8>, Vec<PeerId>)>,
    pub(crate) sent: Vec<(PeerId, Vec<u8>)>,
    pub(crate) settled: Vec<(PeerId, Vec<u8>, AckEnd)>,
    /// The peer at each port, for peers that have moved.
    seats: BTreeMap<u16, PeerId>,
}

impl ServerEffects for Log {
    fn send(&mut self, to: PeerId, payload: &[u8], _: Sending) {
        self.sent.push((to, payload.to_vec()));
    }
    fn settled(&mut self, to: PeerId, text: &[u8], end: AckEnd) {
        self.settled.push((to, text.to_vec(), end));
    }
    fn broadcast(&mut self, payload: &[u8], _: &ClientSet, to: &ClientSet) {
        self.broadcasts.push((payload.to_vec(), to.iter().collect()));
    }
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        let port = |peer| self.seats.iter().find(|(_, at)| **at == peer).map(|(port, _)| *port);
        let (old, new) = (port(member).unwrap_or(member as u16), port(elsewhere));
        self.seats.insert(old, elsewhere);
        self.seats.insert(new.unwrap_or(elsewhere as u16), member);
    }
    fn note(&mut self, peer: PeerId, note: Note) {
        self.notes.push((peer, note));
    }
}

/// A server and its effects. Peer n is at port 4000 + n until it exchanges its address.
pub(crate) struct Room {
    pub(crate) server: Server,
    pub(crate) log: Log,
}

impl Room {
    pub(crate) fn new(options: Options) -> Self {
        Room { server: Server::new(options, Seed(1)), log: Log::default() }
    }

    /// Sends the server a datagram from port 4000 + `port`.
    pub(crate) fn says(&mut self, millis: u64, port: u16, text: &[u8]) {
        let from = SocketAddr::from(([127, 0, 0, 1], 4000 + port));
        let peer = *self.log.seats.get(&port).unwrap_or(&PeerId::from(port));
        self.server.handle_datagram(at(millis), peer, from, text, &mut self.log);
    }

    /// Lets time pass, and returns the peers that are evicted. Clears the notes before.
    pub(crate) fn evicted(&mut self, now: Time) -> Vec<PeerId> {
        self.log.notes.clear();
        self.server.advance(now, &mut self.log);
        let evicted = self.log.notes.iter().filter(|(_, n)| matches!(n, Note::Evicted { .. }));
        evicted.map(|(peer, _)| *peer).collect()
    }
}
