//! The endpoint of each peer of the server.

use std::collections::BTreeMap;

use skipbeat_core::EndpointId;
use skipbeat_server::PeerId;

/// Which peer is at which endpoint: each at the one of its own number, until peers exchange theirs.
#[derive(Debug, Default)]
pub(crate) struct PeerEndpoints {
    endpoints: BTreeMap<PeerId, EndpointId>,
    peers: BTreeMap<EndpointId, PeerId>,
}

impl PeerEndpoints {
    /// Whether every peer is at the endpoint of its own number.
    #[inline]
    pub(crate) fn are_plain(&self) -> bool {
        self.endpoints.is_empty()
    }

    #[inline]
    pub(crate) fn endpoint(&self, peer: PeerId) -> EndpointId {
        if self.are_plain() { peer } else { *self.endpoints.get(&peer).unwrap_or(&peer) }
    }

    #[inline]
    pub(crate) fn peer(&self, endpoint: EndpointId) -> PeerId {
        if self.are_plain() { endpoint } else { *self.peers.get(&endpoint).unwrap_or(&endpoint) }
    }

    pub(crate) fn exchange(&mut self, a: PeerId, b: PeerId) {
        let (of_a, of_b) = (self.endpoint(a), self.endpoint(b));
        for (peer, endpoint) in [(a, of_b), (b, of_a)] {
            self.endpoints.insert(peer, endpoint);
            self.peers.insert(endpoint, peer);
        }
    }
}
