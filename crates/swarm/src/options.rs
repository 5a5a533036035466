//! The options of a swarm: its groups, what their clients do, and timed events.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use skipbeat_core::{Probability, Span, Time};
use skipbeat_workload::{Word, Workload};

use crate::{Attack, Heartbeat, Hostile};

/// The options of a swarm.
#[derive(Clone, Debug)]
pub struct SwarmOptions {
    /// The groups, in the order of the scenario.
    pub groups: Vec<GroupOptions>,
    /// The timed events.
    pub events: Vec<TimedEvent>,
    /// The number of the run, which is in every tag.
    pub run: u16,
    /// Whether clients that start again join explicitly, since the rejoin of the server is sticky.
    pub join_explicitly: bool,
    /// Whether the server demands proof of addresses: heartbeats are then joins with a cookie.
    pub prove_address: bool,
    /// Whether heartbeats are numbered.
    pub numbered: bool,
    /// Whether clients always send heartbeats, or only while they do not hear from the server.
    pub clients_beat: bool,
    /// If the server sends heartbeats: the silence after which a client takes the server for gone.
    pub server_timeout: Option<Span>,
    /// The end of the run. Nothing is planned for that time or later.
    pub end: Time,
}

impl SwarmOptions {
    /// Whether what clients send may depend on what they hear ([`Heard`](crate::Heard)).
    pub fn may_react(&self) -> bool {
        let reacts = |group: &GroupOptions| {
            let stream = group.transport == Transport::Tcp;
            stream || group.session || group.acks != Acks::None || group.asks()
        };
        self.server_timeout.is_some() || self.prove_address || self.groups.iter().any(reacts)
    }
}

/// What the clients of a group do.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GroupOptions {
    /// The number of clients.
    pub clients: u32,
    /// Whether they are meant to be members. Others send no heartbeats.
    pub member: bool,
    /// When they send heartbeats.
    pub heartbeat: Heartbeat,
    /// Their work besides staying alive, if any.
    pub workload: Option<Workload>,
    /// How they come and go.
    pub churn: Churn,
    /// How their messages are carried.
    pub transport: Transport,
    /// Which texts are acked.
    pub acks: Acks,
    /// Whether they ask for a session, so that their membership outlives a change of address.
    pub session: bool,
    /// The attack of hostile clients. They do nothing else.
    pub hostile: Option<Hostile>,
}

impl GroupOptions {
    /// Whether they send queries, and wait for the answers.
    pub fn asks(&self) -> bool {
        self.workload.is_some_and(|work| matches!(work.saying().word, Word::Get(_)))
    }

    /// How many addresses the group forges, in addition to those of its clients.
    pub fn forged_addresses(&self) -> u32 {
        match self.hostile {
            Some(Hostile { kind: Attack::Spoof, addresses, .. }) if self.clients > 0 => addresses,
            _ => 0,
        }
    }
}

/// How messages are carried between client and server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Each message in a datagram of its own.
    #[default]
    Udp,
    /// All messages in a stream, with one connection for each client: in order and without loss.
    Tcp,
}

/// Which texts are acked. Acked texts arrive in spite of loss, at the cost of datagrams and time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// None. Each is sent once.
    #[default]
    None,
    /// Those from the clients.
    Up,
    /// Those to the clients, whose heartbeats ask for that with `^join reliable^`.
    Down,
    /// Both.
    Both,
}

impl Acks {
    /// Whether texts from clients are acked.
    pub fn up(self) -> bool {
        matches!(self, Acks::Up | Acks::Both)
    }

    /// Whether texts to clients are acked.
    pub fn down(self) -> bool {
        matches!(self, Acks::Down | Acks::Both)
    }
}

/// How clients come and go by themselves, at random times (Poisson).
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ChurnTable")]
pub struct Churn {
    /// Crashes per second and client. A crashed client falls silent, but still listens.
    pub crash: f64,
    /// Leaves per second and client. A client that leaves says `quit`.
    pub leave: f64,
    /// How long after a crash or leave a client starts again; without it, never.
    pub rejoin_after: Option<Span>,
    /// Changes of address per second and client, as when a NAT forgets the client. Datagrams to the
    /// old address reach no client.
    pub rebind: f64,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table `{ crash, leave, rebind, … }`")]
struct ChurnTable {
    /// Crashes per second and client, 0 to 10⁶; default 0. A crashed client falls silent, but still
    /// listens.
    #[schemars(range(min = 0, max = 1_000_000))]
    crash: f64,
    /// Leaves per second and client, 0 to 10⁶; default 0. A client that leaves says `quit`, once.
    #[schemars(range(min = 0, max = 1_000_000))]
    leave: f64,
    /// How long after a crash or leave a client starts again; without it, never.
    rejoin_after: Option<Span>,
    /// Changes of address per second and client, 0 to 10⁶; default 0: as when a NAT forgets the
    /// client.
    #[schemars(range(min = 0, max = 1_000_000))]
    rebind: f64,
}

impl TryFrom<ChurnTable> for Churn {
    type Error = String;

    fn try_from(table: ChurnTable) -> Result<Self, String> {
        let ChurnTable { crash, leave, rejoin_after, rebind } = table;
        let valid = |rate: &f64| (0.0..=1e6).contains(rate);
        match [crash, leave, rebind].into_iter().find(|rate| !valid(rate)) {
            Some(rate) => {
                Err(format!("expected a churn rate from 0 to 1e6 per second, got {rate}"))
            }
            None => Ok(Churn { crash, leave, rejoin_after, rebind }),
        }
    }
}

/// Something that happens to part of a group at a stated time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct TimedEvent {
    /// When it happens, from the beginning of the run.
    pub at: Span,
    /// The index of the group.
    pub group: usize,
    /// What happens.
    pub happening: ClientEvent,
    /// To how many clients, of those to which it can happen.
    pub amount: Amount,
}

/// What can happen to clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientEvent {
    /// Clients that are up crash.
    Crash,
    /// Clients that are up leave.
    Leave,
    /// Clients that are not up start again.
    Join,
    /// Clients that are up change their address.
    Rebind,
}

/// A share (a number with a point, `0.1` or `1.0`, or `"10 %"`) or a number of clients (`1`).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// A share, rounded to whole clients.
    Share(Probability),
    /// A number of clients, or all if there are fewer.
    Count(u32),
}

impl Amount {
    /// How many that is of `of` clients.
    pub fn of(self, of: u32) -> u32 {
        match self {
            Amount::Share(share) => (share.get() * f64::from(of)).round() as u32,
            Amount::Count(count) => count.min(of),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of the clients (0.1 or \"10 %\", 1.0 is all), or a whole number \
                            of them (1 is one).",
            "anyOf": [
                generator.subschema_for::<Probability>(),
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{self, IntoDeserializer};
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a share (0.1 or \"10 %\") or a whole number of clients")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Amount, E> {
                let count = u32::try_from(n);
                count
                    .map(Amount::Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Amount, E> {
                Probability::deserialize(share.into_deserializer()).map(Amount::Share)
            }
            fn visit_str<E: de::Error>(self, share: &str) -> Result<Amount, E> {
                Probability::deserialize(share.into_deserializer()).map(Amount::Share)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
