//! Which messages are in the TCP connection of each client. What is written comes out at the other
//! end in the same order, unless the connection ends before.

use std::collections::{BTreeMap, VecDeque};

use skipbeat_core::{ClientId, ClientSet, Direction, Time};
use skipbeat_measure::{Event, MessageSlot};
use skipbeat_scenario::Group;
use skipbeat_swarm::{Datagram, Transport};

use super::Harness;

/// The messages that are in the streams of all clients.
#[derive(Debug)]
pub(crate) struct StreamLedger {
    /// By group, whether its clients use streams.
    uses_streams: Vec<bool>,
    /// By client, the messages on their way up and down, the oldest first.
    in_transit: BTreeMap<ClientId, [VecDeque<MessageSlot>; 2]>,
}

impl StreamLedger {
    pub(crate) fn new(groups: &[Group]) -> Self {
        let stream = |group: &Group| group.behaviour.transport == Transport::Tcp;
        StreamLedger {
            uses_streams: groups.iter().map(stream).collect(),
            in_transit: BTreeMap::new(),
        }
    }

    /// Whether any client uses a stream.
    pub(crate) fn any(&self) -> bool {
        self.uses_streams.contains(&true)
    }

    fn queue(&mut self, direction: Direction, client: ClientId) -> &mut VecDeque<MessageSlot> {
        &mut self.in_transit.entry(client).or_default()[direction as usize]
    }
}

impl Harness {
    /// Whether a client uses a stream.
    #[inline]
    pub fn is_stream(&self, client: ClientId) -> bool {
        self.streams.any()
            && self.streams.uses_streams.get(self.roster.group_of(client)) == Some(&true)
    }

    /// A client writes a datagram into its stream: its message is opened.
    pub(crate) fn write_up(
        &mut self,
        planned: Time,
        client: ClientId,
        datagram: &Datagram,
        audience: &ClientSet,
    ) {
        if let Some(message) = self.open(planned, client, datagram, audience) {
            self.written(planned, Direction::Up, client, message);
        }
    }

    /// A message is written into a stream.
    pub(crate) fn written(
        &mut self,
        at: Time,
        direction: Direction,
        client: ClientId,
        message: MessageSlot,
    ) {
        self.streams.queue(direction, client).push_back(message);
        self.record(at, Event::Written { direction, client, message });
    }

    /// A message is written to those of these clients that use streams. Returns how many they are.
    pub(crate) fn written_to(
        &mut self,
        at: Time,
        message: Option<MessageSlot>,
        clients: &ClientSet,
    ) -> u32 {
        if !self.streams.any() {
            return 0;
        }
        let streams: Vec<ClientId> = clients.iter().filter(|c| self.is_stream(*c)).collect();
        if let Some(message) = message {
            streams.iter().for_each(|c| self.written(at, Direction::Down, *c, message));
        }
        streams.len() as u32
    }

    /// A message came out of a stream.
    pub fn read(
        &mut self,
        at: Time,
        direction: Direction,
        client: ClientId,
        message: Option<MessageSlot>,
    ) {
        let Some(message) = message else { return };
        let queue = self.streams.queue(direction, client);
        // It is the first, except for messages that have been closed since they were written.
        if let Some(index) = queue.iter().position(|written| *written == message) {
            queue.remove(index);
            self.record(at, Event::Read { direction, client, message });
        }
    }

    /// The stream of a client has ended in one direction: what is in it will not come out.
    pub fn severed(&mut self, at: Time, direction: Direction, client: ClientId) {
        for message in std::mem::take(self.streams.queue(direction, client)) {
            self.record(at, Event::Severed { direction, client, message });
        }
    }

    /// The run is over: records what is still in streams.
    pub fn leave_in_streams(&mut self, end: Time) {
        for (client, queues) in std::mem::take(&mut self.streams.in_transit) {
            for (direction, queue) in Direction::BOTH.into_iter().zip(queues) {
                for message in queue {
                    self.record(end, Event::InStream { direction, client, message });
                }
            }
        }
    }
}
