//! The options of the server core.

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skipbeat_core::{ScalarOrTable, Span, schema};

use crate::{Admission, Bertier, Chen, DetectorOptions, Limits, Missed, Tail, quantile};

/// How the server core treats its members: the part of the `[server]` table that concerns it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Options {
    /// Which side sends heartbeats.
    pub heartbeat: Mechanism,
    /// How often the server sends a heartbeat to each member, if it does.
    pub heartbeat_every: Span,
    /// How silence is judged.
    pub detector: DetectorOptions,
    /// A member is evicted when it has been silent for *longer* than this. Twice the heartbeat
    /// period is a knife edge: with any jitter, one lost heartbeat evicts every other time.
    pub timeout: Span,
    /// When the server looks for silent members.
    pub eviction: EvictionTiming,
    /// What makes an evicted client a member again.
    pub rejoin: Rejoin,
    /// Longer datagrams are refused, in bytes.
    pub max_datagram: usize,
    /// The least length of the answer to a query, in bytes. The key is padded to it.
    pub value_size: usize,
    /// Who may become a member.
    pub admission: Admission,
    /// How much clients may ask.
    pub limits: Limits,
}

impl Options {
    /// Why these options contradict each other, if they do.
    pub fn contradiction(&self) -> Option<&'static str> {
        let unnumbered = self.heartbeat == Mechanism::Server || self.admission == Admission::Cookie;
        (self.detector.wants_numbers() && unnumbered).then_some(
            "the detectors chen and bertier need numbered heartbeats of clients: not with \
             heartbeat = \"server\", nor with admission = \"cookie\"",
        )
    }

    /// The longest silence of a crashed member that is expected before it is suspected.
    pub fn longest_silence(&self) -> Span {
        match self.detector {
            DetectorOptions::Timeout => self.timeout,
            DetectorOptions::Missed(Missed { misses, every }) => every * u64::from(misses),
            // The gaps are not known in advance: assume twice the period.
            DetectorOptions::Phi(phi) => {
                let z = quantile(phi.tail, phi.threshold);
                match phi.tail {
                    Tail::Exponential => phi.pause + phi.every.scaled(2.0 * z),
                    Tail::Normal | Tail::Logistic => {
                        let deviation = phi.min_deviation.max(phi.every.scaled(0.5));
                        phi.pause + phi.every * 2 + deviation.scaled(z)
                    }
                }
            }
            DetectorOptions::Chen(Chen { every, margin, .. })
            | DetectorOptions::Bertier(Bertier { every, margin, .. }) => every * 2 + margin,
        }
    }
}

impl Default for Options {
    /// The tutorial's numbers, with exact deadlines.
    fn default() -> Self {
        Options {
            heartbeat: Mechanism::Client,
            heartbeat_every: Span::from_secs(5),
            detector: DetectorOptions::Timeout,
            timeout: Span::from_secs(10),
            eviction: EvictionTiming::Deadline,
            rejoin: Rejoin::Auto,
            max_datagram: skipbeat_protocol::MAX_DATAGRAM,
            value_size: 64,
            admission: Admission::Open,
            limits: Limits::default(),
        }
    }
}

/// Which side sends heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The clients. The server does not answer.
    Client,
    /// The server, which expects an `^ack N^` from each member. A client sends heartbeats only
    /// while it has not heard from the server for longer than `timeout`.
    Server,
    /// Both. Every sign of life counts.
    Both,
}

impl Mechanism {
    /// Whether the server sends heartbeats.
    pub fn by_server(self) -> bool {
        self != Mechanism::Client
    }
}

/// When the server looks for members that have been silent for too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<String, Table>", rename_all = "kebab-case")]
#[schemars(transform = words_of_timing)]
pub enum EvictionTiming {
    /// At the exact moment of each deadline.
    Deadline,
    /// Only when it broadcasts a text, as the tutorial does. Without texts no member is ever
    /// evicted.
    Lazy,
    /// Once in a period. The first look comes after a random part of the period: otherwise a period
    /// that divides that of the heartbeats would stay at one phase for the whole run.
    Every(Span),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The period, above zero: `"1s"`. It adds half a period to the detection time on average.
    #[schemars(transform = schema::above_zero)]
    every: Span,
}

/// Adds the words to the schema: they are parsed by hand, so serde does not know them.
fn words_of_timing(schema: &mut Schema) {
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        let mut period = json_schema!({ "type": "string", "pattern": Span::pattern() });
        schema::above_zero(&mut period);
        forms[0] = period.to_value();
        forms.insert(0, json!({ "type": "string", "enum": ["deadline", "lazy"] }));
    }
}

impl TryFrom<ScalarOrTable<String, Table>> for EvictionTiming {
    type Error = String;

    fn try_from(form: ScalarOrTable<String, Table>) -> Result<Self, String> {
        let every = match form {
            ScalarOrTable::Scalar(word) if word == "deadline" => {
                return Ok(EvictionTiming::Deadline);
            }
            ScalarOrTable::Scalar(word) if word == "lazy" => return Ok(EvictionTiming::Lazy),
            ScalarOrTable::Scalar(period) => period.parse().map_err(|_| {
                format!(
                    "expected \"deadline\", \"lazy\" or a period such as \"1s\", got {period:?}"
                )
            })?,
            ScalarOrTable::Table(Table { every }) => every,
        };
        if every.is_zero() {
            return Err("expected a period above zero".to_owned());
        }
        Ok(EvictionTiming::Every(every))
    }
}

/// What makes an evicted client a member again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rejoin {
    /// Any sign of life.
    Auto,
    /// Only `^join^`. Anything else is refused until then.
    Sticky,
}
