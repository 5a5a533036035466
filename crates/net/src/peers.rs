//! The addresses of a server's peers: a dense number for each, as the core wants it. Whoever forges
//! addresses must not fill the memory: of an address that is nothing to the core nothing is kept
//! here either, and of former members only so many.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

use skipbeat_core::ClientSet;
use skipbeat_server::{PeerId, Server};

/// Of so many former members the numbers are kept, so that what they say again is known as such.
const FORMER: usize = 4096;

/// Who has which number.
#[derive(Debug)]
pub(crate) struct Peers {
    numbers: HashMap<SocketAddr, PeerId>,
    addresses: Vec<SocketAddr>,
    /// How many were known at the start.
    known: u32,
    /// Those that have exchanged addresses.
    exchanged: HashSet<PeerId>,
    /// Those whose membership ended, the oldest first, with their address then.
    former: VecDeque<(PeerId, SocketAddr)>,
    /// Who is among them.
    remembered: HashSet<PeerId>,
    /// Numbers that are nobody's any more.
    free: Vec<PeerId>,
}

impl Peers {
    /// These addresses have the numbers from zero.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Peers {
            numbers: addresses.iter().zip(0..).map(|(address, peer)| (*address, peer)).collect(),
            known: addresses.len() as u32,
            addresses,
            exchanged: HashSet::new(),
            former: VecDeque::new(),
            remembered: HashSet::new(),
            free: Vec::new(),
        }
    }

    /// The number of an address, and whether it is a new one.
    pub(crate) fn of(&mut self, address: SocketAddr) -> (PeerId, bool) {
        if let Some(peer) = self.numbers.get(&address) {
            return (*peer, false);
        }
        let peer = match self.free.pop() {
            Some(peer) => {
                self.addresses[peer as usize] = address;
                peer
            }
            None => {
                self.addresses.push(address);
                self.addresses.len() as PeerId - 1
            }
        };
        self.numbers.insert(address, peer);
        (peer, true)
    }

    /// The address of a peer.
    pub(crate) fn address(&self, peer: PeerId) -> SocketAddr {
        self.addresses[peer as usize]
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Two peers change addresses.
    pub(crate) fn exchange(&mut self, a: PeerId, b: PeerId) {
        self.addresses.swap(a as usize, b as usize);
        for peer in [a, b] {
            self.numbers.insert(self.addresses[peer as usize], peer);
            self.exchanged.insert(peer);
        }
    }

    /// A peer is no member any more, or has the address that one has left.
    pub(crate) fn leaves(&mut self, peer: PeerId) {
        if self.remembered.insert(peer) {
            self.former.push_back((peer, self.address(peer)));
        }
    }

    /// Nothing is known of a peer: its number may be another's.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.numbers.remove(&self.addresses[peer as usize]);
        self.exchanged.remove(&peer);
        self.free.push(peer);
    }

    /// Forgets the oldest former members beyond those that are remembered.
    pub(crate) fn forget_former(&mut self, server: &mut Server) {
        while self.former.len() > FORMER {
            let Some((peer, address)) = self.former.pop_front() else { return };
            self.remembered.remove(&peer);
            let same = self.numbers.get(&address) == Some(&peer);
            if same && !server.members().contains(peer) {
                self.forget(peer);
                server.forget(peer);
            }
        }
    }

    /// Those of a set that have the address they had at the start, and the addresses of the others.
    pub(crate) fn split(&self, peers: &ClientSet) -> (ClientSet, Vec<SocketAddr>) {
        if self.exchanged.is_empty() && self.addresses.len() == self.known as usize {
            return (peers.clone(), Vec::new());
        }
        let original = |peer: &PeerId| *peer < self.known && !self.exchanged.contains(peer);
        let others = peers.iter().filter(|peer| !original(peer)).map(|peer| self.address(peer));
        (peers.iter().filter(original).collect(), others.collect())
    }

    pub(crate) fn into_addresses(self) -> Vec<SocketAddr> {
        self.addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::Seed;
    use skipbeat_server::Options;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn numbers_are_used_again_and_those_who_moved_are_named_by_address() {
        let mut peers = Peers::new(vec![address(1), address(2)]);
        assert_eq!((peers.of(address(2)), peers.of(address(3))), ((1, false), (2, true)));
        peers.forget(2);
        assert_eq!((peers.of(address(4)), peers.len()), ((2, true), 3));
        peers.exchange(0, 2);
        assert_eq!((peers.of(address(4)), peers.of(address(1))), ((0, false), (2, false)));
        let (same, others) = peers.split(&[0, 1].into_iter().collect());
        assert_eq!((same.iter().collect::<Vec<_>>(), others), (vec![1], vec![address(4)]));
    }

    #[test]
    fn former_members_are_remembered_up_to_a_limit() {
        let mut server = Server::new(Options::default(), Seed(1));
        let mut peers = Peers::new(Vec::new());
        for port in 1..=2 * FORMER as u16 {
            let (peer, _) = peers.of(address(port));
            peers.leaves(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
        assert!(peers.addresses.len() <= FORMER + 1, "numbers are used again");
        // One that comes and goes takes the place of nobody else.
        let (peer, _) = peers.of(address(1));
        for _ in 0..2 * FORMER {
            peers.leaves(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
    }
}
