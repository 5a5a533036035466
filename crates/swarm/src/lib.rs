//! Virtual clients: when each beats, talks, crashes, leaves and comes back. A client is a few
//! numbers in arrays; it has no task, no box and no socket of its own. Every draw is a function of
//! (seed, purpose, client, counter), so the schedule is the same in both worlds.
#![forbid(unsafe_code)]

mod options;
mod schedule;
mod swarm;

pub use options::{
    Acks, Amount, Arrivals, Chat, Churn, GroupOptions, Happening, Heartbeat, Jitter, TimedEvent,
};
pub use swarm::{Act, Effects, Heard, Opinion, Settled, Swarm, SwarmOptions};
