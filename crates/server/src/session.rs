//! Sessions: a membership belongs to the client that knows a token, not to an address. A client
//! whose address changes (its NAT forgot it, it is in another network) continues with its token, as
//! QUIC does with connection IDs (RFC 9000, 9). No other client can say `quit` for it.
//!
//! A token is offered with `^welcome TOKEN^` and is valid once it has been used, so that a forged
//! join changes nothing. From then on the datagrams of the member have to carry it.

use std::collections::{BTreeMap, HashMap};

use siphasher::sip::SipHasher24;
use skipbeat_core::{Seed, Span, Time};
use std::hash::Hasher;

use crate::PeerId;

/// A datagram from an address that the member left less than this ago was only delayed: it does not
/// move the member back.
const OVERTAKEN: Span = Span::from_secs(1);

/// The tokens of all members.
#[derive(Debug)]
pub(crate) struct Sessions {
    keys: (u64, u64),
    /// The number of tokens made so far.
    made: u64,
    sessions: HashMap<u64, Session>,
    tokens: BTreeMap<PeerId, Tokens>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    member: PeerId,
    /// The peer that has the previous address of the member now, and since when.
    left: Option<(PeerId, Time)>,
}

/// The tokens of a member.
#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    /// The token that has been used: the datagrams of the member have to carry it.
    used: Option<u64>,
    /// A token that was offered and has not been used.
    offered: Option<u64>,
    /// Whether numbered texts were asked for together with the offered token.
    reliable: bool,
}

/// Whose datagram it is, by its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bearer {
    /// No session has this token.
    Nobody,
    /// This member's, from its address or from the one that it just left.
    Member(PeerId),
    /// This member's, from an address that is new for it.
    Elsewhere(PeerId),
}

/// A session that has just begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Begun {
    /// Whether it replaces another session: the client has started again.
    pub(crate) anew: bool,
    /// Whether the client wants numbered texts.
    pub(crate) reliable: bool,
}

impl Sessions {
    /// Sessions whose tokens follow from the seed, which has to stay secret.
    pub(crate) fn new(secret: Seed) -> Self {
        let stream = secret.family("server.session").stream(0);
        Sessions {
            keys: (stream.bits(0), stream.bits(1)),
            made: 0,
            sessions: HashMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    /// Whether datagrams of a member must carry a token.
    pub(crate) fn binds(&self, peer: PeerId) -> bool {
        !self.tokens.is_empty()
            && self.tokens.get(&peer).is_some_and(|tokens| tokens.used.is_some())
    }

    /// Offers a token to a member: the same one until it is used. What else was asked for
    /// (`reliable`) takes effect with its use, since the request may be forged.
    pub(crate) fn offer(&mut self, member: PeerId, reliable: bool) -> u64 {
        let tokens = self.tokens.entry(member).or_default();
        tokens.reliable = reliable;
        *tokens.offered.get_or_insert_with(|| {
            let mut hasher = SipHasher24::new_with_keys(self.keys.0, self.keys.1);
            hasher.write_u64(self.made.to_le());
            self.made += 1;
            let token = hasher.finish();
            self.sessions.insert(token, Session { member, left: None });
            token
        })
    }

    /// Whose token it is that `peer` shows.
    pub(crate) fn bearer(&self, now: Time, peer: PeerId, token: u64) -> Bearer {
        match self.sessions.get(&token) {
            None => Bearer::Nobody,
            Some(Session { member, .. }) if *member == peer => Bearer::Member(peer),
            Some(Session { member, left: Some((left, at)) })
                if *left == peer && now.since(*at) <= OVERTAKEN =>
            {
                Bearer::Member(*member)
            }
            Some(Session { member, .. }) => Bearer::Elsewhere(*member),
        }
    }

    /// A member has used its token. Returns the session that began with that, if it is the first
    /// use.
    pub(crate) fn used(&mut self, member: PeerId, token: u64) -> Option<Begun> {
        let tokens = self.tokens.get_mut(&member).filter(|t| t.offered == Some(token))?;
        tokens.offered = None;
        let reliable = tokens.reliable;
        let old = tokens.used.replace(token);
        let anew = old.is_some_and(|old| self.sessions.remove(&old).is_some());
        Some(Begun { anew, reliable })
    }

    /// A member has moved. `left` is the peer that has its old address now.
    pub(crate) fn moved(&mut self, now: Time, token: u64, left: PeerId) {
        if let Some(session) = self.sessions.get_mut(&token) {
            session.left = Some((left, now));
        }
    }

    /// A membership ends, and its session with it.
    pub(crate) fn end(&mut self, member: PeerId) {
        if let Some(Tokens { used, offered, .. }) = self.tokens.remove(&member) {
            for token in used.into_iter().chain(offered) {
                self.sessions.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_once_it_was_used_and_replaces_the_one_before() {
        let mut sessions = Sessions::new(Seed(1));
        let first = sessions.offer(7, false);
        assert_eq!((sessions.offer(7, false), sessions.binds(7)), (first, false));
        let begun = |anew, reliable| Some(Begun { anew, reliable });
        assert_eq!(sessions.used(7, first), begun(false, false));
        assert!(sessions.binds(7) && sessions.used(7, first).is_none());
        let second = sessions.offer(7, true);
        assert_eq!(sessions.bearer(Time::ZERO, 7, first), Bearer::Member(7), "it still counts");
        assert_eq!(sessions.used(7, second), begun(true, true));
        assert_eq!(sessions.bearer(Time::ZERO, 7, first), Bearer::Nobody);
        sessions.end(7);
        assert_eq!(sessions.bearer(Time::ZERO, 7, second), Bearer::Nobody);
        assert!(sessions.sessions.is_empty() && sessions.tokens.is_empty());
    }

    #[test]
    fn what_was_overtaken_does_not_move_the_member_back() {
        let mut sessions = Sessions::new(Seed(1));
        let token = sessions.offer(0, false);
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        assert_eq!(sessions.bearer(at(5), 9, token), Bearer::Elsewhere(0));
        sessions.moved(at(5), token, 9);
        assert_eq!(sessions.bearer(at(6), 9, token), Bearer::Member(0), "a moment later");
        assert_eq!(sessions.bearer(at(7), 9, token), Bearer::Elsewhere(0), "it may come back");
    }
}
