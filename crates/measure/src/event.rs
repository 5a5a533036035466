//! The events of a run. Both worlds, `sim` and `net`, emit them, and everything that is measured
//! comes from them.

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, Life, MessageId, Span};
use skipbeat_link::Verdict;

use crate::MessageSlot;

/// Something that happened. Its time is passed separately.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A client starts, crashes or leaves.
    Life {
        /// The client.
        client: ClientId,
        /// Its state from now on.
        life: Life,
    },
    /// A client is due to send a text to everybody. The time of the event is the planned time.
    Chat {
        /// The message.
        message: MessageId,
        /// The expected receivers: clients that are up and should be members.
        audience: &'a ClientSet,
    },
    /// A client is due to send a sample or a query, which is for the server alone. The time of the
    /// event is the planned time.
    Request {
        /// The message.
        message: MessageId,
    },
    /// A datagram enters a link, which decides its fate.
    Offered {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose link it is.
        client: ClientId,
        /// Its length in bytes.
        bytes: usize,
        /// What the link decided.
        verdict: Verdict,
        /// How many of the datagram and its copy arrive so damaged that their message can't be
        /// recognized.
        mangled: u32,
        /// The message in it, if there is one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// A datagram leaves a link.
    Arrived {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose link it is.
        client: ClientId,
        /// Its number on the link, in order of entry.
        index: u32,
        /// Whether it is a copy made by the link.
        copy: bool,
        /// How much later than the time of the event the world really passed it on.
        late: Span,
        /// The message in it, if there is one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server sends a datagram to an address that no client has now: one that a client has
    /// left, or one that was forged.
    Misaddressed {
        /// The client that had the address, or forged it.
        client: ClientId,
        /// Its length in bytes.
        bytes: usize,
        /// The message in it, if there is one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The address of a client changes.
    Rebound {
        /// The client.
        client: ClientId,
        /// Its old address.
        left: EndpointId,
    },
    /// The server recognizes a member at a new address by its session.
    Moved {
        /// The client.
        client: ClientId,
        /// The address at which the server knew it before.
        left: EndpointId,
        /// The address at which the server knows it now.
        to: EndpointId,
        /// Whether the client really is at the new address.
        current: bool,
    },
    /// The server admits a ghost: a member at an address that no honest client has.
    GhostJoined {
        /// The client that had the address or forged it, or the hostile client at it.
        client: ClientId,
        /// The address.
        endpoint: EndpointId,
    },
    /// A ghost is no longer a member.
    GhostGone {
        /// The client that had the address or forged it, or the hostile client at it.
        client: ClientId,
        /// The address.
        endpoint: EndpointId,
        /// The time since the server last heard from it, if it was evicted.
        silence: Option<Span>,
    },
    /// The server admits a client.
    Joined {
        /// The client.
        client: ClientId,
    },
    /// The server accepts a `quit` in the name of a client.
    Quit {
        /// The client.
        client: ClientId,
    },
    /// The server evicts a client.
    Evicted {
        /// The client.
        client: ClientId,
        /// The time since the server last heard from it, if that is known.
        silence: Option<Span>,
        /// How far the eviction may be before or after the time of the event: zero for a server
        /// whose members can be seen, half the time between two broadcasts for one seen from
        /// outside.
        uncertainty: Span,
    },
    /// The server sends a message to its members.
    Broadcast {
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
        /// The receivers: clients that are members, at any address.
        members: &'a ClientSet,
        /// The number of datagrams.
        datagrams: u32,
        /// Whether all datagrams have been on the links already, as when the server is seen from
        /// outside.
        complete: bool,
    },
    /// The server refuses a datagram.
    Refused {
        /// The client.
        client: ClientId,
        /// The name of the cause.
        cause: &'static str,
        /// The message in it, if there is one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server accepts a sample.
    Taken {
        /// The client.
        client: ClientId,
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server answers a query.
    Served {
        /// The client.
        client: ClientId,
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
        /// The number of datagrams of the answer; 0 if it goes into a stream.
        datagrams: u32,
    },
    /// A message is written into a stream.
    Written {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose stream it is.
        client: ClientId,
        /// The message.
        message: MessageSlot,
    },
    /// A message comes out of a stream. On the way up, this event follows those for what the server
    /// does with the message.
    Read {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose stream it is.
        client: ClientId,
        /// The message.
        message: MessageSlot,
    },
    /// A stream ends before a message came out of it.
    Severed {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose stream it is.
        client: ClientId,
        /// The message.
        message: MessageSlot,
    },
    /// The connection of a live client ends, and not because the client closed it.
    Disconnected {
        /// The client.
        client: ClientId,
    },
    /// The run ends while a message is in a stream.
    InStream {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose stream it is.
        client: ClientId,
        /// The message.
        message: MessageSlot,
    },
    /// A sender will send a message again until it is settled: a client to the server, or the
    /// server to one member.
    Held {
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
    },
    /// A datagram is sent again because its ack is overdue.
    Retransmitted {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose link it is.
        client: ClientId,
    },
    /// A sender stops waiting for the ack of, or the answer to, a message that it held.
    Settled {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose link it is.
        client: ClientId,
        /// Whether the ack or answer came; otherwise the sender gave up.
        acked: bool,
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
    },
    /// A copy reaches the server, which has the message already and does not pass it on.
    Repeated {
        /// The client.
        client: ClientId,
        /// The message, if it is accounted for.
        message: Option<MessageSlot>,
    },
    /// A foreign server answers the heartbeat of a client.
    Answered {
        /// The client.
        client: ClientId,
        /// The time since the heartbeat was due at the server's end of its link.
        after: Span,
    },
    /// The server falls silent for good.
    ServerCrashed,
    /// A client considers the server gone.
    ServerSuspected {
        /// The client.
        client: ClientId,
    },
    /// The run ends while a datagram is on a link.
    InFlight {
        /// Towards the server or towards the client.
        direction: Direction,
        /// The client whose link it is.
        client: ClientId,
        /// The message in it, if there is one that is accounted for.
        message: Option<MessageSlot>,
    },
}
