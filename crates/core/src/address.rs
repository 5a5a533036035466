//! How places are addresses: one loopback address each, one port for all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::Place;

/// Place `n` is `127.1.0.0 + n` at one common port. All of 127.0.0.0/8 is local on Linux, so
/// every client has an address of its own without privilege and without a socket of its own.
#[derive(Clone, Copy, Debug)]
pub struct AddressPlan {
    /// The port that all share.
    pub port: u16,
}

impl AddressPlan {
    const BASE: u32 = u32::from_be_bytes([127, 1, 0, 0]);
    /// How many places have an address in this plan.
    pub const CAPACITY: u32 = u32::from_be_bytes([127, 255, 255, 255]) - Self::BASE;

    /// The IPv4 address of a place; `place` must be below [`Self::CAPACITY`].
    pub fn ip(place: Place) -> Ipv4Addr {
        debug_assert!(place < Self::CAPACITY);
        Ipv4Addr::from(Self::BASE + place)
    }

    /// The socket address of a place.
    pub fn address(self, place: Place) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Self::ip(place)), self.port)
    }

    /// The place at an address, if the plan has one there.
    pub fn place(ip: Ipv4Addr) -> Option<Place> {
        u32::from(ip).checked_sub(Self::BASE).filter(|n| *n < Self::CAPACITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_place_are_inverse() {
        for place in [0, 1, 255, 256, 1_000_000] {
            assert_eq!(AddressPlan::place(AddressPlan::ip(place)), Some(place));
        }
        assert_eq!(AddressPlan::place(Ipv4Addr::new(127, 0, 0, 1)), None);
        assert_eq!(AddressPlan::place(Ipv4Addr::new(192, 0, 2, 1)), None);
    }
}
