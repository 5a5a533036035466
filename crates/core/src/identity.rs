//! Identities: dense numbers, so that all state can live in arrays.

/// A client of the swarm, and the server's peer of the same number: dense from zero.
pub type ClientId = u32;

/// An address that somebody of the swarm has, had or forges: the first are those of the clients, in
/// order, where they are at the start.
pub type EndpointId = u32;

/// A chat message: who said it, and which of its messages it is (from zero).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId {
    /// The client that says it.
    pub sender: ClientId,
    /// Its place in the sender's sequence, from zero.
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
    /// Both, up first.
    pub const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

    /// `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// What a client's life is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Life {
    /// It beats and talks.
    Up,
    /// It went silent without a word; it still listens.
    Crashed,
    /// It said `quit`; it still listens.
    Left,
}
