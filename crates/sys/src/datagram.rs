//! Datagrams on their way into and out of a socket, as both forms of the calls see them.

use std::net::{IpAddr, SocketAddr};

/// The most messages that one call sends or receives.
pub const BATCH: usize = 64;

/// Where the bytes of a datagram are in a buffer: start and end.
pub type ByteRange = (u32, u32);

/// What one entry of a call sends: one datagram, or several to the same address.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The address it is sent to.
    pub to: SocketAddr,
    /// The local address it is sent from, where the socket has several.
    pub from: Option<IpAddr>,
    /// Its datagrams, at least one. All but the last have the same length, and the last is not
    /// longer.
    pub datagrams: &'a [ByteRange],
}

/// Why a message was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendRefusal {
    /// The send buffer is full. The message can be sent later.
    Full,
    /// The datagram is too long for the path without fragments.
    TooLong,
    /// The path does not support several datagrams in one message.
    NoSegments,
    /// Any other error.
    Other,
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The address of the sender.
    pub from: SocketAddr,
    /// The local address it was sent to, if the socket was asked to report it
    /// ([`want_local_address`](crate::want_local_address)).
    pub to: Option<IpAddr>,
    /// Its bytes, cut off where it is longer than the buffer.
    pub payload: &'a [u8],
}
