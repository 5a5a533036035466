//! The books of streams: which messages are in the connection of each client. What is written comes
//! out at the other end in the same order, or the connection is over.

use std::collections::{BTreeMap, VecDeque};

use skipbeat_core::{ClientId, ClientSet, Direction, Time};
use skipbeat_measure::{Event, MessageSlot};
use skipbeat_scenario::Group;
use skipbeat_swarm::{Datagram, Transport};

use crate::Harness;

/// What is in the streams.
#[derive(Debug)]
pub(crate) struct StreamLedger {
    /// Which groups talk over streams.
    groups: Vec<bool>,
    /// By client, upwards and downwards.
    pipes: BTreeMap<ClientId, [VecDeque<MessageSlot>; 2]>,
}

impl StreamLedger {
    pub(crate) fn new(groups: &[Group]) -> Self {
        let stream = |group: &Group| group.behaviour.transport == Transport::Tcp;
        StreamLedger { groups: groups.iter().map(stream).collect(), pipes: BTreeMap::new() }
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.groups.contains(&true)
    }

    fn pipe(&mut self, direction: Direction, client: ClientId) -> &mut VecDeque<MessageSlot> {
        &mut self.pipes.entry(client).or_default()[direction as usize]
    }
}

impl Harness {
    /// Whether a client talks over a stream.
    #[inline]
    pub fn is_stream(&self, client: ClientId) -> bool {
        self.streams.any() && self.streams.groups.get(self.roster.group_of(client)) == Some(&true)
    }

    /// A client writes what it says into its stream: the message is opened.
    pub(crate) fn say(
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
        self.streams.pipe(direction, client).push_back(message);
        self.record(at, Event::Written { direction, client, message });
    }

    /// A message is written to those of these clients who have streams; says how many they are.
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
        let pipe = self.streams.pipe(direction, client);
        // It is the first, but for what was written and is of no message any more.
        if let Some(endpoint) = pipe.iter().position(|written| *written == message) {
            pipe.remove(endpoint);
            self.record(at, Event::Read { direction, client, message });
        }
    }

    /// The stream of a client is over in one direction: what is in it comes out no more.
    pub fn severed(&mut self, at: Time, direction: Direction, client: ClientId) {
        for message in std::mem::take(self.streams.pipe(direction, client)) {
            self.record(at, Event::Severed { direction, client, message });
        }
    }

    /// The run is over: what is still in streams is told to the books.
    pub fn leave_in_streams(&mut self, end: Time) {
        for (client, pipes) in std::mem::take(&mut self.streams.pipes) {
            for (direction, pipe) in Direction::BOTH.into_iter().zip(pipes) {
                for message in pipe {
                    self.record(end, Event::InStream { direction, client, message });
                }
            }
        }
    }
}
