//! The largest IP packet, and the two queues that take the place of a network card.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// The size of the largest IP packet in bytes, as on Ethernet. IP and TCP headers take 40 of them,
/// so a segment carries up to 1460 bytes.
pub const MTU: usize = 1500;

/// The packets between smoltcp and the network, as a smoltcp [`Device`].
#[derive(Debug, Default)]
pub(crate) struct PacketQueues {
    /// Packets from the other end that smoltcp has not read yet.
    pub(crate) incoming: VecDeque<Vec<u8>>,
    /// Packets from smoltcp that the network has not taken yet.
    pub(crate) outgoing: VecDeque<Vec<u8>>,
}

/// A packet that smoltcp is about to read.
pub(crate) struct Received(Vec<u8>);

/// The queue that a packet from smoltcp goes to.
pub(crate) struct Transmit<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for PacketQueues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Transmit<'_>)> {
        let packet = self.incoming.pop_front()?;
        Some((Received(packet), Transmit(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}
