//! What the server does to the world outside, and what it reports of its peers.

use skipbeat_core::{ClientSet, Span};
use skipbeat_protocol::AckEnd;

use crate::PeerId;

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
