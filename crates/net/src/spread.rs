//! Which address a place has where several sockets share the clients: each socket has its range of
//! places and its own port.

use std::net::SocketAddr;

use skipbeat_core::{AddressPlan, EndpointId};

/// One plan of addresses for each range of places.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    plans: Vec<AddressPlan>,
    /// Endpoints of each range; the last has what is left.
    each: u32,
}

impl Spread {
    /// The first places in ranges of this many, by the plans of the ranges.
    pub(crate) fn new(plans: Vec<AddressPlan>, endpoints: u32) -> Self {
        let each = endpoints.div_ceil(plans.len() as u32).max(1);
        Spread { plans, each }
    }

    /// The range of a place.
    #[inline]
    pub(crate) fn range(&self, endpoint: EndpointId) -> usize {
        match self.plans.len() {
            1 => 0,
            ranges => (endpoint / self.each).min(ranges as u32 - 1) as usize,
        }
    }

    /// The address of a place.
    #[inline]
    pub(crate) fn address(&self, endpoint: EndpointId) -> SocketAddr {
        self.plans[self.range(endpoint)].address(endpoint)
    }

    /// The place at an address.
    #[inline]
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Option<EndpointId> {
        let endpoint = self.plans[0].endpoint(address.ip())?;
        (self.plans[self.range(endpoint)].port == address.port()).then_some(endpoint)
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
            [0, 3, 4, 7, 8, 9, 50].map(|endpoint| spread.address(endpoint).port()).into();
        assert_eq!(ports, [1, 1, 2, 2, 3, 3, 3]);
        for endpoint in [0, 5, 9, 50] {
            assert_eq!(spread.endpoint(spread.address(endpoint)), Some(endpoint));
        }
        assert_eq!(spread.endpoint("127.1.0.5:1".parse().unwrap()), None, "another range's port");
    }
}
