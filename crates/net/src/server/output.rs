//! What the server core does: reported first and sent afterwards, so that the swarm knows of a
//! datagram before it reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;

use skipbeat_core::{ClientSet, Span, Time};
use skipbeat_harness::{FromServer, ServerDriver, ServerEvent};
use skipbeat_protocol::Tag;
use skipbeat_server::{Note, PeerId, Server};
use skipbeat_sys::Clock;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;

use super::Shared;
use super::events::{Report, Reporting, ServerCounts, Stats};
use crate::outgoing::{Flushed, Outgoing};
use crate::peers::{Known, Peers};
use crate::stream::{Frame, StreamEvent, frame};
use crate::wire::MOST_SEGMENTS;

/// About how many messages are sent before the socket is read again.
const MESSAGES_AT_ONCE: usize = 4096;

/// Takes what the core does, until it is reported and sent.
pub(super) struct Output {
    pub(super) now: Time,
    pub(super) clock: Clock,
    pub(super) peers: Peers,
    pub(super) queue: Outgoing,
    pub(super) reports: Vec<Report>,
    pub(super) counts: ServerCounts,
    /// The peer whose datagram the core is handling.
    speaker: Option<PeerId>,
    /// The server's own address.
    pub(super) own: SocketAddr,
    pub(super) reporting: Reporting,
    pub(super) stats: Stats,
    /// Whether it has sent `bye` and is about to end.
    pub(super) closing: bool,
    /// How long a text waits for others that can be sent together with it.
    linger: Span,
    /// When the oldest waiting text was queued.
    oldest: Time,
    /// The connections of peers that have one.
    streams: BTreeMap<PeerId, UnboundedSender<Frame>>,
    /// By number of the connection, the address of the peer.
    addresses: BTreeMap<u64, SocketAddr>,
}

impl Output {
    pub(super) fn new(
        clock: Clock,
        own: SocketAddr,
        known: Known,
        reporting: Reporting,
        queue: Outgoing,
        linger: Span,
    ) -> Self {
        Output {
            now: Time::ZERO,
            clock,
            peers: Peers::new(known),
            queue,
            reports: Vec::new(),
            counts: ServerCounts::default(),
            speaker: None,
            own,
            reporting,
            stats: Stats::default(),
            closing: false,
            linger,
            oldest: Time::NEVER,
            streams: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    /// Something happened to a connection. What came out of it goes to the core, like a datagram.
    pub(super) fn handle_stream(
        &mut self,
        event: StreamEvent<u64>,
        server: &mut Server,
        dead: bool,
    ) {
        match event {
            StreamEvent::Opened { id, address, writer } => {
                let (peer, _) = self.peers.of(address);
                self.streams.insert(peer, writer);
                self.addresses.insert(id, address);
            }
            StreamEvent::Received { id, at, datagram } => {
                let Some(peer) = self.addresses.get(&id).copied() else { return };
                // It may have come earlier, but reports are in order.
                self.now = self.now.max(at);
                let message = self.handle(peer, &datagram, server, dead);
                self.reports.push(Report::Event(self.now, ServerEvent::Read { peer, message }));
            }
            StreamEvent::Ended { id } => {
                let Some(address) = self.addresses.remove(&id) else { return };
                let (peer, _) = self.peers.of(address);
                if self.streams.get(&peer).is_some_and(UnboundedSender::is_closed) {
                    self.streams.remove(&peer);
                }
            }
        }
    }

    /// A datagram was received.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        payload: &[u8],
        server: &mut Server,
        dead: bool,
    ) {
        let (peer, _) = self.peers.of(from);
        add(&mut self.counts.received, peer, 1);
        self.handle(from, payload, server, dead);
    }

    /// Hands a datagram to the core, or only reports it if the server has crashed. Returns the
    /// message in it.
    fn handle(
        &mut self,
        from: SocketAddr,
        payload: &[u8],
        server: &mut Server,
        dead: bool,
    ) -> Option<Tag> {
        let (peer, new) = self.peers.of(from);
        let (at, message) = (self.now, self.message(payload));
        if dead {
            let unread = ServerEvent::Unread { peer: from, message };
            self.reports.push(Report::Event(at, unread));
            return message;
        }
        self.speaker = Some(peer);
        let mut effects = FromServer::handling(self, at, message);
        server.handle_datagram(at, peer, from, payload, &mut effects);
        self.speaker = None;
        // A run counts by peer. Without one, a peer that means nothing to the core is forgotten.
        if new
            && self.reporting == Reporting::Notes
            && !server.keeps(peer)
            && self.peers.address(peer) == from
        {
            self.peers.forget(peer);
            server.forget(peer);
        }
        message
    }

    /// Writes a text to those peers that have connections. Returns the others.
    fn write_to_streams<'p>(&self, payload: &[u8], to: &'p ClientSet) -> Cow<'p, ClientSet> {
        if self.streams.is_empty() {
            return Cow::Borrowed(to);
        }
        let frame = frame(payload);
        let mut others = to.clone();
        for (peer, writer) in &self.streams {
            if others.remove(*peer) {
                // If the connection has ended, nobody is there to hear it.
                let _ = writer.send(frame.clone());
            }
        }
        Cow::Owned(others)
    }

    /// A peer is no longer a member, or has an address that a member has left.
    fn no_longer_member(&mut self, peer: PeerId) {
        if self.reporting == Reporting::Notes {
            self.peers.remember_former(peer);
        }
    }

    fn count_note(&mut self, peer: PeerId, note: Note) {
        match note {
            Note::Joined => self.stats.joins += 1,
            Note::Quit => self.stats.quits += 1,
            Note::Evicted { .. } => self.stats.evictions += 1,
            Note::Moved => self.stats.moved += 1,
            Note::Repeated => self.stats.repeated += 1,
            Note::Taken => self.stats.taken += 1,
            Note::Served => self.stats.served += 1,
            Note::Refused(cause) => *self.stats.refused.entry(cause.name()).or_default() += 1,
        }
        if matches!(note, Note::Quit | Note::Evicted { .. }) {
            self.no_longer_member(peer);
        }
    }

    /// Something was queued.
    fn queued(&mut self) {
        self.oldest = self.oldest.min(self.now);
    }

    /// When the queue has to be flushed: at once if part of it is being sent already or there is
    /// enough for a full message, else when the oldest text has waited for long enough.
    pub(super) fn flush_at(&self) -> Time {
        match self.oldest {
            _ if self.queue.is_sending() || self.queue.collected() >= MOST_SEGMENTS => Time::ZERO,
            Time::NEVER => Time::NEVER,
            oldest => oldest + self.linger,
        }
    }

    /// Hands the reports over. Has to be called before [`Output::flush`], so that the swarm knows
    /// of a datagram before it reads it.
    pub(super) fn report(&mut self, shared: &Shared) {
        if !self.reports.is_empty() {
            let mut reports = shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.append(&mut self.reports);
        }
    }

    /// Sends what is queued, until the send buffer is full.
    pub(super) fn flush(&mut self, socket: &UdpSocket) -> Flushed {
        let Output { queue, peers, counts, .. } = self;
        let count = |peer, datagrams| add(&mut counts.sent, peer, datagrams);
        let flushed = queue.flush(socket, peers, MESSAGES_AT_ONCE, count);
        if self.queue.collected() == 0 {
            self.oldest = Time::NEVER;
        }
        flushed
    }

    /// Discards what is queued and counts it as not sent.
    pub(super) fn give_up(&mut self) {
        let Output { queue, counts, .. } = self;
        let left = queue.give_up(|peer, datagrams| add(&mut counts.sent, peer, datagrams));
        self.counts.not_sent += left;
    }

    /// Datagrams that could not be sent so far.
    pub(super) fn not_sent(&self) -> u64 {
        self.counts.not_sent + self.queue.overflowed + self.queue.sender.refused
    }
}

impl ServerDriver for Output {
    type Message = Tag;

    fn message(&self, text: &[u8]) -> Option<Tag> {
        if self.reporting == Reporting::Everything { Tag::find(text) } else { None }
    }

    fn record(&mut self, at: Time, event: ServerEvent<PeerId, Tag>) {
        match event {
            ServerEvent::Note { peer, note, .. } => self.count_note(peer, note),
            ServerEvent::Settled { acked: true, .. } => self.stats.acked += 1,
            ServerEvent::Settled { acked: false, .. } => self.stats.given_up += 1,
            _ => {}
        }
        let wanted = match event {
            _ if self.reporting == Reporting::Everything => true,
            // Nobody reads a line for each of a thousand samples a second.
            ServerEvent::Note { note: Note::Taken | Note::Served, .. } => false,
            ServerEvent::Note { .. } => true,
            _ => false,
        };
        if wanted {
            let event = event.map(|peer| Some(self.peers.address(peer)), Some);
            self.reports.extend(event.map(|event| Report::Event(at, event)));
        }
    }

    fn send(&mut self, _: Time, to: PeerId, payload: &[u8], _: Option<Tag>) {
        if let Some(writer) = self.streams.get(&to) {
            // If the connection has ended, nobody is there to hear it.
            let _ = writer.send(frame(payload));
            return;
        }
        let address = self.peers.address(to);
        if self.queue.single(payload, to, address) {
            self.queued();
        } else {
            add(&mut self.counts.sent, to, 1);
        }
    }

    fn broadcast(
        &mut self,
        at: Time,
        payload: &[u8],
        tag: Option<Tag>,
        members: &ClientSet,
        to: &ClientSet,
    ) {
        self.stats.broadcasts += 1;
        if self.reporting == Reporting::Everything {
            let (members, others) = self.peers.split(members);
            self.reports.push(Report::Broadcast { at, tag, members, others });
        }
        let to = &self.write_to_streams(payload, to);
        if self.queue.text(payload, self.speaker, to) {
            self.queued();
        } else {
            to.iter().for_each(|peer| add(&mut self.counts.sent, peer, 1));
        }
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.peers.exchange(member, elsewhere);
        self.no_longer_member(elsewhere);
    }
}

/// Adds datagrams to the count of a peer.
#[inline]
fn add(counts: &mut Vec<u64>, peer: PeerId, datagrams: u64) {
    let index = peer as usize;
    if index >= counts.len() {
        counts.resize(index + 1, 0);
    }
    counts[index] += datagrams;
}
