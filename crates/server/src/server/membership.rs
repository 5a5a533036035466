//! Who is a member: joins, sessions, limits, eviction.

use std::net::SocketAddr;

use skipbeat_core::Time;
use skipbeat_protocol::{
    AckEnd, Join, Packet, Up, WELCOME, write_cookie, write_expired, write_welcome,
};

use super::Server;
use crate::admission::TooMuch;
use crate::detector::Sign;
use crate::session::{Bearer, Begun};
use crate::{Admission, Note, Options, PeerId, RefusalCause, Rejoin, Sending, ServerEffects};

impl Server {
    /// Finds the sender of a datagram: the peer itself, or the member that its token belongs to,
    /// which may have moved. `None` if the datagram is refused: its token is missing or unknown, or
    /// the new address is not proved.
    pub(super) fn identify(
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
            // Another client may have the address of the member now, and begin its own session.
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
                // A proof is needed with every admission. Otherwise a member could have texts sent
                // to any address, and displace the member there (RFC 9000, 8.2 and 9.3).
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

    /// Handles an explicit join.
    pub(super) fn join(
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
        // Members may repeat their join: these are their heartbeats.
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

    /// Whether an address is proved, or needs no proof.
    pub(super) fn proves(&self, now: Time, from: SocketAddr, cookie: Option<u64>) -> bool {
        self.options.admission == Admission::Open
            || cookie.is_some_and(|cookie| self.cookies.knows(now, from, cookie))
    }

    /// Sends its cookie to an address, and refuses the datagram.
    pub(super) fn demand_proof(
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
    pub(super) fn welcome(&mut self, peer: PeerId, reliable: bool, out: &mut impl ServerEffects) {
        write_welcome(self.sessions.offer(peer, reliable), &mut self.text);
        out.send(peer, &self.text, Sending::Once);
    }

    /// Whether to accept a sample or a query. Its sender need not be a member, and does not become
    /// one; for a member it is a sign of life. If addresses have to be proved, only members are
    /// served, since an answer may be longer than the question.
    pub(super) fn serves(&mut self, now: Time, peer: PeerId, out: &mut impl ServerEffects) -> bool {
        if self.members.contains(peer) {
            self.refresh(now, peer, Sign::Other, out);
        } else if self.options.admission == Admission::Cookie {
            out.note(peer, Note::Refused(RefusalCause::NoProof));
            return false;
        }
        self.allows_text(now, peer, out)
    }

    /// Whether a text is within the limits; otherwise it is refused.
    pub(super) fn allows_text(
        &mut self,
        now: Time,
        peer: PeerId,
        out: &mut impl ServerEffects,
    ) -> bool {
        let cause = match self.meter.text(now, peer, &self.options.limits) {
            Ok(()) => return true,
            Err(TooMuch::OfPeer) => RefusalCause::TooFast,
            Err(TooMuch::OfAll) => RefusalCause::Overload,
        };
        out.note(peer, Note::Refused(cause));
        false
    }

    /// Why a peer may not become a member now, if it may not.
    pub(super) fn barred(&self, peer: PeerId) -> Option<RefusalCause> {
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

    /// Handles a sign of life: the peer joins or stays a member. Returns whether it is a member
    /// now.
    pub(super) fn refresh(
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
        // A member has a timer already. If that fires too early, it is set again then.
        if !(member && self.only_defers) {
            self.timers.arm(peer, self.detector.deadline(peer, now));
        }
        true
    }

    /// Ends the session of a former member, and gives up the texts to it.
    pub(super) fn forget_membership(&mut self, peer: PeerId, out: &mut impl ServerEffects) {
        self.sessions.end(peer);
        for text in self.acks.leave(peer) {
            out.settled(peer, &text, AckEnd::GivenUp);
        }
    }

    /// Evicts all members that are past their deadline.
    pub(super) fn evict_silent(&mut self, now: Time, out: &mut impl ServerEffects) {
        let too_late = |peer: &PeerId| {
            let deadline = self.detector.deadline(*peer, self.last_seen[*peer as usize]);
            now > deadline
        };
        let silent: Vec<_> = self.members.iter().filter(too_late).collect();
        for peer in silent {
            self.evict(now, peer, out);
        }
    }

    pub(super) fn evict(&mut self, now: Time, peer: PeerId, out: &mut impl ServerEffects) {
        self.members.remove(peer);
        if self.options.rejoin == Rejoin::Sticky {
            self.banished.insert(peer);
        }
        let silence = now.since(self.last_seen[peer as usize]);
        out.note(peer, Note::Evicted { silence });
        self.forget_membership(peer, out);
    }
}
