//! Which address a place has where several sockets share the clients: each socket has its range of
//! places and its own port.

use std::net::SocketAddr;

use skipbeat_core::{AddressPlan, Place};

/// One plan of addresses for each range of places.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    plans: Vec<AddressPlan>,
    /// Places of each range; the last has what is left.
    each: u32,
}

impl Spread {
    /// The first places in ranges of this many, by the plans of the ranges.
    pub(crate) fn new(plans: Vec<AddressPlan>, places: u32) -> Self {
        let each = places.div_ceil(plans.len() as u32).max(1);
        Spread { plans, each }
    }

    /// The range of a place.
    #[inline]
    pub(crate) fn range(&self, place: Place) -> usize {
        match self.plans.len() {
            1 => 0,
            ranges => (place / self.each).min(ranges as u32 - 1) as usize,
        }
    }

    /// The address of a place.
    #[inline]
    pub(crate) fn address(&self, place: Place) -> SocketAddr {
        self.plans[self.range(place)].address(place)
    }

    /// The place at an address.
    #[inline]
    pub(crate) fn place(&self, address: SocketAddr) -> Option<Place> {
        let place = self.plans[0].place(address.ip())?;
        (self.plans[self.range(place)].port == address.port()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_its_port_and_what_lies_beyond_belongs_to_the_last() {
        let plan = |port| AddressPlan { first: AddressPlan::LOOPBACK, port };
        let spread = Spread::new(vec![plan(1), plan(2), plan(3)], 10);
        let ports: Vec<u16> =
            [0, 3, 4, 7, 8, 9, 50].map(|place| spread.address(place).port()).into();
        assert_eq!(ports, [1, 1, 2, 2, 3, 3, 3]);
        for place in [0, 5, 9, 50] {
            assert_eq!(spread.place(spread.address(place)), Some(place));
        }
        assert_eq!(spread.place("127.1.0.5:1".parse().unwrap()), None, "another range's port");
    }
}
