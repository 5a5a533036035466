//! Identities: dense numbers, so that all state can live in arrays.

/// A client of the swarm. Clients are numbered from zero without gaps.
pub type ClientId = u32;

/// An address that the swarm uses: that of a client at the start (client `n` begins at endpoint
/// `n`), one that a client moved to, or a forged one.
pub type EndpointId = u32;

/// A message: who sent it, and which of the sender's messages it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId {
    /// The client that sends it.
    pub sender: ClientId,
    /// The number in the sequence of the sender, from zero.
    pub seq: u32,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From a client to the server.
    Up,
    /// From the server to a client.
    Down,
}

impl Direction {
    /// Both directions, up first.
    pub const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

    /// `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// Whether a client is running.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Life {
    /// It sends heartbeats and does its work.
    Up,
    /// It fell silent without a word. It still listens.
    Crashed,
    /// It said `quit`. It still listens.
    Left,
}
