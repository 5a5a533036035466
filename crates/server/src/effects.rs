//! What the server core asks of its driver, and what it reports about its peers.

use skipbeat_core::{ClientSet, Span};
use skipbeat_protocol::AckEnd;

use crate::PeerId;

/// Receives the effects of the server core. A driver implements it.
pub trait ServerEffects {
    /// Sends one datagram to one peer.
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending);
    /// Sends a text to all peers in `to`, in one datagram each. `members` are all that get the
    /// text: those that are not in `to` get it with a number, by a `send` each.
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet);
    /// The server stops waiting for the ack of a text.
    fn settled(&mut self, to: PeerId, text: &[u8], end: AckEnd);
    /// Exchanges the addresses of two peers: a member has shown its token from the address of
    /// `elsewhere`, which is its address from now on.
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId);
    /// Reports what happened to a peer.
    fn note(&mut self, peer: PeerId, note: Note);
}

/// Whether a datagram is sent once, or until it is acked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// It is sent once.
    Once,
    /// It is sent for the first time, and will be sent again until it is settled.
    First,
    /// It is sent again.
    Again,
}

/// What happened to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// It became a member.
    Joined,
    /// It said `quit`, and is no longer a member.
    Quit,
    /// It was silent for too long, and is no longer a member.
    Evicted {
        /// How long it was silent.
        silence: Span,
    },
    /// It has another address now, and is still a member.
    Moved,
    /// A numbered text arrived again. It was acked again, and not sent to the members.
    Repeated,
    /// The server took a sample from it.
    Taken,
    /// The server answers a query from it.
    Served,
    /// A datagram from it was refused.
    Refused(RefusalCause),
}

/// Why a datagram was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RefusalCause {
    /// It is longer than the server accepts.
    TooLong,
    /// `quit` from a peer that is not a member.
    QuitOfStranger,
    /// Its sender was evicted and must join explicitly.
    Evicted,
    /// `^ack N^` from a peer that is not a member.
    AckOfStranger,
    /// Its sender has not proved its address. If it asked to join, it was sent its cookie.
    NoProof,
    /// Its sender has a session and did not show its token.
    NoToken,
    /// Its token belongs to no session. Its sender was told.
    Expired,
    /// There are as many members as the limit allows.
    Full,
    /// Its sender exceeds its limit.
    TooFast,
    /// All members together exceed their limit.
    Overload,
}

impl RefusalCause {
    /// Its name in `run.json`, in the log and in the metrics.
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
