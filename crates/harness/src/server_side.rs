//! What the server does, turned into events for the recorder, and handed to the driver where it
//! travels. `swarm_side` does the same for the swarm.

use skipbeat_core::{ClientSet, Direction, EndpointId, Span, Time};
use skipbeat_measure::{Event, MessageSlot};
use skipbeat_server::{AckEnd, Note, PeerId, Sending, ServerEffects};

use crate::Harness;

/// Something that the server did. `P` names a peer and `M` a message: the built-in server on real
/// sockets knows addresses and tags, the recorder endpoints and slots ([`ServerEvent::map`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerEvent<P, M> {
    /// The server noted something about a peer.
    Note {
        /// The peer, by the address that it has now.
        peer: P,
        /// The peer that has its former address, where it has moved.
        left: Option<P>,
        /// What was noted.
        note: Note,
        /// The message that the server was handling.
        message: Option<M>,
    },
    /// A message went to a member that has to acknowledge it, for the first time.
    Held {
        /// The message.
        message: Option<M>,
    },
    /// Such a message was sent again.
    Retransmitted {
        /// The member.
        peer: P,
    },
    /// The server no longer waits for an ack.
    Settled {
        /// The member.
        peer: P,
        /// The message that it should have acknowledged.
        message: Option<M>,
        /// Whether it did.
        acked: bool,
    },
    /// A datagram came out of a stream. Recorded after everything that the server did because of
    /// it.
    Read {
        /// The client at the other end.
        peer: P,
        /// The message in the datagram.
        message: Option<M>,
    },
    /// The server crashed: it does nothing any more.
    Crashed,
    /// A datagram arrived after that.
    Unread {
        /// Its sender.
        peer: P,
        /// The message in it.
        message: Option<M>,
    },
}

impl<P: Copy, M: Copy> ServerEvent<P, M> {
    /// The same event with other names for peers and messages. `None` if the peer has no such name;
    /// a message without one is left out.
    #[inline]
    pub fn map<Q, N>(
        self,
        peer_name: impl Fn(P) -> Option<Q>,
        message_name: impl Fn(M) -> Option<N>,
    ) -> Option<ServerEvent<Q, N>> {
        Some(match self {
            ServerEvent::Note { peer, left, note, message } => ServerEvent::Note {
                peer: peer_name(peer)?,
                left: left.and_then(peer_name),
                note,
                message: message.and_then(message_name),
            },
            ServerEvent::Held { message } => {
                ServerEvent::Held { message: message.and_then(message_name) }
            }
            ServerEvent::Retransmitted { peer } => {
                ServerEvent::Retransmitted { peer: peer_name(peer)? }
            }
            ServerEvent::Settled { peer, message, acked } => ServerEvent::Settled {
                peer: peer_name(peer)?,
                message: message.and_then(message_name),
                acked,
            },
            ServerEvent::Read { peer, message } => ServerEvent::Read {
                peer: peer_name(peer)?,
                message: message.and_then(message_name),
            },
            ServerEvent::Crashed => ServerEvent::Crashed,
            ServerEvent::Unread { peer, message } => ServerEvent::Unread {
                peer: peer_name(peer)?,
                message: message.and_then(message_name),
            },
        })
    }
}

/// A driver that carries what the server sends to the clients.
pub trait ServerDriver {
    /// How the driver identifies a message.
    type Message: Copy;

    /// The message in a text of this run, where there is one.
    fn message(&self, text: &[u8]) -> Option<Self::Message>;

    /// The server did something. Called before the datagrams that follow from it are sent.
    fn record(&mut self, at: Time, event: ServerEvent<PeerId, Self::Message>);

    /// The server sends a datagram to one peer while it handles `message`.
    fn send(&mut self, at: Time, to: PeerId, payload: &[u8], message: Option<Self::Message>);

    /// The server sends a text to all `members`, and the driver one datagram to each peer in `to`.
    /// The other members get the text numbered, each by a call of [`ServerDriver::send`].
    fn broadcast(
        &mut self,
        at: Time,
        payload: &[u8],
        message: Option<Self::Message>,
        members: &ClientSet,
        to: &ClientSet,
    );

    /// Two peers exchange their addresses, since a member has moved to that of `elsewhere`.
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId);
}

/// Receives the effects of the server, for a driver.
pub struct FromServer<'a, D: ServerDriver> {
    driver: &'a mut D,
    now: Time,
    /// The message that the server is handling.
    message: Option<D::Message>,
    /// The peer that has the former address of the member that moved.
    left: Option<PeerId>,
}

impl<'a, D: ServerDriver> FromServer<'a, D> {
    /// For what the server does by itself.
    #[inline]
    pub fn new(driver: &'a mut D, now: Time) -> Self {
        FromServer::handling(driver, now, None)
    }

    /// For what the server does in response to a datagram with this message.
    #[inline]
    pub fn handling(driver: &'a mut D, now: Time, message: Option<D::Message>) -> Self {
        FromServer { driver, now, message, left: None }
    }
}

impl<D: ServerDriver> ServerEffects for FromServer<'_, D> {
    #[inline]
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        match sending {
            Sending::Once => {}
            Sending::First => {
                let message = self.message.or_else(|| self.driver.message(payload));
                self.driver.record(self.now, ServerEvent::Held { message });
            }
            Sending::Again => {
                self.driver.record(self.now, ServerEvent::Retransmitted { peer: to });
            }
        }
        self.driver.send(self.now, to, payload, self.message);
    }

    #[inline]
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        self.driver.broadcast(self.now, payload, self.message, members, to);
    }

    fn settled(&mut self, peer: PeerId, text: &[u8], end: AckEnd) {
        let (message, acked) = (self.driver.message(text), end == AckEnd::Acked);
        self.driver.record(self.now, ServerEvent::Settled { peer, message, acked });
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.driver.exchange(member, elsewhere);
        self.left = Some(elsewhere);
    }

    #[inline]
    fn note(&mut self, peer: PeerId, note: Note) {
        let FromServer { message, left, .. } = *self;
        self.driver.record(self.now, ServerEvent::Note { peer, left, note, message });
    }
}

impl Harness {
    /// Records something that the server did. Where no client has, had or forges an endpoint, there
    /// is nothing to record.
    #[inline]
    pub fn server_event(&mut self, at: Time, event: ServerEvent<EndpointId, MessageSlot>) {
        match event {
            ServerEvent::Note { peer, left, note, message } => {
                self.note(at, peer, note, left, message);
            }
            ServerEvent::Held { message } => self.record(at, Event::Held { message }),
            ServerEvent::Retransmitted { peer } => {
                if let Some(client) = self.endpoints.owner(peer) {
                    let direction = Direction::Down;
                    self.record(at, Event::Retransmitted { direction, client });
                }
            }
            ServerEvent::Settled { peer, message, acked } => {
                if let Some(client) = self.endpoints.owner(peer) {
                    let direction = Direction::Down;
                    self.record(at, Event::Settled { direction, client, acked, message });
                }
            }
            // Of a client with a stream the endpoint is always its own number.
            ServerEvent::Read { peer, message } => self.read(at, Direction::Up, peer, message),
            ServerEvent::Crashed => self.record(at, Event::ServerCrashed),
            ServerEvent::Unread { peer, message } => {
                if let Some(client) = self.endpoints.owner(peer) {
                    self.record(at, Event::Refused { client, cause: "server-down", message });
                }
            }
        }
    }

    /// The server sends a message to its members, which are at these endpoints.
    pub fn broadcast(&mut self, at: Time, message: Option<MessageSlot>, members: &ClientSet) {
        let complete = false;
        if self.endpoints.are_plain() {
            let datagrams = members.len() - self.written_to(at, message, members);
            self.record(at, Event::Broadcast { message, members, datagrams, complete });
            return;
        }
        let mut clients = ClientSet::with_room(self.roster.clients());
        for endpoint in members.iter() {
            if let Some(client) = self.endpoints.owner(endpoint) {
                clients.insert(client);
            }
        }
        let datagrams = members.len() - self.written_to(at, message, &clients);
        self.record(at, Event::Broadcast { message, members: &clients, datagrams, complete });
    }

    fn note(
        &mut self,
        at: Time,
        endpoint: EndpointId,
        note: Note,
        left: Option<EndpointId>,
        message: Option<MessageSlot>,
    ) {
        let Some(client) = self.endpoints.owner(endpoint) else { return };
        // A member at any other endpoint is a ghost: no honest client is there.
        let honest = self.endpoints.honest_at(endpoint, &self.roster).is_some();
        let event = match note {
            Note::Joined if honest => Event::Joined { client },
            Note::Joined => Event::GhostJoined { client, endpoint },
            Note::Quit if honest => Event::Quit { client },
            Note::Quit => Event::GhostGone { client, endpoint, silence: None },
            Note::Evicted { silence } if honest => {
                Event::Evicted { client, silence: Some(silence), uncertainty: Span::ZERO }
            }
            Note::Evicted { silence } => {
                Event::GhostGone { client, endpoint, silence: Some(silence) }
            }
            Note::Moved => {
                let left = left.unwrap_or(endpoint);
                Event::Moved { client, left, to: endpoint, current: honest }
            }
            Note::Repeated => Event::Repeated { client, message },
            Note::Taken => Event::Taken { client, message },
            Note::Served if self.is_stream(client) => {
                if let Some(message) = message {
                    self.written(at, Direction::Down, client, message);
                }
                Event::Served { client, message, datagrams: 0 }
            }
            Note::Served => Event::Served { client, message, datagrams: 1 },
            Note::Refused(cause) => Event::Refused { client, cause: cause.name(), message },
        };
        self.record(at, event);
    }
}
