//! The addresses of endpoints where several sockets share the clients: each socket has a range of
//! endpoints and a port of its own.

use std::net::SocketAddr;

use skipbeat_core::{AddressPlan, EndpointId};

/// A plan of addresses for each range of endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    plans: Vec<AddressPlan>,
    /// Endpoints in each range. The last range also has all endpoints after them.
    each: u32,
}

impl Spread {
    /// Divides the first `endpoints` equally among the plans.
    pub(crate) fn new(plans: Vec<AddressPlan>, endpoints: u32) -> Self {
        let each = endpoints.div_ceil(plans.len() as u32).max(1);
        Spread { plans, each }
    }

    /// The index of the range that an endpoint is in.
    #[inline]
    pub(crate) fn range(&self, endpoint: EndpointId) -> usize {
        match self.plans.len() {
            1 => 0,
            ranges => (endpoint / self.each).min(ranges as u32 - 1) as usize,
        }
    }

    /// The address of an endpoint.
    #[inline]
    pub(crate) fn address(&self, endpoint: EndpointId) -> SocketAddr {
        self.plans[self.range(endpoint)].address(endpoint)
    }

    /// The endpoint that has an address.
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
    fn each_range_has_its_port_and_later_endpoints_belong_to_the_last() {
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
