//! What lies between the swarm and the server, in virtual time and on real sockets alike: the
//! links, the addresses of clients, and the translation of what clients and server do into events
//! for the recorder.
//!
//! How datagrams travel is the business of a driver, which implements [`Driver`] for what clients
//! send and [`ServerDriver`] for what the server sends. The two drivers are the crates `sim` and
//! `net`.
#![forbid(unsafe_code)]

mod classify;
mod endpoints;
mod harness;
mod sent;
mod server_side;
mod swarm_side;

pub use classify::{class_of, heard_in};
pub use endpoints::Endpoints;
pub use harness::{Harness, SentDown, Tap};
pub use sent::Sent;
pub use server_side::{FromServer, ServerDriver, ServerEvent};
pub use swarm_side::{Driver, FromSwarm};
