//! The one event stream. Both worlds speak it; every reader reads it.

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, Life, MessageId, Span};
use skipbeat_link::Verdict;

use crate::MessageSlot;

/// Something that happened at a time that is said beside it.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A client starts, crashes or leaves.
    Life {
        /// Whose life.
        client: ClientId,
        /// What it is from now on.
        life: Life,
    },
    /// A client says something; the time of the event is the planned one.
    Chat {
        /// Which message.
        message: MessageId,
        /// Who is up, and should get it.
        up: &'a ClientSet,
    },
    /// A client says something to the server alone, a sample or a query; the time of the event is the
    /// planned one.
    Request {
        /// Which message.
        message: MessageId,
    },
    /// A datagram enters a link, which decides what becomes of it.
    Offered {
        /// Which way.
        direction: Direction,
        /// Whose link.
        client: ClientId,
        /// Its length in bytes.
        bytes: usize,
        /// What the link decided.
        verdict: Verdict,
        /// How many of what arrives of it, itself and its copy, are so changed that the message in it
        /// can't be told any more.
        mangled: u32,
        /// The message in it, where it has one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// A datagram leaves a link.
    Arrived {
        /// Which way.
        direction: Direction,
        /// Whose link.
        client: ClientId,
        /// Its place on the link.
        index: u32,
        /// Whether the link made it.
        copy: bool,
        /// How much later than that the world carried it on.
        late: Span,
        /// The message in it, where it has one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server sends a datagram to an address that no client has (any more): one that a client
    /// has left, or one that was forged.
    Misaddressed {
        /// Who had the address, or forged it.
        client: ClientId,
        /// Its length in bytes.
        bytes: usize,
        /// The message in it, where it has one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The address of a client changes.
    Rebound {
        /// Which client.
        client: ClientId,
        /// The place that it leaves.
        left: EndpointId,
    },
    /// The server found a member at another address, by its session.
    Moved {
        /// Which client.
        client: ClientId,
        /// Where the server thought it was.
        left: EndpointId,
        /// Where it is now, in the server's eyes.
        to: EndpointId,
        /// Whether it really is there.
        current: bool,
    },
    /// The server took in a ghost: a member at an address that no honest client has.
    GhostJoined {
        /// Who had the address, or forged it, or is hostile there.
        client: ClientId,
        /// The address.
        endpoint: EndpointId,
    },
    /// A ghost is a member no more.
    GhostGone {
        /// Who had the address, or forged it, or is hostile there.
        client: ClientId,
        /// The address.
        endpoint: EndpointId,
        /// How long the server had not heard of it, if it was evicted.
        silence: Option<Span>,
    },
    /// The server took a client in.
    Joined {
        /// Which client.
        client: ClientId,
    },
    /// The server took note of a client's `quit`.
    Quit {
        /// Which client.
        client: ClientId,
    },
    /// The server threw a client out.
    Evicted {
        /// Which client.
        client: ClientId,
        /// How long the server had not heard of it, where that is known.
        silence: Option<Span>,
        /// How far before or after the stated time it may have been: zero for a server whose
        /// members can be seen, half the time between two broadcasts for one seen from outside.
        uncertainty: Span,
    },
    /// The server sends a message to its members.
    Broadcast {
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
        /// To whom: clients that are members, at whatever address.
        members: &'a ClientSet,
        /// In how many datagrams.
        datagrams: u32,
        /// Whether all of it has been on the links already: so where it is seen from outside.
        complete: bool,
    },
    /// The server refused a datagram.
    Refused {
        /// Whose.
        client: ClientId,
        /// Why, by its name.
        cause: &'static str,
        /// The message in it, where it has one that is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server took a sample.
    Taken {
        /// Whose.
        client: ClientId,
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
    },
    /// The server answers a query.
    Served {
        /// Whose.
        client: ClientId,
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
        /// In how many datagrams: none where the answer goes into a stream.
        datagrams: u32,
    },
    /// A message is written into a stream, which brings it to the other end sooner or later.
    Written {
        /// Which way.
        direction: Direction,
        /// Whose stream.
        client: ClientId,
        /// Which message.
        message: MessageSlot,
    },
    /// A message comes out of a stream. Upwards this is told behind what the server makes of it.
    Read {
        /// Which way.
        direction: Direction,
        /// Whose stream.
        client: ClientId,
        /// Which message.
        message: MessageSlot,
    },
    /// A stream is over before a message came out of it.
    Severed {
        /// Which way.
        direction: Direction,
        /// Whose stream.
        client: ClientId,
        /// Which message.
        message: MessageSlot,
    },
    /// The connection of a client that lives is over, without its doing.
    Disconnected {
        /// Whose.
        client: ClientId,
    },
    /// The run ends while a message is in a stream.
    InStream {
        /// Which way.
        direction: Direction,
        /// Whose stream.
        client: ClientId,
        /// Which message.
        message: MessageSlot,
    },
    /// A message will be sent again until it is settled: upwards to the server, downwards to one
    /// member.
    Held {
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
    },
    /// Something is sent again, since its ack is overdue.
    Retransmitted {
        /// Which way.
        direction: Direction,
        /// Whose link.
        client: ClientId,
    },
    /// A message that was held is not waited for any more.
    Settled {
        /// Which way.
        direction: Direction,
        /// Whose link.
        client: ClientId,
        /// Whether the ack came; else it was given up.
        acked: bool,
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
    },
    /// A copy reached the server that had the message already, and told it to nobody.
    Repeated {
        /// Whose.
        client: ClientId,
        /// Which message, where it is accounted for.
        message: Option<MessageSlot>,
    },
    /// A server that is not ours answered the heartbeat of a client.
    Answered {
        /// Whose.
        client: ClientId,
        /// How long after the heartbeat was due at the server's side of its link.
        after: Span,
    },
    /// The server falls silent for good.
    ServerCrashed,
    /// A client takes the server for gone.
    ServerSuspected {
        /// Which client.
        client: ClientId,
    },
    /// The run ends while a datagram is on a link.
    InFlight {
        /// Which way.
        direction: Direction,
        /// Whose link.
        client: ClientId,
        /// The message in it, where it has one that is accounted for.
        message: Option<MessageSlot>,
    },
}
