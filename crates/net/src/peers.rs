//! The addresses of the peers of a server. Each has a dense id, as the server core expects. Forged
//! addresses must not fill the memory, so an address that means nothing to the core is forgotten,
//! and only a limited number of former members is remembered.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

use skipbeat_core::ClientSet;
use skipbeat_server::{PeerId, Server};

use crate::spread::Spread;

/// So many former members keep their ids, so that retransmissions by them are recognised.
const FORMER: usize = 4096;

/// The id of each address, and the address of each id. Peers that are known at the start have the
/// ids from zero. If their addresses follow from a plan, no table of them is needed.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The addresses of peers that are known at the start.
    known: Known,
    /// The addresses of all other peers, whose ids come after those.
    others: Vec<SocketAddr>,
    /// The ids of listed and other addresses, and of all that were exchanged.
    ids: HashMap<SocketAddr, PeerId>,
    /// The addresses of peers that were known at the start and have exchanged theirs.
    exchanged: BTreeMap<PeerId, SocketAddr>,
    /// Former members, the oldest first, with the address they had when their membership ended.
    former: VecDeque<(PeerId, SocketAddr)>,
    /// The ids in `former`.
    remembered: HashSet<PeerId>,
    /// Ids that can be used again.
    free: Vec<PeerId>,
}

/// The addresses that are known from the start, in order of their ids.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// The first addresses of a plan, and how many they are.
    Planned(Spread, u32),
    /// A list of addresses.
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

    /// The id of an address, if it follows from a plan.
    #[inline]
    fn planned(&self, address: SocketAddr) -> Option<PeerId> {
        let Known::Planned(plan, clients) = self else { return None };
        plan.endpoint(address).filter(|endpoint| endpoint < clients)
    }
}

impl Peers {
    /// Peers of which only these are known.
    pub(crate) fn new(known: Known) -> Self {
        let ids = match &known {
            Known::Planned(..) => HashMap::new(),
            Known::Listed(addresses) => addresses.iter().copied().zip(0..).collect(),
        };
        Peers {
            known,
            others: Vec::new(),
            ids,
            exchanged: BTreeMap::new(),
            former: VecDeque::new(),
            remembered: HashSet::new(),
            free: Vec::new(),
        }
    }

    /// The id of an address, and whether it was new.
    #[inline]
    pub(crate) fn of(&mut self, address: SocketAddr) -> (PeerId, bool) {
        // Exchanged addresses are in the table, which has to be asked first then.
        let planned = || self.known.planned(address);
        if let Some(peer) = if self.exchanged.is_empty() { planned() } else { None } {
            return (peer, false);
        }
        if let Some(peer) = self.ids.get(&address).copied().or_else(planned) {
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
        self.ids.insert(address, peer);
        (peer, true)
    }

    /// The entry of a peer that was not known at the start.
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

    /// How many peers are remembered.
    pub(crate) fn len(&self) -> usize {
        self.known.len() as usize + self.others.len() - self.free.len()
    }

    /// Two peers exchange their addresses.
    pub(crate) fn exchange(&mut self, a: PeerId, b: PeerId) {
        let addresses = [self.address(a), self.address(b)];
        for (peer, address) in [b, a].into_iter().zip(addresses) {
            self.ids.insert(address, peer);
            if peer < self.known.len() {
                self.exchanged.insert(peer, address);
            } else {
                *self.address_mut(peer) = address;
            }
        }
    }

    /// A peer is no longer a member, or has an address that a member has left.
    pub(crate) fn remember_former(&mut self, peer: PeerId) {
        if self.remembered.insert(peer) {
            self.former.push_back((peer, self.address(peer)));
        }
    }

    /// Forgets a peer that was not known at the start. Its id is used again.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.ids.remove(&self.address(peer));
        self.free.push(peer);
    }

    /// Forgets the oldest former members beyond the limit, unless they are members again.
    pub(crate) fn forget_former(&mut self, server: &mut Server) {
        while self.former.len() > FORMER {
            let Some((peer, address)) = self.former.pop_front() else { return };
            self.remembered.remove(&peer);
            let same = self.ids.get(&address) == Some(&peer);
            if same && !server.members().contains(peer) {
                self.forget(peer);
                server.forget(peer);
            }
        }
    }

    /// Splits a set of peers into those that have the address they had at the start, and the
    /// addresses of the others.
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
    fn ids_are_used_again_and_peers_that_moved_are_listed_by_address() {
        let plan = AddressPlan { first: "127.1.0.0".parse().unwrap(), port: 1 };
        let at = |endpoint| plan.address(endpoint);
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
            peers.remember_former(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
        assert!(peers.others.len() <= FORMER + 1, "ids are used again");
        // One that comes and goes often displaces no other.
        let (peer, _) = peers.of(address(1));
        for _ in 0..2 * FORMER {
            peers.remember_former(peer);
            peers.forget_former(&mut server);
        }
        assert_eq!(peers.len(), FORMER);
    }
}
