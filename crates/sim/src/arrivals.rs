//! Datagrams on links in virtual time, packed small: a run keeps one entry for each that is under
//! way.

use skipbeat_core::{ClientId, Direction, EndpointId};
use skipbeat_link::Change;
use skipbeat_measure::MessageSlot;
use skipbeat_swarm::{Datagram, Heard};

/// A datagram that leaves a link, in twelve bytes. Simultaneous arrivals are handled in the order
/// of the fields: up before down, by client, and originals before copies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival {
    /// The client whose link it is; the highest bit is set for the link down.
    link: u32,
    /// The number of the datagram on its link.
    index: u32,
    /// The slot of what it carries in [`Loads`], or [`BEAT`]; the highest bit is set for a copy.
    load: u32,
}

/// The load of a plain heartbeat from the client's own address, of which nothing has to be kept.
pub(crate) const BEAT: u32 = Arrival::FLAG - 1;

impl Arrival {
    const FLAG: u32 = 1 << 31;

    #[inline]
    pub(crate) fn new(direction: Direction, client: ClientId, index: u32, load: u32) -> Self {
        let down = if direction == Direction::Down { Self::FLAG } else { 0 };
        Arrival { link: client | down, index, load }
    }

    /// The copy of this datagram, with a load of its own.
    #[inline]
    pub(crate) fn copy(self, load: u32) -> Self {
        Arrival { load: load | Self::FLAG, ..self }
    }

    #[inline]
    pub(crate) fn direction(self) -> Direction {
        if self.link & Self::FLAG == 0 { Direction::Up } else { Direction::Down }
    }

    #[inline]
    pub(crate) fn client(self) -> ClientId {
        self.link & !Self::FLAG
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) fn is_copy(self) -> bool {
        self.load & Self::FLAG != 0
    }

    #[inline]
    pub(crate) fn load(self) -> u32 {
        self.load & !Self::FLAG
    }
}

/// What a datagram contains.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload {
    /// A TCP segment: the number of its connection, the slot of its IP packet, and how the link
    /// changed it.
    Segment { connection: u32, packet: u32, change: Option<Change> },
    /// A datagram of a client, the endpoint it seems to come from, and how the link changed it.
    Up(Datagram, EndpointId, Option<Change>),
    /// A datagram of the server to which clients react.
    Down(Heard),
    /// A text of the server, to which clients do not react.
    Text,
}

/// What a datagram carries. All its copies share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) payload: Payload,
    pub(crate) message: Option<MessageSlot>,
    /// How many arrivals refer to it.
    pub(crate) uses: u32,
}

/// The loads of all arrivals, by slot. Free slots are used again.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    loads: Vec<Load>,
    free: Vec<u32>,
}

impl Loads {
    /// Keeps a load. Returns its slot.
    pub(crate) fn add(&mut self, load: Load) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.loads[slot as usize] = load;
            return slot;
        }
        self.loads.push(load);
        self.loads.len() as u32 - 1
    }

    /// The load in a slot; `None` for [`BEAT`].
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<Load> {
        self.loads.get(slot as usize).copied()
    }

    /// Adds to the uses of a load.
    #[inline]
    pub(crate) fn retain(&mut self, slot: u32, uses: u32) {
        self.loads[slot as usize].uses += uses;
    }

    /// Ends one use of a load. Its slot is free after the last.
    #[inline]
    pub(crate) fn release(&mut self, slot: u32) {
        let load = &mut self.loads[slot as usize];
        load.uses -= 1;
        if load.uses == 0 {
            self.free.push(slot);
        }
    }
}
