//! TCP in virtual time: the handshake, retransmission, flow and congestion control of a real
//! implementation, smoltcp, behind the contract of a machine. Time is a parameter; segments go in and
//! come out as IP packets, which somebody else carries, loses and delays.
//!
//! A connection has two ends, each an [`Endpoint`] of its own. What is written at one end are
//! datagrams, framed by their length, and they come out at the other end whole and in order.
#![forbid(unsafe_code)]

mod endpoint;
mod wires;

pub use endpoint::{Endpoint, Side, TcpOptions};

/// The largest IP packet in bytes: Ethernet's. The largest segment has 40 bytes less.
pub const MTU: usize = 1500;

/// Bytes of an IP packet that are left out where links count bytes: what IP and UDP add to a datagram.
/// So segments and datagrams are counted alike.
pub const UNCOUNTED: usize = 28;
