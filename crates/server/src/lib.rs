//! The server core: who is a member, who is silent for too long, who gets which text.
//!
//! # The contract of a machine
//!
//! 1. Time is a parameter; a machine never reads a clock.
//! 2. Input goes in with `handle(now, …, out)`. Effects come out through `out` at once, in order.
//! 3. `next_deadline()` says when to call `advance` next. A late call gives the same result, later.
//! 4. Peers are dense ids. The driver maps socket addresses to them; the core only prints
//!    addresses.
//! 5. The effect of a text is *one* broadcast, which the driver expands to the members.
//! 6. Batches first: a driver hands over all datagrams that it has, in order of time, and then
//!    sends all effects together.
//! 7. Nothing is dropped in silence: every refusal is reported and counted.
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

/// A peer of the server: a dense id, which the driver gives to an address.
pub type PeerId = u32;
