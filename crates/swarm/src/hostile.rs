//! What hostile clients send: a function of (seed, client, number of the datagram) and of what they
//! have overheard.

use std::collections::BTreeMap;
use std::ops::Range;

use skipbeat_core::{ClientId, Family, Roster, Seed, Span};
use skipbeat_protocol::Join;

use crate::{Act, Attack, Datagram, GroupOptions, Hostile, SourceAddress};

/// What all hostile clients share.
#[derive(Debug)]
pub(crate) struct Attackers {
    /// The honest clients, whose quits can be replayed.
    honest: Vec<Range<ClientId>>,
    /// The last `quit` of each honest client: the token in it.
    quits: BTreeMap<ClientId, Option<u64>>,
    /// Whether anybody listens for quits.
    listening: bool,
    gap: Family,
    choice: Family,
}

impl Attackers {
    pub(crate) fn new(groups: &[GroupOptions], roster: &Roster, seed: Seed) -> Self {
        let of = |hostile: bool| move |g: &usize| groups[*g].hostile.is_some() == hostile;
        let kinds = groups.iter().filter_map(|group| group.hostile);
        Attackers {
            honest: (0..groups.len()).filter(of(false)).map(|g| roster.range(g)).collect(),
            quits: BTreeMap::new(),
            listening: kinds.into_iter().any(|hostile| hostile.kind == Attack::Replay),
            gap: seed.family("swarm.hostile.gap"),
            choice: seed.family("swarm.hostile.choice"),
        }
    }

    /// An honest client says `quit`, with this token.
    pub(crate) fn overhear_quit(&mut self, client: ClientId, token: Option<u64>) {
        if self.listening {
            self.quits.insert(client, token);
        }
    }

    /// The wait before datagram `number` of a client: exponential.
    pub(crate) fn gap(&self, hostile: &Hostile, client: ClientId, number: u64) -> Span {
        Span::from_seconds(self.gap.stream(client.into()).exponential(number) / hostile.rate)
    }

    /// Datagram `number` of a client.
    pub(crate) fn datagram(&self, hostile: &Hostile, client: ClientId, number: u64) -> Datagram {
        let draw = self.choice.stream(client.into()).bits(number);
        match hostile.kind {
            Attack::Spoof => {
                let source = SourceAddress::Forged((draw % u64::from(hostile.addresses)) as u32);
                Datagram { source, ..Datagram::plain(Act::Join(Join::default())) }
            }
            Attack::Flood => Datagram::plain(Act::Shout(hostile.size)),
            Attack::Garbage => {
                let size = 1 + draw as usize % hostile.size;
                Datagram::plain(Act::Noise { draw, size })
            }
            Attack::Replay => match self.nth_honest(draw) {
                Some(victim) => {
                    let session = self.quits.get(&victim).copied().flatten();
                    Datagram { source: SourceAddress::Of(victim), session, act: Act::Quit }
                }
                None => Datagram::plain(Act::Quit),
            },
        }
    }

    /// An honest client drawn at random, if there is one.
    fn nth_honest(&self, draw: u64) -> Option<ClientId> {
        let all: u64 = self.honest.iter().map(|range| range.len() as u64).sum();
        let mut nth = draw.checked_rem(all)? as usize;
        for range in &self.honest {
            match range.clone().nth(nth) {
                Some(client) => return Some(client),
                None => nth -= range.len(),
            }
        }
        None
    }
}
