//! The addresses of a server's peers: a dense number for each, as the core wants it. Whoever forges
//! addresses must not fill the memory: of an address that is nothing to the core nothing is kept
//! here either, and of former members only so many.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

use skipbeat_core::ClientSet;
use skipbeat_server::{PeerId, Server};

use crate::spread::Spread;

/// Of so many former members the numbers are kept, so that what they say again is known as such.
const FORMER: usize = 4096;

/// Who has which number. Those that are known at the start have the numbers from zero; where their
/// addresses follow from a plan no table of them is needed.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The addresses of those that are known at the start.
    known: Known,
    /// The addresses of all others, by number behind those.
    others: Vec<SocketAddr>,
    /// The numbers of all others, and of those that have exchanged addresses.
    numbers: HashMap<SocketAddr, PeerId>,
    /// Where those are that were known at the start and have exchanged addresses.
    exchanged: BTreeMap<PeerId, SocketAddr>,
    /// Those whose membership ended, the oldest first, with their address then.
    former: VecDeque<(PeerId, SocketAddr)>,
    /// Who is among them.
    remembered: HashSet<PeerId>,
    /// Numbers that are nobody's any more.
    free: Vec<PeerId>,
}

/// Addresses that are known from the start, in order of the numbers.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// The first so many of a plan.
    Planned(Spread, u32),
    /// These.
    Listed(Vec<SocketAddr>),
}

impl Known {
    fn len(&self) -> u32 {
        match self {
            Known::Planned(_, clients) => *clients,
            Known::Listed(addresses) => addresses.len() as u32,
        }
    }

    #[inline]
    fn address(&self, peer: PeerId) -> SocketAddr {
        match self {
            Known::Planned(plan, _) => plan.address(peer),
            Known::Listed(addresses) => addresses[peer as usize],
        }
    }

    /// The number of an address of a plan.
    #[inline]
    fn planned(&self, address: SocketAddr) -> Option<PeerId> {
        let Known::Planned(plan, clients) = self else { return None };
        plan.endpoint(address).filter(|endpoint| endpoint < clients)
    }
}

impl Peers {
    /// These have the numbers from zero.
    pub(crate) fn new(known: Known) -> Self {
        let numbers = match &known {
            Known::Planned(..) => HashMap::new(),
            Known::Listed(addresses) => addresses.iter().copied().zip(0..).collect(),
        };
        Peers {
            known,
            others: Vec::new(),
            numbers,
            exchanged: BTreeMap::new(),
            former: VecDeque::new(),
            remembered: HashSet::new(),
            free: Vec::new(),
        }
    }

    /// The number of an address, and whether it is a new one.
    #[inline]
    pub(crate) fn of(&mut self, address: SocketAddr) -> (PeerId, bool) {
        // Whoever has exchanged its address has it in the table.
        let planned = || self.known.planned(address);
        if let Some(peer) = if self.exchanged.is_empty() { planned() } else { None } {
            return (peer, false);
        }
        if let Some(peer) = self.numbers.get(&address).copied().or_else(planned) {
            return (peer, false);
        }
        let peer = match self.free.pop() {
            Some(peer) => {
                *self.address_mut(peer) = address;
                peer
            }
            None => {
                self.others.push(address);
                self.known.len() + self.others.len() as PeerId - 1
            }
        };
        self.numbers.insert(address, peer);
        (peer, true)
    }

    /// Where the address of one of the others is kept.
    fn address_mut(&mut self, peer: PeerId) -> &mut SocketAddr {
        &mut self.others[(peer - self.known.len()) as usize]
    }

    /// The address of a peer.
    #[inline]
    pub(crate) fn address(&self, peer: PeerId) -> SocketAddr {
        match peer.checked_sub(self.known.len()) {
            Some(other) => self.others[other as usize],
            None if self.exchanged.is_empty() => self.known.address(peer),
            None => {
                let moved = self.exchanged.get(&peer).copied();
                moved.unwrap_or_else(|| self.known.address(peer))
            }
        }
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len() as usize + self.others.len() - self.free.len()
    }

    /// Two peers change addresses.
    pub(crate) fn exchange(&mut self, a: PeerId, b: PeerId) {
        let addresses = [self.address(a), self.address(b)];
        for (peer, address) in [b, a].into_iter().zip(addresses) {
            self.numbers.insert(address, peer);
            if peer < self.known.len() {
                self.exchanged.insert(peer, address);
            } else {
                *self.address_mut(peer) = address;
            }
        }
    }

    /// A peer is no member any more, or has the address that one has left.
    pub(crate) fn leaves(&mut self, peer: PeerId) {
        if self.remembered.insert(peer) {
            self.former.push_back((peer, self.address(peer)));
        }
    }

    /// Nothing is known of a peer that was not known at the start: its number may be another's.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.numbers.remove(&self.address(peer));
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
        if self.exchanged.is_empty() && self.others.is_empty() {
            return (peers.clone(), Vec::new());
        }
        let original =
            |peer: &PeerId| *peer < self.known.len() && !self.exchanged.contains_key(peer);
        let others = peers.iter().filter(|peer| !original(peer)).map(|peer| self.address(peer));
        (peers.iter().filter(original).collect(), others.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::{AddressPlan, Seed};
    use skipbeat_server::Options;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn numbers_are_used_again_and_those_who_moved_are_named_by_address() {
        let plan = AddressPlan { first: "127.1.0.0".parse().unwrap(), port: 1 };
        let at = |place| plan.address(place);
        let listed = Known::Listed(vec![at(0), at(1)]);
        for known in [listed, Known::Planned(Spread::new(vec![plan], 2), 2)] {
            let mut peers = Peers::new(known);
            assert_eq!((peers.of(at(1)), peers.of(at(2))), ((1, false), (2, true)));
            peers.forget(2);
            assert_eq!((peers.of(at(3)), peers.len()), ((2, true), 3));
            peers.exchange(0, 2);
            assert_eq!((peers.of(at(3)), peers.of(at(0))), ((0, false), (2, false)));
            assert_eq!([0, 1, 2].map(|peer| peers.address(peer)), [at(3), at(1), at(0)]);
            let (same, others) = peers.split(&[0, 1].into_iter().collect());
            assert_eq!((same.iter().collect::<Vec<_>>(), others), (vec![1], vec![at(3)]));
        }
    }

    #[test]
    fn former_members_are_remembered_up_to_a_limit() {
        let mut server = Server::new(Options::default(), Seed(1));
        let mut peers = Peers::new(Known::Listed(Vec::new()));
        for port in 1..=2 * FORMER as u16 {
            let (peer, _) = peers.of(address(port));
            peers.leaves(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
        assert!(peers.others.len() <= FORMER + 1, "numbers are used again");
        // One that comes and goes takes the place of nobody else.
        let (peer, _) = peers.of(address(1));
        for _ in 0..2 * FORMER {
            peers.leaves(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
    }
}
