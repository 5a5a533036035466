//! Hostile clients: their options, and what they send. That is a function of (seed, client, number
//! of the datagram), and of what they have overheard.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    ClientId, Family, Roster, Seed, Span, TaggedTable, common_keys, schema, tagged,
};
use skipbeat_protocol::Join;

use crate::{Act, Datagram, SourceAddress};

/// What hostile clients send to the server, each by itself and at random times (Poisson arrivals).
/// No message is expected to reach them.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TaggedTable<AttackKeys, HostileKeys>")]
pub struct Hostile {
    /// What they do.
    pub kind: Attack,
    /// Datagrams per second of each client, above zero.
    pub rate: f64,
    /// The size of a text in bytes (`flood`), or the largest size (`garbage`).
    pub size: usize,
    /// From how many addresses the whole group pretends to send (`spoof`).
    pub addresses: u32,
    /// When they begin, counted from the start of the run.
    pub from: Span,
    /// When they end; `None`: at the end of the run.
    pub until: Option<Span>,
}

/// Kinds of attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// `^join^` from addresses that are not theirs. The owners of those get what the server sends.
    Spoof,
    /// Texts from their own address.
    Flood,
    /// Random bytes from their own address. Bytes that are no command are a text.
    Garbage,
    /// `quit` from the address of an honest client drawn at random: the last `quit` that was
    /// overheard from it, with the token in it, or a bare one if there was none.
    Replay,
}

tagged! {
    /// The table form of [`Attack`].
    enum AttackKeys: "an attack" {
        /// `^join^` from addresses that are not theirs. The owners of those get what the server
        /// sends.
        Spoof(SpoofKeys) = "spoof",
        /// Texts from their own address.
        Flood(FloodKeys) = "flood",
        /// Random bytes from their own address. Bytes that are no command are a text.
        Garbage(GarbageKeys) = "garbage",
        /// `quit` from the address of an honest client drawn at random: the last one that was
        /// overheard, or a bare one.
        Replay = "replay",
    }
}

#[derive(Deserialize, JsonSchema)]
struct SpoofKeys {
    /// From how many addresses the group pretends to send, 1 to 10⁶; default 1000.
    #[schemars(range(min = 1, max = 1_000_000))]
    addresses: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct FloodKeys {
    /// The size of a text in bytes, 1 to 65,000; default 64.
    #[schemars(range(min = 1, max = 65_000))]
    size: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct GarbageKeys {
    /// The largest size of a datagram in bytes, 1 to 65,000; default 64.
    #[schemars(range(min = 1, max = 65_000))]
    size: Option<usize>,
}

common_keys! {
    #[schemars(transform = needs_rate)]
    struct HostileKeys {
        /// Datagrams per second of each client, above 0 and up to 10⁶.
        #[schemars(transform = schema::rate)]
        rate: f64,
        /// When they begin, from the start of the run; default `"0s"`.
        from: Span,
        /// When they end, after `from`; at the end of the run where not given.
        until: Span,
    }
}

fn needs_rate(schema: &mut Schema) {
    schema::require(schema, "rate");
}

impl TryFrom<TaggedTable<AttackKeys, HostileKeys>> for Hostile {
    type Error = String;

    fn try_from(table: TaggedTable<AttackKeys, HostileKeys>) -> Result<Self, String> {
        let HostileKeys { rate, from, until } = table.common;
        let (kind, size, addresses) = match table.model {
            AttackKeys::Spoof(SpoofKeys { addresses }) => (Attack::Spoof, None, addresses),
            AttackKeys::Flood(FloodKeys { size }) => (Attack::Flood, size, None),
            AttackKeys::Garbage(GarbageKeys { size }) => (Attack::Garbage, size, None),
            AttackKeys::Replay => (Attack::Replay, None, None),
        };
        let (from, size) = (from.unwrap_or_default(), size.unwrap_or(64));
        let (rate, addresses) = (rate.ok_or("missing field `rate`")?, addresses.unwrap_or(1000));
        if !(rate > 0.0 && rate <= 1e6) {
            return Err(format!("expected a rate above 0 and up to 1e6 per second, got {rate}"));
        }
        if !(1..=65_000).contains(&size) {
            return Err(format!("expected a size from 1 to 65000 bytes, got {size}"));
        }
        if !(1..=1_000_000).contains(&addresses) {
            return Err(format!("expected 1 to 1000000 addresses, got {addresses}"));
        }
        if until.is_some_and(|until| until <= from) {
            return Err("expected `until` after `from`".to_owned());
        }
        Ok(Hostile { kind, rate, size, addresses, from, until })
    }
}

/// The state that all hostile clients share.
#[derive(Debug)]
pub(crate) struct Attackers {
    /// The honest clients, whose `quit` can be replayed.
    honest: Vec<Range<ClientId>>,
    /// The last `quit` of each honest client: the token in it.
    quits: BTreeMap<ClientId, Option<u64>>,
    /// Whether any group replays.
    listening: bool,
    gap: Family,
    choice: Family,
}

impl Attackers {
    /// `kinds` says of each group whether, and how, it is hostile.
    pub(crate) fn new(kinds: &[Option<Hostile>], roster: &Roster, seed: Seed) -> Self {
        let honest = (0..kinds.len()).filter(|group| kinds[*group].is_none());
        Attackers {
            honest: honest.map(|group| roster.range(group)).collect(),
            quits: BTreeMap::new(),
            listening: kinds.iter().flatten().any(|hostile| hostile.kind == Attack::Replay),
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

    /// The wait before datagram `number` of a client, which is exponential.
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
