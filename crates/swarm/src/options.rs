//! What the clients of a group do.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skipbeat_core::schema::{self, KindKeys};
use skipbeat_core::{Probability, ScalarOrTable, Span};
use skipbeat_workload::{Word, Workload};

/// The behaviour of a group of clients.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GroupOptions {
    /// How many clients.
    pub clients: u32,
    /// Whether they are to be members: whoever is not does not beat.
    pub member: bool,
    /// When they beat.
    pub heartbeat: Heartbeat,
    /// What they do besides staying alive, if anything.
    pub workload: Option<Workload>,
    /// How they come and go.
    pub churn: Churn,
    /// How what they say gets to the server and back.
    pub transport: Transport,
    /// Which texts want acks.
    pub acks: Acks,
    /// Whether they ask for a session, so that their membership outlives a change of address.
    pub session: bool,
    /// What they do if they are no honest clients: nothing of the above, but this.
    pub hostile: Option<Hostile>,
}

impl GroupOptions {
    /// Whether they ask the server, and wait for answers.
    pub fn asks(&self) -> bool {
        self.workload.is_some_and(|work| matches!(work.saying().word, Word::Get(_)))
    }

    /// How many addresses the group forges beside those of its clients.
    pub fn forged_addresses(&self) -> u32 {
        match self.hostile {
            Some(Hostile { kind: Attack::Spoof, addresses, .. }) if self.clients > 0 => addresses,
            _ => 0,
        }
    }
}

/// What hostile clients send to the server, each by itself and at random times (Poisson arrivals).
/// They are nobody's audience: no message is expected to reach them.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "HostileTable")]
pub struct Hostile {
    /// What they do.
    pub kind: Attack,
    /// Datagrams per second of each client, above zero.
    pub rate: f64,
    /// Bytes of a text (`flood`) or at most (`garbage`).
    pub size: usize,
    /// From how many addresses, all together, they pretend to send (`spoof`).
    pub addresses: u32,
    /// When they begin, counted from the start of the run.
    pub from: Span,
    /// When they end; at the end of the run where not given.
    pub until: Option<Span>,
}

/// Kinds of attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// `^join^` from addresses that are not theirs: whoever has those gets what the server sends.
    Spoof,
    /// Texts from their own address, as fast as they can.
    Flood,
    /// Random bytes from their own address. What is no command is a text.
    Garbage,
    /// `quit` from the address of an honest client drawn at random: the last one that it said
    /// itself, as it was overheard with whatever token it had; a bare one if it never did.
    Replay,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ kind, rate, … }`")]
#[schemars(transform = kinds_of_attack)]
struct HostileTable {
    /// What they send.
    kind: Attack,
    /// Datagrams per second of each client, above 0 and up to 10⁶.
    #[schemars(transform = schema::rate)]
    rate: f64,
    /// `flood`, `garbage`: bytes of a datagram (`garbage`: at most), 1 to 65,000; default 64.
    #[schemars(range(min = 1, max = 65_000))]
    size: Option<usize>,
    /// `spoof`: from how many addresses the group pretends to send, 1 to 10⁶; default 1000.
    #[schemars(range(min = 1, max = 1_000_000))]
    addresses: Option<u32>,
    /// When they begin, from the start of the run; default `"0s"`.
    #[serde(default)]
    from: Span,
    /// When they end, after `from`; at the end of the run where not given.
    until: Option<Span>,
}

fn kinds_of_attack(schema: &mut Schema) {
    let of = |kind, may_have| KindKeys { kind, needs: &[], may_have };
    let kinds = [
        of("spoof", &["rate", "from", "until", "addresses"]),
        of("flood", &["rate", "from", "until", "size"]),
        of("garbage", &["rate", "from", "until", "size"]),
        of("replay", &["rate", "from", "until"]),
    ];
    schema::keys_by_kind(schema, &kinds, None);
}

impl TryFrom<HostileTable> for Hostile {
    type Error = String;

    fn try_from(table: HostileTable) -> Result<Self, String> {
        let HostileTable { kind, rate, size, addresses, from, until } = table;
        if !(rate > 0.0 && rate <= 1e6) {
            return Err(format!("expected a rate above 0 and up to 1e6 per second, got {rate}"));
        }
        if size.is_some() && !matches!(kind, Attack::Flood | Attack::Garbage) {
            return Err("`size` belongs to flood and garbage only".to_owned());
        }
        if addresses.is_some() && kind != Attack::Spoof {
            return Err("`addresses` belongs to spoof only".to_owned());
        }
        let (size, addresses) = (size.unwrap_or(64), addresses.unwrap_or(1000));
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

/// How what is said gets to the server and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Each thing in a datagram of its own.
    #[default]
    Udp,
    /// All of it in a stream, one connection for each client: nothing is lost, and all comes in order.
    Tcp,
}

/// Which texts want acks. They arrive in spite of loss, at the price of datagrams and time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// None: sent once.
    #[default]
    None,
    /// What the clients say.
    Up,
    /// What they hear: their heartbeats ask for it with `^join reliable^`.
    Down,
    /// Both.
    Both,
}

impl Acks {
    /// Whether what clients say wants acks.
    pub fn up(self) -> bool {
        matches!(self, Acks::Up | Acks::Both)
    }

    /// Whether what clients hear wants acks.
    pub fn down(self) -> bool {
        matches!(self, Acks::Down | Acks::Both)
    }
}

/// When a client beats. The first beat comes after a random part of the period.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "HeartbeatTable")]
pub struct Heartbeat {
    /// The period `h`. RFC 8085 (3.5) wants no keep-alive more often than every 15 s on the
    /// Internet; the tutorial beats every 5 s.
    pub every: Span,
    /// How the beats deviate from the period.
    pub jitter: Jitter,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { every: Span::from_secs(5), jitter: Jitter::None }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ every, jitter }`")]
struct HeartbeatTable {
    /// The period `h`, above zero; default `"5s"`. The first beat comes after a random part of it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// How beats deviate from the period; default `"none"`.
    #[serde(default)]
    jitter: Jitter,
}

impl TryFrom<HeartbeatTable> for Heartbeat {
    type Error = String;

    fn try_from(table: HeartbeatTable) -> Result<Self, String> {
        let every = table.every.unwrap_or(Heartbeat::default().every);
        let jitter = table.jitter;
        let widest = match jitter {
            Jitter::Renewal { width } => width,
            Jitter::Grid { width } => width * 2,
            _ => Span::ZERO,
        };
        if every.is_zero() {
            return Err("expected a heartbeat period above zero".to_owned());
        }
        if widest > every {
            return Err(format!(
                "jitter is wider than a period of {every} allows: beats would change places"
            ));
        }
        Ok(Heartbeat { every, jitter })
    }
}

/// How heartbeats deviate from their period `h`. `U` is the uniform distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(
    try_from = "ScalarOrTable<JitterKind, JitterTable>",
    tag = "kind",
    rename_all = "kebab-case"
)]
#[schemars(transform = words_of_jitter)]
pub enum Jitter {
    /// Exactly every `h`.
    #[default]
    None,
    /// Each gap is `U(h - width, h + width)`: deviations add up.
    Renewal {
        /// The largest deviation of a gap, at most `h`.
        width: Span,
    },
    /// Beat `k` is at `kh + U(-width, width)`: deviations do not add up.
    Grid {
        /// The largest deviation of a beat, at most `h/2`.
        width: Span,
    },
    /// Each gap is `U(0.75h, h)` (BFD, RFC 5880, 6.8.7).
    Bfd,
    /// Each gap is `U(0.8h, 1.2h)` (ICE consent freshness, RFC 7675, 5.1).
    Rfc7675,
    /// Each gap is `U(0.8h, h)` (SIP outbound, RFC 5626, 4.4.1).
    Rfc5626,
}

#[derive(Deserialize, Clone, Copy, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum JitterKind {
    /// Exactly every `h`.
    None,
    /// Each gap is `U(h - width, h + width)`: deviations add up.
    Renewal,
    /// Beat `k` is at `kh + U(-width, width)`: deviations do not add up.
    Grid,
    /// Each gap is `U(0.75h, h)` (BFD, RFC 5880, 6.8.7).
    Bfd,
    /// Each gap is `U(0.8h, 1.2h)` (ICE consent freshness, RFC 7675, 5.1).
    Rfc7675,
    /// Each gap is `U(0.8h, h)` (SIP outbound, RFC 5626, 4.4.1).
    Rfc5626,
}

/// Two of the kinds need a width, and are no words for themselves.
fn words_of_jitter(schema: &mut Schema) {
    let words = schema.pointer_mut("/anyOf/0/oneOf").and_then(Value::as_array_mut);
    if let Some(words) = words {
        words.retain(|word| word["const"] != "renewal" && word["const"] != "grid");
    }
}

fn kinds_of_jitter(schema: &mut Schema) {
    let of = |kind, needs| KindKeys { kind, needs, may_have: &[] };
    let kinds = [
        of("none", &[]),
        of("renewal", &["width"]),
        of("grid", &["width"]),
        of("bfd", &[]),
        of("rfc7675", &[]),
        of("rfc5626", &[]),
    ];
    schema::keys_by_kind(schema, &kinds, None);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = kinds_of_jitter)]
struct JitterTable {
    /// How beats deviate.
    kind: JitterKind,
    /// `renewal`: the largest deviation of a gap, at most `h`. `grid`: of a beat, at most `h/2`.
    width: Option<Span>,
}

impl TryFrom<ScalarOrTable<JitterKind, JitterTable>> for Jitter {
    type Error = &'static str;

    fn try_from(form: ScalarOrTable<JitterKind, JitterTable>) -> Result<Self, &'static str> {
        let (kind, width) = match form {
            ScalarOrTable::Scalar(kind) => (kind, None),
            ScalarOrTable::Table(JitterTable { kind, width }) => (kind, width),
        };
        match (kind, width) {
            (JitterKind::None, None) => Ok(Jitter::None),
            (JitterKind::Bfd, None) => Ok(Jitter::Bfd),
            (JitterKind::Rfc7675, None) => Ok(Jitter::Rfc7675),
            (JitterKind::Rfc5626, None) => Ok(Jitter::Rfc5626),
            (JitterKind::Renewal, Some(width)) => Ok(Jitter::Renewal { width }),
            (JitterKind::Grid, Some(width)) => Ok(Jitter::Grid { width }),
            (JitterKind::Renewal | JitterKind::Grid, None) => Err("this jitter needs `width`"),
            (_, Some(_)) => Err("`width` belongs to renewal and grid jitter only"),
        }
    }
}

/// How clients come and go by themselves.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ChurnTable")]
pub struct Churn {
    /// Crashes per second and client. A crashed client goes silent but still listens.
    pub crash: f64,
    /// Leaves per second and client. A client that leaves says `quit`.
    pub leave: f64,
    /// How long after a crash or leave a client starts again; without it, never.
    pub rejoin_after: Option<Span>,
    /// Changes of address per second and client, as a NAT makes them that has forgotten the client:
    /// what is sent to the old address from then on reaches nobody.
    pub rebind: f64,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table `{ crash, leave, rebind, … }`")]
struct ChurnTable {
    /// Crashes per second and client, 0 to 10⁶; default 0. A crashed client goes silent but still
    /// listens.
    #[schemars(range(min = 0, max = 1_000_000))]
    crash: f64,
    /// Leaves per second and client, 0 to 10⁶; default 0. A client that leaves says `quit`, once.
    #[schemars(range(min = 0, max = 1_000_000))]
    leave: f64,
    /// How long after a crash or leave a client starts again; without it, never.
    rejoin_after: Option<Span>,
    /// Changes of address per second and client, 0 to 10⁶; default 0: what a NAT does that has
    /// forgotten the client.
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
    /// When.
    pub at: Span,
    /// The index of the group.
    pub group: usize,
    /// What.
    pub happening: ClientEvent,
    /// To how many of those to whom it can happen.
    pub amount: Amount,
}

/// What can happen to clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientEvent {
    /// They crash: to those that are up.
    Crash,
    /// They leave: to those that are up.
    Leave,
    /// They start again: to those that are not up.
    Join,
    /// Their address changes: to those that are up.
    Rebind,
}

/// A share (a number with a point, `0.1` or `1.0`, or `"10 %"`) or a number of clients (`1`).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// This share, rounded to whole clients.
    Share(Probability),
    /// This many, or all where there are fewer.
    Count(u32),
}

impl Amount {
    /// How many of `of` clients.
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
