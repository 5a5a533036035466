//! What lies between the swarm and the server in both worlds: the links, the addresses, and the
//! translation of what clients do and the server does into events of the books. How datagrams are
//! carried, in virtual time or by sockets, is the driver's part: it implements [`Carry`].
#![forbid(unsafe_code)]

mod places;
mod streams;
mod swarm_side;
mod tunnel;

pub use places::Places;
pub use swarm_side::{Carry, FromSwarm, Sent};
pub use tunnel::{Fallen, Tap, Tunnel, class_of, heed};
