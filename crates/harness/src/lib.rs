//! What lies between the swarm and the server in both worlds: the links, the addresses, and the
//! translation of what clients do and the server does into events of the books. How datagrams are
//! carried, in virtual time or by sockets, is the driver's part: it implements [`Driver`].
#![forbid(unsafe_code)]

mod endpoints;
mod harness;
mod streams;
mod swarm_side;

pub use endpoints::Endpoints;
pub use harness::{Harness, SentDown, Tap, class_of, heed};
pub use swarm_side::{Driver, FromSwarm, Sent};
