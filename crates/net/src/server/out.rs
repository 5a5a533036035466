//! The effects of the core: told first and sent then, so that whoever hears a datagram can know of
//! it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;

use skipbeat_core::{ClientSet, Span, Time};
use skipbeat_protocol::Tag;
use skipbeat_server::{AckEnd, Note, PeerId, Sending, Server, ServerEffects};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;

use super::Shared;
use super::events::{ServerCounts, ServerEvent, Stats, Tell};
use crate::outgoing::{Flushed, Outgoing};
use crate::peers::{Known, Peers};
use crate::stream::{Frame, News, frame};
use crate::wire::MOST_SEGMENTS;
use skipbeat_sys::Clock;

/// Messages that are sent before the socket is read again.
const MESSAGES_AT_ONCE: usize = 4096;

/// The effects of the core, until they are flushed.
pub(super) struct Out {
    pub(super) now: Time,
    pub(super) clock: Clock,
    pub(super) peers: Peers,
    pub(super) queue: Outgoing,
    pub(super) events: Vec<ServerEvent>,
    pub(super) counts: ServerCounts,
    /// Who says what the core is looking at.
    speaker: Option<PeerId>,
    /// The text that the core is looking at, where it has a tag.
    tag: Option<Tag>,
    /// The address that the last member left which has moved.
    left: SocketAddr,
    /// The server's own address.
    pub(super) own: SocketAddr,
    pub(super) tell: Tell,
    pub(super) stats: Stats,
    /// It has said `bye`.
    pub(super) closing: bool,
    /// How long a text waits for others to go with it.
    linger: Span,
    /// When the first came of those that wait so.
    since: Time,
    /// The peers that have connections, and who writes to each.
    streams: BTreeMap<PeerId, UnboundedSender<Frame>>,
    /// Whose each connection is.
    whose: BTreeMap<u64, SocketAddr>,
}

impl Out {
    pub(super) fn new(
        clock: Clock,
        own: SocketAddr,
        known: Known,
        tell: Tell,
        queue: Outgoing,
        linger: Span,
    ) -> Self {
        Out {
            now: Time::ZERO,
            clock,
            peers: Peers::new(known),
            queue,
            events: Vec::new(),
            counts: ServerCounts::default(),
            speaker: None,
            tag: None,
            left: own,
            own,
            tell,
            stats: Stats::default(),
            closing: false,
            linger,
            since: Time::NEVER,
            streams: BTreeMap::new(),
            whose: BTreeMap::new(),
        }
    }

    /// Something happened to a connection: what came out of it goes to the core, as a datagram does.
    pub(super) fn hear_stream(&mut self, news: News<u64>, server: &mut Server, dead: bool) {
        match news {
            News::Open { who, address, writer } => {
                let (peer, _) = self.peers.of(address);
                self.streams.insert(peer, writer);
                self.whose.insert(who, address);
            }
            News::Came { who, at, datagram } => {
                let Some(peer) = self.whose.get(&who).copied() else { return };
                // It came before now, but nothing is told out of order.
                self.now = self.now.max(at);
                self.take(peer, &datagram, server, dead);
                let (at, tag) = (self.now, self.tag);
                self.events.push(ServerEvent::Read { at, peer, tag });
            }
            News::Over { who } => {
                let Some(address) = self.whose.remove(&who) else { return };
                let (peer, _) = self.peers.of(address);
                if self.streams.get(&peer).is_some_and(UnboundedSender::is_closed) {
                    self.streams.remove(&peer);
                }
            }
        }
    }

    /// A datagram came.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        payload: &[u8],
        server: &mut Server,
        dead: bool,
    ) {
        let (peer, _) = self.peers.of(from);
        add(&mut self.counts.received, peer, 1);
        self.take(from, payload, server, dead);
    }

    /// Hands what somebody says to the core, or only tells of it where that is dead.
    fn take(&mut self, from: SocketAddr, payload: &[u8], server: &mut Server, dead: bool) {
        let (peer, new) = self.peers.of(from);
        self.tag = Tag::find(payload);
        let (at, tag) = (self.now, self.tag);
        if dead {
            self.events.push(ServerEvent::Unread { at, peer: from, tag });
            return;
        }
        self.speaker = Some(peer);
        server.handle_datagram(at, peer, from, payload, self);
        self.speaker = None;
        // A run has its books by address; who only serves forgets who has left no trace.
        if new
            && self.tell == Tell::Notes
            && !server.keeps(peer)
            && self.peers.address(peer) == from
        {
            self.peers.forget(peer);
            server.forget(peer);
        }
    }

    /// Writes to those who have connections; gives the others.
    fn write_to_streams<'p>(&self, payload: &[u8], to: &'p ClientSet) -> Cow<'p, ClientSet> {
        if self.streams.is_empty() {
            return Cow::Borrowed(to);
        }
        let frame = frame(payload);
        let mut others = to.clone();
        for (peer, writer) in &self.streams {
            if others.remove(*peer) {
                // Whoever is gone hears nothing.
                let _ = writer.send(frame.clone());
            }
        }
        Cow::Owned(others)
    }

    /// A peer is no member any more, or has the address that one has left.
    fn left_behind(&mut self, peer: PeerId) {
        if self.tell == Tell::Notes {
            self.peers.leaves(peer);
        }
    }

    /// What was put into the queue begins to wait for company.
    fn queued(&mut self) {
        self.since = self.since.min(self.now);
    }

    /// When what waits is to go: at once if it is on its way already or there is enough of it.
    pub(super) fn goes_at(&self) -> Time {
        match self.since {
            _ if self.queue.is_going() || self.queue.coming() >= MOST_SEGMENTS => Time::ZERO,
            Time::NEVER => Time::NEVER,
            since => since + self.linger,
        }
    }

    /// Tells what happened: before anything of it is sent, so that whoever hears a datagram can know
    /// of it.
    pub(super) fn tell(&mut self, shared: &Shared) {
        if !self.events.is_empty() {
            let mut events = shared.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.append(&mut self.events);
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self, socket: &UdpSocket) -> Flushed {
        let Out { queue, peers, counts, .. } = self;
        let count = |peer, datagrams| add(&mut counts.sent, peer, datagrams);
        let flushed = queue.flush(socket, peers, MESSAGES_AT_ONCE, count);
        if self.queue.coming() == 0 {
            self.since = Time::NEVER;
        }
        flushed
    }

    /// Gives up what the socket has not taken.
    pub(super) fn give_up(&mut self) {
        let Out { queue, counts, .. } = self;
        let left = queue.give_up(|peer, datagrams| add(&mut counts.sent, peer, datagrams));
        self.counts.not_sent += left;
    }

    /// Datagrams that were not sent so far.
    pub(super) fn not_sent(&self) -> u64 {
        self.counts.not_sent + self.queue.overflowed + self.queue.sender.refused
    }
}

impl ServerEffects for Out {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        if self.tell == Tell::Everything {
            let (at, tag) = (self.now, Tag::find(payload));
            match sending {
                Sending::Once => {}
                Sending::First => self.events.push(ServerEvent::Held { at, tag }),
                Sending::Again => {
                    let peer = self.peers.address(to);
                    self.events.push(ServerEvent::Retransmitted { at, peer });
                }
            }
        }
        if let Some(writer) = self.streams.get(&to) {
            // Whoever is gone hears nothing.
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

    fn settled(&mut self, peer: PeerId, text: &[u8], end: AckEnd) {
        *(match end {
            AckEnd::Acked => &mut self.stats.acked,
            AckEnd::GivenUp => &mut self.stats.given_up,
        }) += 1;
        if self.tell == Tell::Everything {
            let (at, tag, acked) = (self.now, Tag::find(text), end == AckEnd::Acked);
            let peer = self.peers.address(peer);
            self.events.push(ServerEvent::Settled { at, peer, tag, acked });
        }
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        self.stats.broadcasts += 1;
        if self.tell == Tell::Everything {
            let (at, tag) = (self.now, Tag::find(payload));
            let (members, others) = self.peers.split(members);
            self.events.push(ServerEvent::Broadcast { at, tag, members, others });
        }
        let to = &self.write_to_streams(payload, to);
        if self.queue.text(payload, self.speaker, to) {
            self.queued();
        } else {
            to.iter().for_each(|peer| add(&mut self.counts.sent, peer, 1));
        }
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.left = self.peers.address(member);
        self.peers.exchange(member, elsewhere);
        self.left_behind(elsewhere);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
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
            self.left_behind(peer);
        }
        // Nobody reads a line for each of a thousand samples a second.
        if self.tell == Tell::Notes && matches!(note, Note::Taken | Note::Served) {
            return;
        }
        let (at, left, tag) = (self.now, self.left, self.tag);
        let peer = self.peers.address(peer);
        self.events.push(ServerEvent::Note { at, peer, left, note, tag });
    }
}

/// Counts so many more of a peer.
#[inline]
fn add(counts: &mut Vec<u64>, peer: PeerId, datagrams: u64) {
    let index = peer as usize;
    if index >= counts.len() {
        counts.resize(index + 1, 0);
    }
    counts[index] += datagrams;
}
