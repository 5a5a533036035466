//! Who is where. At the start each client is at the place of its own number; behind those lie the
//! addresses that hostile groups forge, and behind those the ones to which clients move.

use std::collections::BTreeMap;

use skipbeat_core::{AddressPlan, ClientId, EndpointId, Roster};
use skipbeat_scenario::Group;
use skipbeat_swarm::SourceAddress;

/// The places of a run.
#[derive(Debug)]
pub struct Endpoints {
    clients: u32,
    hostile: Vec<bool>,
    /// By group, the first of the places that it forges.
    forged: Vec<EndpointId>,
    /// Who forges, has or had each place beyond the clients' own.
    owners: Vec<ClientId>,
    /// The clients that are not at their first place.
    homes: BTreeMap<ClientId, EndpointId>,
    /// The first of the places that clients move to, and the next.
    first_free: EndpointId,
    next: EndpointId,
}

impl Endpoints {
    /// Everybody at the first place.
    pub fn new(groups: &[Group], roster: &Roster) -> Self {
        let mut owners = Vec::new();
        let mut forged = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            forged.push(roster.clients() + owners.len() as u32);
            let pool = group.behaviour.forged_addresses();
            owners.extend(roster.range(number).cycle().take(pool as usize));
        }
        Endpoints {
            clients: roster.clients(),
            hostile: groups.iter().map(|group| group.behaviour.hostile.is_some()).collect(),
            forged,
            first_free: roster.clients() + owners.len() as u32,
            next: roster.clients() + owners.len() as u32,
            owners,
            homes: BTreeMap::new(),
        }
    }

    /// Whether everybody is at the first place and nobody is hostile.
    #[inline]
    pub fn are_plain(&self) -> bool {
        self.owners.is_empty() && !self.hostile.contains(&true)
    }

    /// Who has a place, had it last, or forges it; nobody where it was never taken.
    #[inline]
    pub fn owner(&self, endpoint: EndpointId) -> Option<ClientId> {
        match endpoint.checked_sub(self.clients) {
            None => Some(endpoint),
            Some(beyond) => self.owners.get(beyond as usize).copied(),
        }
    }

    /// Where a client is.
    #[inline]
    pub fn home(&self, client: ClientId) -> EndpointId {
        if self.homes.is_empty() {
            return client;
        }
        self.homes.get(&client).copied().unwrap_or(client)
    }

    /// The client that a datagram reaches which is sent to a place.
    #[inline]
    pub fn at(&self, endpoint: EndpointId) -> Option<ClientId> {
        self.owner(endpoint).filter(|owner| self.home(*owner) == endpoint)
    }

    /// The client that is a member if a place is: an honest one that is there.
    pub fn honest_at(&self, endpoint: EndpointId, roster: &Roster) -> Option<ClientId> {
        self.at(endpoint).filter(|client| !self.hostile[roster.group_of(*client)])
    }

    /// The place from which a datagram claims to come.
    #[inline]
    pub fn of(&self, client: ClientId, source: SourceAddress, roster: &Roster) -> EndpointId {
        match source {
            SourceAddress::Own => self.home(client),
            SourceAddress::Of(other) => self.home(other),
            SourceAddress::Forged(number) => self.forged[roster.group_of(client)] + number,
        }
    }

    /// A client moves to another place; gives that and the one it leaves. When all addresses were
    /// used, the first are used again.
    pub fn rebind(&mut self, client: ClientId) -> [EndpointId; 2] {
        let left = self.home(client);
        let endpoint = loop {
            if self.next >= AddressPlan::CAPACITY {
                self.next = self.first_free;
            }
            self.next += 1;
            // Whoever is at home there stays; a plan has room for twice its clients.
            if self.at(self.next - 1).is_none() {
                break self.next - 1;
            }
        };
        match self.owners.get_mut((endpoint - self.clients) as usize) {
            Some(owner) => *owner = client,
            None => self.owners.push(client),
        }
        self.homes.insert(client, endpoint);
        [left, endpoint]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_scenario::Plan;

    fn endpoints(clients: u32) -> (Endpoints, Roster) {
        let text = format!(
            "name = \"t\"\nduration = \"1s\"\n[[group]]\nname = \"a\"\nclients = {clients}\n\
             [[group]]\nname = \"b\"\nclients = 2\n\
             hostile = {{ kind = \"spoof\", rate = 1, addresses = 3 }}"
        );
        let plan = Plan::parse("t", &text, &[]).unwrap();
        (Endpoints::new(&plan.groups, &plan.roster()), plan.roster())
    }

    #[test]
    fn a_client_that_moves_leaves_a_place_behind_that_nobody_is_at() {
        let (mut endpoints, roster) = endpoints(5);
        assert_eq!((endpoints.at(3), endpoints.honest_at(3, &roster)), (Some(3), Some(3)));
        assert_eq!(endpoints.rebind(3), [3, 10]);
        assert_eq!(
            (endpoints.at(3), endpoints.owner(3), endpoints.at(10)),
            (None, Some(3), Some(3))
        );
        assert_eq!(endpoints.rebind(3), [10, 11]);
        assert_eq!((endpoints.at(10), endpoints.home(3), endpoints.owner(12)), (None, 11, None));
    }

    #[test]
    fn forged_places_belong_to_who_forges_them_and_nobody_is_there() {
        let (endpoints, roster) = endpoints(5);
        assert_eq!(endpoints.of(6, SourceAddress::Forged(2), &roster), 9);
        assert_eq!((endpoints.owner(9), endpoints.at(9)), (Some(5), None));
        assert_eq!((endpoints.at(5), endpoints.honest_at(5, &roster)), (Some(5), None), "hostile");
    }
}
