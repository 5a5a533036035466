//! Who is where. At the start each client is at the place of its own number; behind those lie the
//! addresses that hostile groups forge, and behind those the ones to which clients move.

use std::collections::BTreeMap;

use skipbeat_core::{AddressPlan, ClientId, Place, Roster};
use skipbeat_scenario::Group;
use skipbeat_swarm::Source;

/// The places of a run.
#[derive(Debug)]
pub struct Places {
    clients: u32,
    hostile: Vec<bool>,
    /// By group, the first of the places that it forges.
    forged: Vec<Place>,
    /// Who forges, has or had each place beyond the clients' own.
    owners: Vec<ClientId>,
    /// The clients that are not at their first place.
    homes: BTreeMap<ClientId, Place>,
    /// The first of the places that clients move to, and the next.
    first_free: Place,
    next: Place,
}

impl Places {
    /// Everybody at the first place.
    pub fn new(groups: &[Group], roster: &Roster) -> Self {
        let mut owners = Vec::new();
        let mut forged = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            forged.push(roster.clients() + owners.len() as u32);
            let pool = group.behaviour.forged_addresses();
            owners.extend(roster.range(number).cycle().take(pool as usize));
        }
        Places {
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
    pub fn owner(&self, place: Place) -> Option<ClientId> {
        match place.checked_sub(self.clients) {
            None => Some(place),
            Some(beyond) => self.owners.get(beyond as usize).copied(),
        }
    }

    /// Where a client is.
    #[inline]
    pub fn home(&self, client: ClientId) -> Place {
        if self.homes.is_empty() {
            return client;
        }
        self.homes.get(&client).copied().unwrap_or(client)
    }

    /// The client that a datagram reaches which is sent to a place.
    #[inline]
    pub fn at(&self, place: Place) -> Option<ClientId> {
        self.owner(place).filter(|owner| self.home(*owner) == place)
    }

    /// The client that is a member if a place is: an honest one that is there.
    pub fn honest_at(&self, place: Place, roster: &Roster) -> Option<ClientId> {
        self.at(place).filter(|client| !self.hostile[roster.group_of(*client)])
    }

    /// The place from which a datagram claims to come.
    #[inline]
    pub fn of(&self, client: ClientId, source: Source, roster: &Roster) -> Place {
        match source {
            Source::Own => self.home(client),
            Source::Of(other) => self.home(other),
            Source::Forged(number) => self.forged[roster.group_of(client)] + number,
        }
    }

    /// A client moves to another place; gives that and the one it leaves. When all addresses were
    /// used, the first are used again.
    pub fn rebind(&mut self, client: ClientId) -> [Place; 2] {
        let left = self.home(client);
        let place = loop {
            if self.next >= AddressPlan::CAPACITY {
                self.next = self.first_free;
            }
            self.next += 1;
            // Whoever is at home there stays; a plan has room for twice its clients.
            if self.at(self.next - 1).is_none() {
                break self.next - 1;
            }
        };
        match self.owners.get_mut((place - self.clients) as usize) {
            Some(owner) => *owner = client,
            None => self.owners.push(client),
        }
        self.homes.insert(client, place);
        [left, place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_scenario::Plan;

    fn places(clients: u32) -> (Places, Roster) {
        let text = format!(
            "name = \"t\"\nduration = \"1s\"\n[[group]]\nname = \"a\"\nclients = {clients}\n\
             [[group]]\nname = \"b\"\nclients = 2\n\
             hostile = {{ kind = \"spoof\", rate = 1, addresses = 3 }}"
        );
        let plan = Plan::parse("t", &text, &[]).unwrap();
        (Places::new(&plan.groups, &plan.roster()), plan.roster())
    }

    #[test]
    fn a_client_that_moves_leaves_a_place_behind_that_nobody_is_at() {
        let (mut places, roster) = places(5);
        assert_eq!((places.at(3), places.honest_at(3, &roster)), (Some(3), Some(3)));
        assert_eq!(places.rebind(3), [3, 10]);
        assert_eq!((places.at(3), places.owner(3), places.at(10)), (None, Some(3), Some(3)));
        assert_eq!(places.rebind(3), [10, 11]);
        assert_eq!((places.at(10), places.home(3), places.owner(12)), (None, 11, None));
    }

    #[test]
    fn forged_places_belong_to_who_forges_them_and_nobody_is_there() {
        let (places, roster) = places(5);
        assert_eq!(places.of(6, Source::Forged(2), &roster), 9);
        assert_eq!((places.owner(9), places.at(9)), (Some(5), None));
        assert_eq!((places.at(5), places.honest_at(5, &roster)), (Some(5), None), "hostile");
    }
}
