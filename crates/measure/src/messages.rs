//! Records what becomes of messages, apart from the datagrams that carry them: tells the books of
//! the workloads, and handles messages in streams.

use skipbeat_core::{ClientId, ClientSet, Direction, MessageId, Time};
use skipbeat_workload::{GroupBooks, Reached};

use crate::deliveries::{Delivery, Over};
use crate::{Event, MessageSlot, Recorder};

impl Recorder {
    /// A message is due: a text for `audience`, or a message with one receiver if that is `None`.
    pub(crate) fn due(&mut self, at: Time, message: MessageId, audience: Option<&ClientSet>) {
        let counts = self.window.contains(at);
        match audience {
            Some(audience) if counts => {
                self.deliveries.sent[self.roster.group_of(message.sender)] += 1;
                self.deliveries.open(message, at, audience);
            }
            None if at < self.window.to => self.deliveries.open_for_one(message, at, counts),
            _ => {}
        }
        if let Some(books) = self.books_of(message.sender).filter(|_| counts) {
            books.due(at, message, audience);
        }
    }

    /// Records that a message reached a receiver, if this is the first copy.
    #[inline]
    pub(crate) fn reached(
        &mut self,
        at: Time,
        message: Option<MessageId>,
        to: ClientId,
        group: usize,
        delivery: Delivery,
    ) {
        let planned = match delivery {
            Delivery::First { planned, actual } => {
                self.latency[group].record(at.since(planned));
                if let Some(real) = &mut self.latency_real {
                    real[group].record(at.since(actual));
                }
                self.timelines[group].at(at).deliveries += 1;
                planned
            }
            Delivery::Early { planned } => planned,
            Delivery::Other => return,
        };
        if let Some(message) = message
            && let Some(books) = self.books_of(message.sender)
        {
            books.reached(Reached { at, planned, message, to });
        }
    }

    /// The server accepts a sample (`answers` is `None`), or answers a query with this many
    /// datagrams.
    pub(crate) fn served(&mut self, at: Time, slot: MessageSlot, answers: Option<u32>) {
        let served = self.deliveries.served(slot, answers, &self.roster);
        let Some((id, delivery)) = served else { return };
        let group = self.roster.group_of(id.sender);
        self.reached(at, Some(id), id.sender, group, delivery);
    }

    /// Records an event of a stream.
    pub(crate) fn record_stream(&mut self, at: Time, event: Event<'_>) {
        match event {
            Event::Written { direction, message, .. } => {
                if direction == Direction::Up {
                    self.sent(message);
                }
                self.deliveries.held(message);
            }
            Event::Read { direction: Direction::Up, message, .. }
            | Event::Severed { direction: Direction::Up, message, .. } => {
                self.deliveries.settled(message, &self.roster);
            }
            Event::Read { direction: Direction::Down, client, message } => {
                let id = self.deliveries.of(message).map(|(id, _)| id);
                let delivery = self.deliveries.read(message, client, &self.roster);
                if let Delivery::First { planned, .. } = delivery {
                    self.jitters.arrive(client, at.since(planned));
                }
                self.reached(at, id, client, self.roster.group_of(client), delivery);
            }
            Event::Severed { direction: Direction::Down, client, message } => {
                self.deliveries.severed_down(message, client, &self.roster);
            }
            Event::Disconnected { client } => {
                let broken = u64::from(self.window.contains(at));
                self.disconnected[self.roster.group_of(client)] += broken;
            }
            Event::InStream { direction: Direction::Down, client, message } => {
                self.flying_down.push((message, client));
            }
            // It is still held and the server never got it, so it counts as in flight.
            Event::InStream { direction: Direction::Up, .. } => {}
            _ => unreachable!("other events are of datagrams"),
        }
    }

    /// A message is sent to the server.
    pub(crate) fn sent(&mut self, slot: MessageSlot) {
        if let Some((id, _)) = self.deliveries.of(slot)
            && let Some(books) = self.books_of(id.sender)
        {
            books.offered(id);
        }
    }

    /// A datagram with a message entered the link to the server.
    pub(crate) fn offered_up(&mut self, slot: MessageSlot, copies: u32) {
        self.sent(slot);
        self.deliveries.offered_up(slot, copies, &self.roster);
        self.tell_what_is_over();
    }

    /// The books of a client's workload, if it has any.
    #[inline]
    pub(crate) fn books_of(&mut self, client: ClientId) -> Option<&mut GroupBooks> {
        self.workloads[self.roster.group_of(client)].as_mut()
    }

    /// Tells the workloads which messages with one receiver are finished.
    #[inline]
    pub(crate) fn tell_what_is_over(&mut self) {
        while let Some(Over { id, reached }) = self.deliveries.over.pop() {
            if let Some(books) = self.books_of(id.sender) {
                books.over(id, reached);
            }
        }
    }
}
