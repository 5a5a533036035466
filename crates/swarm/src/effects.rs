//! What a driver exchanges with a swarm: what its clients do, and what they hear.

use skipbeat_core::{ClientId, ClientSet, Life, MessageId, Time};
use skipbeat_protocol::AckEnd;

use crate::Datagram;

/// Where the effects of the swarm go.
pub trait SwarmEffects {
    /// A client sends. `planned` is when it had to, and `audience` are the clients that should get
    /// what is said to everybody at that time: those that are up and meant to be members.
    fn send(&mut self, planned: Time, client: ClientId, datagram: Datagram, audience: &ClientSet);
    /// A client does not wait any more for the ack of a text or the answer to a query.
    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: AckEnd);
    /// A client concludes that the server is gone, or hears from it again.
    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion);
    /// The address of a client changes.
    fn rebind(&mut self, at: Time, client: ClientId);
    /// A client starts, crashes or leaves.
    fn life(&mut self, at: Time, client: ClientId, life: Life);
    /// Clients send a [`Datagram::BARE_BEAT`] each, at times that may be out of order, but for those
    /// of one client.
    fn beat(&mut self, beats: &[(Time, ClientId)], audience: &ClientSet) {
        for (planned, client) in beats {
            self.send(*planned, *client, Datagram::BARE_BEAT, audience);
        }
    }
}

/// What a client hears that it has to heed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Heard {
    /// The server's heartbeat of this number.
    Heartbeat(u32),
    /// A text of this number, which wants an ack.
    Message(u32),
    /// The ack of the client's text of this number.
    Ack(u32),
    /// The answer to the client's query of this number.
    Value(u32),
    /// What the client has to say to prove its address.
    Cookie(u64),
    /// The token of its session.
    Welcome(u64),
    /// The session of this token is over.
    Expired(u64),
}

/// What a client thinks of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opinion {
    /// It has been silent for too long.
    Gone,
    /// It is there after all.
    Back,
}
