//! The server core: who is a member, since when it is silent, who is evicted, who gets what.
//!
//! # The contract of a machine
//!
//! 1. Time is a parameter; a machine never asks for it.
//! 2. Input goes in with `handle(now, …, out)`; effects come out through `out` at once, in order.
//! 3. `next_deadline()` says when to call `advance` again; a late call is right, only later.
//! 4. Peers are dense ids. The driver interns socket addresses; the core prints them, no more.
//! 5. The effect of a chat is *one* broadcast; the driver expands it to the members.
//! 6. Batches first: a driver hands over what it has in order of time and flushes effects once.
//! 7. Nothing is dropped in silence: every refusal is a noted, counted event.
#![forbid(unsafe_code)]

mod acks;
mod admission;
mod detector;
mod effects;
mod options;
mod server;
mod session;
mod timers;

pub use skipbeat_protocol::AckEnd;

pub use admission::{Admission, Limits, RateLimit};
pub use detector::{Bertier, Chen, DetectorOptions, Missed, Phi, Tail, quantile};
pub use effects::{Note, RefusalCause, Sending, ServerEffects};
pub use options::{EvictionTiming, Mechanism, Options, Rejoin};
pub use server::Server;

/// A peer of the server: the dense id that the driver gave to its address.
pub type PeerId = u32;
