//! Virtual clients: when each beats, does its work, crashes, leaves and comes back. A client is a few
//! numbers in arrays; it has no task, no box and no socket of its own. Every draw is a function of
//! (seed, purpose, client, counter), so the schedule is the same in both worlds.
#![forbid(unsafe_code)]

mod datagram;
mod dialect;
mod hostile;
mod options;
mod schedule;
mod swarm;

pub use skipbeat_protocol::AckEnd;

pub use datagram::{Act, Datagram, SourceAddress};
pub use dialect::{Audience, Dialect, Template};
pub use options::{
    Acks, Amount, Attack, Churn, ClientEvent, GroupOptions, Heartbeat, Hostile, Jitter, TimedEvent,
    Transport,
};
pub use swarm::{Heard, Opinion, Swarm, SwarmEffects, SwarmOptions};
