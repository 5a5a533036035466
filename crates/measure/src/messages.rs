//! What becomes of messages beside the datagrams that carry them: who hears of it in the books of
//! workloads, and what happens to those in streams.

use skipbeat_core::{ClientId, ClientSet, Direction, MessageId, Time};
use skipbeat_workload::{GroupBooks, Reached};

use crate::deliveries::{Delivery, Over};
use crate::{Event, MessageSlot, Recorder};

impl Recorder {
    /// A message is due: for everybody who is up and to be a member, or for the server alone.
    pub(crate) fn due(&mut self, at: Time, message: MessageId, up: Option<&ClientSet>) {
        let counts = self.window.contains(at);
        match up {
            Some(up) if counts => {
                self.deliveries.sent[self.roster.group_of(message.sender)] += 1;
                self.deliveries.open(message, at, up);
            }
            None if at < self.window.to => self.deliveries.open_for_one(message, at, counts),
            _ => {}
        }
        if let Some(books) = self.books_of(message.sender).filter(|_| counts) {
            books.due(at, message, up);
        }
    }

    /// A message reached somebody for whom it is, if it is the first copy.
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
                self.timeline.at(at).deliveries += 1;
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

    /// The server took a message for one, or answers it in so many datagrams.
    pub(crate) fn served(&mut self, at: Time, slot: MessageSlot, answers: Option<u32>) {
        let served = self.deliveries.served(slot, answers, &self.roster);
        let Some((id, delivery)) = served else { return };
        let group = self.roster.group_of(id.sender);
        self.reached(at, Some(id), id.sender, group, delivery);
    }

    /// Takes note of what happens to streams.
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
            // It is held, and the server never had it.
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

    /// What the workload of a client counts.
    #[inline]
    pub(crate) fn books_of(&mut self, client: ClientId) -> Option<&mut GroupBooks> {
        self.workloads[self.roster.group_of(client)].as_mut()
    }

    /// Tells the workloads of what became of messages for one.
    #[inline]
    pub(crate) fn tell_what_is_over(&mut self) {
        while let Some(Over { id, reached }) = self.deliveries.over.pop() {
            if let Some(books) = self.books_of(id.sender) {
                books.over(id, reached);
            }
        }
    }
}
