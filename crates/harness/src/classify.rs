//! What a datagram is to the links, and what it is to the client that receives it.

use skipbeat_link::Class;
use skipbeat_protocol::Down;
use skipbeat_swarm::{Act, Heard};

/// The class of a datagram that a client sends. A join counts as a heartbeat, since it shows that
/// the client is alive.
pub(crate) fn class_of_act(act: Act) -> Class {
    match act {
        Act::Heartbeat(_) | Act::Join(_) => Class::Heartbeat,
        Act::Ack(_) => Class::Ack,
        Act::Quit => Class::Other,
        Act::Chat { .. }
        | Act::Message { .. }
        | Act::Put { .. }
        | Act::Get { .. }
        | Act::Shout(_)
        | Act::Noise { .. } => Class::Chat,
    }
}

/// The class of a datagram that the server sends.
pub fn class_of(down: &Down<'_>) -> Class {
    match down {
        Down::Heartbeat(_) => Class::Heartbeat,
        Down::Ack(_) => Class::Ack,
        Down::Chat { .. } | Down::Message { .. } | Down::Value { .. } | Down::Foreign(_) => {
            Class::Chat
        }
        Down::Bye | Down::Cookie(_) | Down::Welcome(_) | Down::Expired(_) => Class::Other,
    }
}

/// What the swarm has to be told when a client receives a datagram of the server; `None` for those
/// to which clients do not react.
pub fn heard_in(down: &Down<'_>) -> Option<Heard> {
    match *down {
        Down::Heartbeat(number) => Some(Heard::Heartbeat(number)),
        Down::Message { number, .. } => Some(Heard::Message(number)),
        Down::Ack(number) => Some(Heard::Ack(number)),
        Down::Value { number, .. } => Some(Heard::Value(number)),
        Down::Cookie(cookie) => Some(Heard::Cookie(cookie)),
        Down::Welcome(Some(token)) => Some(Heard::Welcome(token)),
        Down::Expired(token) => Some(Heard::Expired(token)),
        Down::Welcome(None) | Down::Bye | Down::Chat { .. } | Down::Foreign(_) => None,
    }
}
