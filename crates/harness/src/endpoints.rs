//! The address of each client, as a number: its endpoint. At the start client `n` is at endpoint
//! `n`. After those come the endpoints that hostile groups forge, and then the ones that clients
//! move to.

use std::collections::BTreeMap;

use skipbeat_core::{AddressPlan, ClientId, EndpointId, Roster};
use skipbeat_scenario::Group;
use skipbeat_swarm::SourceAddress;

/// Which client is at which endpoint.
#[derive(Debug)]
pub struct Endpoints {
    clients: u32,
    /// By group, whether it is hostile.
    hostile: Vec<bool>,
    /// By group, the first endpoint that it forges.
    forged: Vec<EndpointId>,
    /// The client that forges, has or had each endpoint from number `clients` on.
    owners: Vec<ClientId>,
    /// Where each client is that has moved.
    moved: BTreeMap<ClientId, EndpointId>,
    /// The first endpoint that clients move to.
    first_free: EndpointId,
    /// The next endpoint that a client moves to.
    next: EndpointId,
}

impl Endpoints {
    /// All clients at their first endpoints.
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
            moved: BTreeMap::new(),
        }
    }

    /// Whether no client is hostile or has ever moved, so that client and endpoint are the same
    /// number.
    #[inline]
    pub fn are_plain(&self) -> bool {
        self.owners.is_empty() && !self.hostile.contains(&true)
    }

    /// The client that has an endpoint, had it last, or forges it. `None` if it was never used.
    #[inline]
    pub fn owner(&self, endpoint: EndpointId) -> Option<ClientId> {
        match endpoint.checked_sub(self.clients) {
            None => Some(endpoint),
            Some(beyond) => self.owners.get(beyond as usize).copied(),
        }
    }

    /// Where a client is now.
    #[inline]
    pub fn home(&self, client: ClientId) -> EndpointId {
        if self.moved.is_empty() {
            return client;
        }
        self.moved.get(&client).copied().unwrap_or(client)
    }

    /// The client that receives what is sent to an endpoint.
    #[inline]
    pub fn at(&self, endpoint: EndpointId) -> Option<ClientId> {
        self.owner(endpoint).filter(|owner| self.home(*owner) == endpoint)
    }

    /// The client at an endpoint, if it is honest. Where the server has a member at an endpoint
    /// without an honest client, the member is a ghost.
    pub fn honest_at(&self, endpoint: EndpointId, roster: &Roster) -> Option<ClientId> {
        self.at(endpoint).filter(|client| !self.hostile[roster.group_of(*client)])
    }

    /// The endpoint that a datagram has as its source address.
    #[inline]
    pub fn of(&self, client: ClientId, source: SourceAddress, roster: &Roster) -> EndpointId {
        match source {
            SourceAddress::Own => self.home(client),
            SourceAddress::Of(other) => self.home(other),
            SourceAddress::Forged(number) => self.forged[roster.group_of(client)] + number,
        }
    }

    /// Moves a client to another endpoint. Returns the one it leaves and the new one. When all have
    /// been used, the first are used again.
    pub fn rebind(&mut self, client: ClientId) -> [EndpointId; 2] {
        let left = self.home(client);
        let endpoint = loop {
            if self.next >= AddressPlan::CAPACITY {
                self.next = self.first_free;
            }
            self.next += 1;
            // One that is in use is skipped. Not all are: a plan has addresses for twice its
            // clients.
            if self.at(self.next - 1).is_none() {
                break self.next - 1;
            }
        };
        match self.owners.get_mut((endpoint - self.clients) as usize) {
            Some(owner) => *owner = client,
            None => self.owners.push(client),
        }
        self.moved.insert(client, endpoint);
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
    fn nobody_is_at_an_endpoint_that_a_client_has_left() {
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
    fn nobody_is_at_a_forged_endpoint_though_it_has_an_owner() {
        let (endpoints, roster) = endpoints(5);
        assert_eq!(endpoints.of(6, SourceAddress::Forged(2), &roster), 9);
        assert_eq!((endpoints.owner(9), endpoints.at(9)), (Some(5), None));
        assert_eq!((endpoints.at(5), endpoints.honest_at(5, &roster)), (Some(5), None), "hostile");
    }
}
