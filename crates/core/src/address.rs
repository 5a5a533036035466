//! Addresses of endpoints: one address of a prefix each, one port for all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::EndpointId;

/// Gives endpoint `n` the `n`-th address after a first one, at one common port. Where the whole
/// prefix is local, as 127.0.0.0/8 is on Linux, every client has its own address without privilege
/// and without its own socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPlan {
    /// The address of endpoint 0.
    pub first: IpAddr,
    /// The port that all endpoints share.
    pub port: u16,
}

impl AddressPlan {
    /// The address of endpoint 0 on loopback: 127.1.0.0.
    pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 1, 0, 0));
    /// How many endpoints have an address on loopback: the most of any plan.
    pub const CAPACITY: u32 =
        u32::from_be_bytes([127, 255, 255, 255]) - u32::from_be_bytes([127, 1, 0, 0]);

    /// The IP address of an endpoint, which must be below [`Self::CAPACITY`].
    #[inline]
    pub fn ip(self, endpoint: EndpointId) -> IpAddr {
        debug_assert!(endpoint < Self::CAPACITY);
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).wrapping_add(endpoint)).into(),
            IpAddr::V6(first) => {
                Ipv6Addr::from(u128::from(first).wrapping_add(endpoint.into())).into()
            }
        }
    }

    /// The socket address of an endpoint.
    #[inline]
    pub fn address(self, endpoint: EndpointId) -> SocketAddr {
        SocketAddr::new(self.ip(endpoint), self.port)
    }

    /// The endpoint at an address, if the plan has one there.
    #[inline]
    pub fn endpoint(self, ip: IpAddr) -> Option<EndpointId> {
        let endpoint = match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                u32::from(ip).checked_sub(u32::from(first)).map(u128::from)
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => u128::from(ip).checked_sub(u128::from(first)),
            _ => None,
        };
        let endpoint = endpoint.and_then(|endpoint| EndpointId::try_from(endpoint).ok());
        endpoint.filter(|endpoint| *endpoint < Self::CAPACITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_endpoint_are_inverse() {
        for first in [AddressPlan::LOOPBACK, "10.0.0.0".parse().unwrap(), "fd00::".parse().unwrap()]
        {
            let plan = AddressPlan { first, port: 7 };
            for endpoint in [0, 1, 255, 256, 1_000_000] {
                assert_eq!(plan.endpoint(plan.ip(endpoint)), Some(endpoint));
            }
        }
        let loopback = AddressPlan { first: AddressPlan::LOOPBACK, port: 7 };
        assert_eq!(loopback.address(258).to_string(), "127.1.1.2:7");
        for elsewhere in ["127.0.0.1", "192.0.2.1", "::1"] {
            assert_eq!(loopback.endpoint(elsewhere.parse().unwrap()), None);
        }
    }
}
