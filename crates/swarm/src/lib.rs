//! Virtual clients: when each sends heartbeats, does its work, crashes, leaves and comes back. A
//! client is a few numbers in arrays, without a task or a socket of its own. Every draw is a
//! function of (seed, purpose, client, counter), so that the schedule is the same in the simulator
//! and on sockets.
#![forbid(unsafe_code)]

mod datagram;
mod dialect;
mod effects;
mod heartbeat;
mod hostile;
mod options;
mod swarm;

pub use skipbeat_protocol::AckEnd;

pub use datagram::{Act, Datagram, SourceAddress};
pub use dialect::{Audience, Dialect, Template};
pub use effects::{Heard, Opinion, SwarmEffects};
pub use heartbeat::{Heartbeat, Jitter, Width};
pub use hostile::{Attack, Hostile};
pub use options::{
    Acks, Amount, Churn, ClientEvent, GroupOptions, SwarmOptions, TimedEvent, Transport,
};
pub use swarm::Swarm;
