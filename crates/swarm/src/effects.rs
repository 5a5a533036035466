//! What a driver exchanges with a swarm: what its clients do, and what they hear.

use skipbeat_core::{ClientId, ClientSet, Life, MessageId, Time};
use skipbeat_protocol::AckEnd;

use crate::Datagram;

/// Receives the effects of the swarm. A driver implements it.
pub trait SwarmEffects {
    /// A client sends. `planned` is when it had to, and `audience` are the clients that should get
    /// what is said to everybody at that time: those that are up and meant to be members.
    fn send(&mut self, planned: Time, client: ClientId, datagram: Datagram, audience: &ClientSet);
    /// A client stops waiting for the ack of a text or the answer to a query.
    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: AckEnd);
    /// A client decides that the server is gone, or hears from it again.
    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion);
    /// The address of a client changes.
    fn rebind(&mut self, at: Time, client: ClientId);
    /// A client starts, crashes or leaves.
    fn life(&mut self, at: Time, client: ClientId, life: Life);
    /// Clients send a [`Datagram::BARE_BEAT`] each. Only the beats of one client have to be in
    /// order of time.
    fn beat(&mut self, beats: &[(Time, ClientId)], audience: &ClientSet) {
        for (planned, client) in beats {
            self.send(*planned, *client, Datagram::BARE_BEAT, audience);
        }
    }
}

/// A datagram that a client reacts to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Heard {
    /// The server's heartbeat of this number.
    Heartbeat(u32),
    /// A text of this number, to be acked.
    Message(u32),
    /// The ack of the client's text of this number.
    Ack(u32),
    /// The answer to the client's query of this number.
    Value(u32),
    /// The cookie that proves the client's address.
    Cookie(u64),
    /// The token of a session that is offered to it.
    Welcome(u64),
    /// The session with this token has ended.
    Expired(u64),
}

/// What a client thinks of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opinion {
    /// The server has been silent for too long.
    Gone,
    /// The server has been heard again.
    Back,
}
