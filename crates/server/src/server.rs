//! The server core: members, their datagrams, their timers.

mod membership;
mod texts;

use std::net::SocketAddr;

use skipbeat_core::{ClientSet, PREFETCH, Seed, Time, prefetch};
use skipbeat_protocol::{AckEnd, Join, Packet, Refusal, Up, write_ack, write_value};

use crate::acks::Acks;
use crate::admission::{Cookies, Meter};
use crate::detector::{Detector, Sign, build};
use crate::session::Sessions;
use crate::timers::{Due, Timers};
use crate::{Mechanism, Note, Options, PeerId, RefusalCause, Sending, ServerEffects};

/// The server core. Its state is kept in arrays by peer: the last sign of life, a bit for
/// membership, a bit for banishment, the state of the detector, and a timer if deadlines are exact.
///
/// ```
/// use skipbeat_core::{ClientSet, Span, Time};
/// use skipbeat_server::{AckEnd, Note, Options, PeerId, Sending, Server, ServerEffects};
///
/// /// Prints what happens to peers; a driver would send datagrams too.
/// #[derive(Default)]
/// struct Log(Vec<(PeerId, Note)>);
///
/// impl ServerEffects for Log {
///     fn send(&mut self, _: PeerId, _: &[u8], _: Sending) {}
///     fn broadcast(&mut self, _: &[u8], _: &ClientSet, _: &ClientSet) {}
///     fn settled(&mut self, _: PeerId, _: &[u8], _: AckEnd) {}
///     fn exchange(&mut self, _: PeerId, _: PeerId) {}
///     fn note(&mut self, peer: PeerId, note: Note) {
///         self.0.push((peer, note));
///     }
/// }
///
/// let mut server = Server::new(Options::default(), skipbeat_core::Seed(1));
/// let mut log = Log::default();
/// let address = "127.0.0.1:4000".parse().unwrap();
/// server.handle_datagram(Time::ZERO, 0, address, b"^hb^", &mut log);
/// // Peer 0 stays silent for longer than the timeout of 10 s.
/// server.advance(Time::ZERO + Span::from_secs(11), &mut log);
/// let silence = Span::from_secs(11);
/// assert_eq!(log.0, [(0, Note::Joined), (0, Note::Evicted { silence })]);
/// ```
#[derive(Debug)]
pub struct Server {
    options: Options,
    members: ClientSet,
    /// Evicted peers that must join explicitly (sticky rejoin only).
    banished: ClientSet,
    last_seen: Vec<Time>,
    /// The number of the next datagram to each peer that has to be acked.
    numbers: Vec<u32>,
    /// The highest of those numbers. A new member begins there, so that an address that was
    /// forgotten and comes back gets numbers that it has not seen.
    highest_number: u32,
    detector: Box<dyn Detector>,
    /// Whether a sign of life never moves a deadline to an earlier time.
    only_defers: bool,
    timers: Timers,
    acks: Acks,
    sessions: Sessions,
    cookies: Cookies,
    /// The peer that is being admitted, since its proof was accepted.
    admitted: Option<PeerId>,
    meter: Meter,
    text: Vec<u8>,
    numbered: Vec<u8>,
    entries: Vec<(Time, PeerId)>,
}

impl Server {
    /// A server without members. The phases of the periodic look and of heartbeats are drawn from
    /// the seed. It is also the secret of cookies and of the tokens of sessions.
    pub fn new(options: Options, seed: Seed) -> Self {
        let detector = build(options.detector, options.timeout);
        Server {
            timers: Timers::new(&options, seed),
            only_defers: detector.only_defers(),
            detector,
            options,
            members: ClientSet::new(),
            banished: ClientSet::new(),
            last_seen: Vec::new(),
            numbers: Vec::new(),
            highest_number: 0,
            acks: Acks::default(),
            sessions: Sessions::new(seed),
            cookies: Cookies::new(seed),
            admitted: None,
            meter: Meter::default(),
            text: Vec::new(),
            numbered: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// The members.
    pub fn members(&self) -> &ClientSet {
        &self.members
    }

    /// When a member last gave a sign of life.
    pub fn last_seen(&self, peer: PeerId) -> Option<Time> {
        self.members.contains(peer).then(|| self.last_seen[peer as usize])
    }

    /// Whether the server keeps state for a peer. If it does not, the driver may give the id of the
    /// peer to another address, after a call of [`Server::forget`].
    pub fn keeps(&self, peer: PeerId) -> bool {
        self.members.contains(peer) || self.banished.contains(peer)
    }

    /// The id of a peer will be given to another address. The peer must not be a member.
    pub fn forget(&mut self, peer: PeerId) {
        debug_assert!(!self.members.contains(peer), "a member is not forgotten");
        self.banished.remove(peer);
        self.acks.forget_sequence(peer);
        self.meter.forget(peer);
    }

    /// The last moment at which a member is not yet suspected.
    pub fn deadline(&self, peer: PeerId) -> Option<Time> {
        let last_seen = self.last_seen(peer)?;
        Some(self.detector.deadline(peer, last_seen))
    }

    /// Handles a datagram as it came from the socket; otherwise as [`Server::handle`].
    pub fn handle_datagram(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl ServerEffects,
    ) {
        match Packet::parse(datagram, self.options.max_datagram) {
            Ok(packet) => self.handle(now, peer, from, packet, out),
            Err(Refusal::TooLong) => out.note(peer, Note::Refused(RefusalCause::TooLong)),
        }
    }

    /// Handles a datagram of `peer`. `from` is the address of the peer, which is printed after its
    /// texts.
    pub fn handle(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        packet: Packet<'_>,
        out: &mut impl ServerEffects,
    ) {
        let Some(peer) = self.identify(now, peer, from, &packet, out) else { return };
        match packet.up {
            Up::Heartbeat(number) => {
                self.refresh(now, peer, Sign::Mechanism(number), out);
            }
            // An ack is a sign of life, but does not join: it may answer a heartbeat of an earlier
            // membership.
            Up::Ack(number) if self.members.contains(peer) => {
                let text = self.acks.ack(now, peer, number);
                // If only the server sends heartbeats, the acks count as those of the member.
                let beat = self.options.heartbeat == Mechanism::Server && text.is_none();
                if let Some(text) = text {
                    out.settled(peer, &text, AckEnd::Acked);
                }
                let sign = if beat { Sign::Mechanism(None) } else { Sign::Other };
                self.refresh(now, peer, sign, out);
            }
            Up::Ack(_) => out.note(peer, Note::Refused(RefusalCause::AckOfStranger)),
            Up::Join(join) => {
                // A client that shows a token needs no other one.
                let session = join.session && packet.session.is_none();
                self.join(now, peer, from, Join { session, ..join }, out);
            }
            Up::Quit if self.members.remove(peer) => {
                out.note(peer, Note::Quit);
                self.forget_membership(peer, out);
            }
            Up::Quit => out.note(peer, Note::Refused(RefusalCause::QuitOfStranger)),
            Up::Chat(text) => {
                if self.refresh(now, peer, Sign::Other, out) && self.allows_text(now, peer, out) {
                    self.tell_all(now, text, from, out);
                }
            }
            Up::Message { number, text } => {
                // A text above the limit is not acked, so that it is sent again later.
                if !self.refresh(now, peer, Sign::Other, out) || !self.allows_text(now, peer, out) {
                    return;
                }
                write_ack(number, &mut self.text);
                out.send(peer, &self.text, Sending::Once);
                if self.acks.take(peer, number) {
                    self.tell_all(now, text, from, out);
                } else {
                    out.note(peer, Note::Repeated);
                }
            }
            Up::Put { .. } => {
                if self.serves(now, peer, out) {
                    out.note(peer, Note::Taken);
                }
            }
            Up::Get { number, key } => {
                if self.serves(now, peer, out) {
                    out.note(peer, Note::Served);
                    write_value(number, key, self.options.value_size, &mut self.text);
                    out.send(peer, &self.text, Sending::Once);
                }
            }
        }
    }

    /// When to call [`Server::advance`] next. There may be nothing to do then.
    #[inline]
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Handles the deadlines until `until` ahead of time, for the members that are already known to
    /// live longer. The call is optional: with many members it saves an exact look at each.
    pub fn look_ahead(&mut self, until: Time) {
        let mut entries = std::mem::take(&mut self.entries);
        self.timers.take_deadlines(until, &mut entries);
        for (n, (at, peer)) in entries.iter().enumerate() {
            if let Some((_, soon)) = entries.get(n + PREFETCH) {
                prefetch(&self.last_seen, *soon);
                self.timers.expect(*soon);
            }
            let deadline = self.deadline(*peer);
            self.timers.renew(*at, *peer, deadline, until);
        }
        entries.clear();
        self.entries = entries;
    }

    /// Prefetches the state of a peer that is about to be heard of.
    #[inline]
    pub fn expect(&self, soon: PeerId) {
        prefetch(&self.last_seen, soon);
        if !self.members.contains(soon) {
            self.timers.expect(soon);
            prefetch(&self.numbers, soon);
        }
    }

    /// Handles all timers that are due at `now` or before.
    pub fn advance(&mut self, now: Time, out: &mut impl ServerEffects) {
        if self.timers.look(now) {
            self.evict_silent(now, out);
        }
        while let Some((at, due)) = self.timers.pop(now) {
            match due {
                Due::Deadline(peer) => {
                    if let Some(deadline) = self.deadline(peer) {
                        if now > deadline {
                            self.evict(now, peer, out)
                        } else {
                            self.timers.arm(peer, deadline)
                        }
                    }
                }
                Due::Beat(peer) => {
                    let member = self.members.contains(peer);
                    if member {
                        self.beat(peer, out);
                    }
                    self.timers.beat_again(now, peer, member);
                }
                Due::Resend(peer) => self.send_again(at, now, peer, out),
            }
        }
    }
}
