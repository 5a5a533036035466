//! The machine: members, the datagrams they send, the broadcast they get.

use std::net::SocketAddr;
use std::sync::Arc;

use skipbeat_core::{ClientSet, PREFETCH, Seed, Span, Time, prefetch};
use skipbeat_protocol::{
    AckEnd, BYE, Join, Overdue, Packet, Refusal, Up, WELCOME, write_ack, write_chat, write_cookie,
    write_expired, write_heartbeat, write_message, write_value, write_welcome,
};

use crate::acks::Acks;
use crate::admission::{Admission, Cookies, Meter, TooMuch};
use crate::detector::{Detector, Sign, build};
use crate::session::{Bearer, Begun, Sessions};
use crate::timers::{Due, Timers};
use crate::{EvictionTiming, Mechanism, Options, PeerId, Rejoin};

/// Where the effects of the server go.
pub trait ServerEffects {
    /// One datagram to one peer.
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending);
    /// A text goes to all of `members`: here to those of `to`, in one datagram each; the others get
    /// it numbered, each by a `send` of its own.
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet);
    /// A numbered text is not waited for any more.
    fn settled(&mut self, to: PeerId, text: &[u8], end: AckEnd);
    /// A member shows its token from the address of `elsewhere`: the two peers change addresses,
    /// and the member is at the new one from now on.
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId);
    /// Something happened to a peer.
    fn note(&mut self, peer: PeerId, note: Note);
}

/// Whether something is sent once, or until it is acked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// Once.
    Once,
    /// The first time; it is sent again until it is settled.
    First,
    /// Again.
    Again,
}

/// What happened to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// It is a member now.
    Joined,
    /// It said `quit` and is no member any more.
    Quit,
    /// It was silent for too long and is no member any more.
    Evicted {
        /// How long it was silent.
        silence: Span,
    },
    /// It is at another address now, and still a member.
    Moved,
    /// A numbered text of it came again; it was acked again and went to nobody.
    Repeated,
    /// A sample of it was taken.
    Taken,
    /// A query of it is answered.
    Served,
    /// A datagram of it had no effect.
    Refused(RefusalCause),
}

/// Why a datagram had no effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RefusalCause {
    /// It is longer than the server takes.
    TooLong,
    /// `quit` from someone who is no member.
    QuitOfStranger,
    /// Its sender was evicted and must join explicitly.
    Evicted,
    /// `^ack N^` from someone who is no member.
    AckOfStranger,
    /// It has not proved its address. Where it asked to join, it was told its cookie.
    NoProof,
    /// Its sender has a session and did not show its token.
    NoToken,
    /// Its token belongs to no session (any more); its sender was told.
    Expired,
    /// There are as many members as there may be.
    Full,
    /// Its sender says more than it may.
    TooFast,
    /// All together say more than they may.
    Overload,
}

impl RefusalCause {
    /// The name in `run.json`, the log and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            RefusalCause::TooLong => "too-long",
            RefusalCause::QuitOfStranger => "quit-of-stranger",
            RefusalCause::Evicted => "evicted",
            RefusalCause::AckOfStranger => "ack-of-stranger",
            RefusalCause::NoProof => "no-proof",
            RefusalCause::NoToken => "no-token",
            RefusalCause::Expired => "expired",
            RefusalCause::Full => "full",
            RefusalCause::TooFast => "too-fast",
            RefusalCause::Overload => "overload",
        }
    }
}

/// The server core. State lives in arrays by peer: last sign of life, a bit for membership, a bit
/// for banishment, the detector's state, and a calendar entry where deadlines are exact.
#[derive(Debug)]
pub struct Server {
    options: Options,
    members: ClientSet,
    /// Evicted peers that must join explicitly (sticky rejoin only).
    banished: ClientSet,
    last_seen: Vec<Time>,
    /// The number of the next datagram to each peer that wants an ack.
    numbers: Vec<u32>,
    /// The highest of all of them: a new member begins there, so that an address that was forgotten
    /// and comes back gets numbers that it has not seen.
    highest_number: u32,
    detector: Box<dyn Detector>,
    /// Whether the deadline of a member never comes earlier than it was.
    only_defers: bool,
    timers: Timers,
    acks: Acks,
    sessions: Sessions,
    cookies: Cookies,
    /// The peer whose proof is being looked at.
    admitted: Option<PeerId>,
    meter: Meter,
    text: Vec<u8>,
    numbered: Vec<u8>,
    entries: Vec<(Time, PeerId)>,
}

impl Server {
    /// A server without members. The seed draws the phases of the periodic look and of heartbeats and is the
    /// secret of the cookies and of the sessions' tokens.
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

    /// Who is a member.
    pub fn members(&self) -> &ClientSet {
        &self.members
    }

    /// When a member last gave a sign of life.
    pub fn last_seen(&self, peer: PeerId) -> Option<Time> {
        self.members.contains(peer).then(|| self.last_seen[peer as usize])
    }

    /// Whether anything is kept of a peer. A driver may give the id of any other to another address,
    /// if it says so with [`Server::forget`].
    pub fn keeps(&self, peer: PeerId) -> bool {
        self.members.contains(peer) || self.banished.contains(peer)
    }

    /// The id of a peer that is no member will be that of another address.
    pub fn forget(&mut self, peer: PeerId) {
        debug_assert!(!self.members.contains(peer), "a member is not forgotten");
        self.banished.remove(peer);
        self.acks.forget_sequence(peer);
        self.meter.forget(peer);
    }

    /// The last moment at which a member is not suspected.
    pub fn deadline(&self, peer: PeerId) -> Option<Time> {
        let last_seen = self.last_seen(peer)?;
        Some(self.detector.deadline(peer, last_seen))
    }

    /// Takes a datagram as it came from the socket.
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

    /// Takes what `peer` says; `from` is its address, which is printed behind its texts.
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
            // An ack shows life, but does not join: it may answer a heartbeat of a membership
            // that is over.
            Up::Ack(number) if self.members.contains(peer) => {
                let text = self.acks.ack(now, peer, number);
                // Where only the server beats, the answers are the heartbeats.
                let beat = self.options.heartbeat == Mechanism::Server && text.is_none();
                if let Some(text) = text {
                    out.settled(peer, &text, AckEnd::Acked);
                }
                let sign = if beat { Sign::Mechanism(None) } else { Sign::Other };
                self.refresh(now, peer, sign, out);
            }
            Up::Ack(_) => out.note(peer, Note::Refused(RefusalCause::AckOfStranger)),
            Up::Join(join) => {
                // Whoever shows a token has no need of another.
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
                // What is too much is not acked: it may come again when there is room.
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

    /// Who speaks: the peer itself, or by its token the member, which may have moved. Nobody where
    /// a token is missing, or good for nothing, or the new address is not proved.
    fn identify(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        packet: &Packet<'_>,
        out: &mut impl ServerEffects,
    ) -> Option<PeerId> {
        let Some(token) = packet.session else {
            if !self.sessions.binds(peer) {
                return Some(peer);
            }
            // Whoever is at the member's address now may begin a session of its own.
            if let Up::Join(Join { session: true, reliable, .. }) = packet.up {
                self.welcome(peer, reliable, out);
            } else {
                out.note(peer, Note::Refused(RefusalCause::NoToken));
            }
            return None;
        };
        let member = match self.sessions.bearer(now, peer, token) {
            Bearer::Nobody => {
                write_expired(token, &mut self.text);
                out.send(peer, &self.text, Sending::Once);
                out.note(peer, Note::Refused(RefusalCause::Expired));
                return None;
            }
            Bearer::Member(member) => member,
            Bearer::Elsewhere(member) => {
                // Whatever the admission: else a member could have its texts sent to whom it likes,
                // and put out whoever is there (RFC 9000, 8.2 and 9.3).
                let cookie = if let Up::Join(join) = packet.up { join.cookie } else { None };
                if !cookie.is_some_and(|cookie| self.cookies.knows(now, from, cookie)) {
                    self.demand_proof(now, peer, from, out);
                    return None;
                }
                self.sessions.moved(now, token, peer);
                out.exchange(member, peer);
                out.note(member, Note::Moved);
                member
            }
        };
        if let Some(Begun { anew, reliable }) = self.sessions.used(member, token) {
            if anew {
                self.acks.forget_sequence(member);
            }
            if reliable {
                self.acks.want(member);
            }
        }
        Some(member)
    }

    /// When [`Server::advance`] has something to do. It may turn out to be nothing.
    #[inline]
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Deals with the deadlines until `until` ahead of time, as far as it is known already that the
    /// member lives beyond. Nobody has to call it; who has many members saves an exact look at each.
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

    /// This peer is about to be heard of: what is kept of it is fetched early.
    #[inline]
    pub fn expect(&self, soon: PeerId) {
        prefetch(&self.last_seen, soon);
        if !self.members.contains(soon) {
            self.timers.expect(soon);
            prefetch(&self.numbers, soon);
        }
    }

    /// Does what is due at `now` or before.
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

    /// Says something to all members itself; `from` is its own address.
    pub fn say(&mut self, now: Time, text: &[u8], from: SocketAddr, out: &mut impl ServerEffects) {
        self.tell_all(now, text, from, out);
    }

    /// Sends a text to all members, numbered to those that asked for it.
    fn tell_all(&mut self, now: Time, text: &[u8], from: SocketAddr, out: &mut impl ServerEffects) {
        if self.options.eviction == EvictionTiming::Lazy {
            self.evict_silent(now, out);
        }
        write_chat(text, from, &mut self.text);
        if self.acks.members().is_empty() {
            out.broadcast(&self.text, &self.members, &self.members);
            return;
        }
        let mut plain = self.members.clone();
        let readers: Vec<PeerId> = self.acks.members().iter().collect();
        for reader in &readers {
            plain.remove(*reader);
        }
        out.broadcast(&self.text, &self.members, &plain);
        let text: Arc<[u8]> = self.text.as_slice().into();
        for peer in readers {
            let number = self.next_number(peer);
            let (lost, timer) = self.acks.send(now, peer, number, Arc::clone(&text));
            if let Some(at) = timer {
                self.timers.look_after_acks(at, peer);
            }
            for lost in lost {
                out.settled(peer, &lost, AckEnd::GivenUp);
            }
            write_message(number, &text, &mut self.numbered);
            out.send(peer, &self.numbered, Sending::First);
        }
    }

    /// Sends again what a member has not acked in time, or gives it up.
    fn send_again(&mut self, at: Time, now: Time, peer: PeerId, out: &mut impl ServerEffects) {
        let (overdue, timer) = self.acks.overdue(at, now, peer);
        if let Some(at) = timer {
            self.timers.look_after_acks(at, peer);
        }
        for overdue in overdue {
            match overdue {
                Overdue::GivenUp(text) => out.settled(peer, &text, AckEnd::GivenUp),
                Overdue::Again(number, text) => {
                    write_message(number, &text, &mut self.numbered);
                    out.send(peer, &self.numbered, Sending::Again);
                }
            }
        }
    }

    /// After a membership: its session ends, and nothing of it is waited for any more.
    fn forget_membership(&mut self, peer: PeerId, out: &mut impl ServerEffects) {
        self.sessions.end(peer);
        for text in self.acks.leave(peer) {
            out.settled(peer, &text, AckEnd::GivenUp);
        }
    }

    /// The number of the next datagram to a peer that wants an ack.
    fn next_number(&mut self, peer: PeerId) -> u32 {
        let number = self.numbers[peer as usize];
        let next = number.wrapping_add(1);
        self.numbers[peer as usize] = next;
        self.highest_number = self.highest_number.max(next);
        number
    }

    /// Says `bye` to all members and forgets them.
    pub fn stop(&mut self, out: &mut impl ServerEffects) {
        out.broadcast(BYE, &self.members, &self.members);
        self.members = ClientSet::new();
    }

    /// An explicit join, with whatever proof is demanded.
    fn join(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        Join { reliable, session, cookie }: Join,
        out: &mut impl ServerEffects,
    ) {
        let was_member = self.members.contains(peer);
        if !was_member && !self.proves(now, from, cookie) {
            self.demand_proof(now, peer, from, out);
            return;
        }
        self.admitted = Some(peer);
        self.banished.remove(peer);
        if !was_member {
            self.acks.forget_sequence(peer);
        }
        // A member says it again and again: these are its heartbeats.
        if self.refresh(now, peer, Sign::Mechanism(None), out) {
            if reliable {
                self.acks.want(peer);
            }
            if session {
                self.welcome(peer, reliable, out);
            } else if self.options.admission == Admission::Cookie && !was_member {
                out.send(peer, WELCOME, Sending::Once);
            }
        }
        self.admitted = None;
    }

    /// Whether an address is proved, as far as that is demanded.
    fn proves(&self, now: Time, from: SocketAddr, cookie: Option<u64>) -> bool {
        self.options.admission == Admission::Open
            || cookie.is_some_and(|cookie| self.cookies.knows(now, from, cookie))
    }

    /// Tells an address its cookie.
    fn demand_proof(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        out: &mut impl ServerEffects,
    ) {
        write_cookie(self.cookies.make(now, from), &mut self.text);
        out.send(peer, &self.text, Sending::Once);
        out.note(peer, Note::Refused(RefusalCause::NoProof));
    }

    /// Offers a session to a member.
    fn welcome(&mut self, peer: PeerId, reliable: bool, out: &mut impl ServerEffects) {
        write_welcome(self.sessions.offer(peer, reliable), &mut self.text);
        out.send(peer, &self.text, Sending::Once);
    }

    /// Whether a sample or query is heard. Whoever sends one need not be a member, and becomes none
    /// by it; of a member it is a sign of life. Where addresses have to be proved a stranger's is
    /// refused: an answer may be longer than the question.
    fn serves(&mut self, now: Time, peer: PeerId, out: &mut impl ServerEffects) -> bool {
        if self.members.contains(peer) {
            self.refresh(now, peer, Sign::Other, out);
        } else if self.options.admission == Admission::Cookie {
            out.note(peer, Note::Refused(RefusalCause::NoProof));
            return false;
        }
        self.allows_text(now, peer, out)
    }

    /// Whether a text of a member is within the limits.
    fn allows_text(&mut self, now: Time, peer: PeerId, out: &mut impl ServerEffects) -> bool {
        let cause = match self.meter.text(now, peer, &self.options.limits) {
            Ok(()) => return true,
            Err(TooMuch::OfPeer) => RefusalCause::TooFast,
            Err(TooMuch::OfAll) => RefusalCause::Overload,
        };
        out.note(peer, Note::Refused(cause));
        false
    }

    /// Why a stranger may not become a member now, if so.
    fn barred(&self, peer: PeerId) -> Option<RefusalCause> {
        let Options { rejoin, admission, limits, .. } = &self.options;
        if *admission == Admission::Cookie && self.admitted != Some(peer) {
            return Some(RefusalCause::NoProof);
        }
        if *rejoin == Rejoin::Sticky && self.banished.contains(peer) {
            return Some(RefusalCause::Evicted);
        }
        let full = limits.members.is_some_and(|most| self.members.len() >= most);
        full.then_some(RefusalCause::Full)
    }

    /// A sign of life: joins or refreshes. Says whether `peer` is a member now.
    fn refresh(
        &mut self,
        now: Time,
        peer: PeerId,
        sign: Sign,
        out: &mut impl ServerEffects,
    ) -> bool {
        let index = peer as usize;
        let member = self.members.contains(peer);
        if member {
            self.detector.alive(now, peer, sign);
        } else {
            if let Some(cause) = self.barred(peer) {
                out.note(peer, Note::Refused(cause));
                return false;
            }
            if index >= self.last_seen.len() {
                self.last_seen.resize(index + 1, Time::ZERO);
                self.numbers.resize(index + 1, 0);
            }
            self.numbers[index] = self.highest_number;
            self.members.insert(peer);
            self.detector.join(now, peer, sign);
            self.timers.begin_beating(now, peer);
            out.note(peer, Note::Joined);
        }
        self.last_seen[index] = now;
        // A member has an entry; one that only comes too early finds out by itself.
        if !(member && self.only_defers) {
            self.timers.arm(peer, self.detector.deadline(peer, now));
        }
        true
    }

    /// Beats to a member.
    fn beat(&mut self, peer: PeerId, out: &mut impl ServerEffects) {
        let number = self.next_number(peer);
        write_heartbeat(number, &mut self.text);
        out.send(peer, &self.text, Sending::Once);
    }

    /// Looks at all members.
    fn evict_silent(&mut self, now: Time, out: &mut impl ServerEffects) {
        let too_late = |peer: &PeerId| {
            let deadline = self.detector.deadline(*peer, self.last_seen[*peer as usize]);
            now > deadline
        };
        let silent: Vec<_> = self.members.iter().filter(too_late).collect();
        for peer in silent {
            self.evict(now, peer, out);
        }
    }

    fn evict(&mut self, now: Time, peer: PeerId, out: &mut impl ServerEffects) {
        self.members.remove(peer);
        if self.options.rejoin == Rejoin::Sticky {
            self.banished.insert(peer);
        }
        let silence = now.since(self.last_seen[peer as usize]);
        out.note(peer, Note::Evicted { silence });
        self.forget_membership(peer, out);
    }
}
