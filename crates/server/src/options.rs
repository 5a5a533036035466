//! How the server treats its members.

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skipbeat_core::{ScalarOrTable, Span, schema};

use crate::{Admission, Bertier, Chen, DetectorOptions, Limits, Missed, Tail, quantile};

/// The `[server]` table as far as it concerns the server core.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Options {
    /// Who beats.
    pub heartbeat: Mechanism,
    /// How often the server beats to each member, where it does.
    pub heartbeat_every: Span,
    /// How silence is judged.
    pub detector: DetectorOptions,
    /// A member is evicted when it was silent for *longer* than this. Twice the heartbeat period
    /// is a knife edge: with any jitter one lost heartbeat evicts every other time.
    pub timeout: Span,
    /// When the server looks for silent members.
    pub eviction: EvictionTiming,
    /// What makes an evicted client a member again.
    pub rejoin: Rejoin,
    /// Longer datagrams are refused, in bytes.
    pub max_datagram: usize,
    /// Bytes of the answer to a query at least: the key is filled up to it.
    pub value_size: usize,
    /// Who may become a member.
    pub admission: Admission,
    /// How much may be asked.
    pub limits: Limits,
}

impl Options {
    /// Why these options do not fit together, if they don't.
    pub fn contradiction(&self) -> Option<&'static str> {
        let unnumbered = self.heartbeat == Mechanism::Server || self.admission == Admission::Cookie;
        (self.detector.wants_numbers() && unnumbered).then_some(
            "the detectors chen and bertier need numbered heartbeats of clients: not with \
             heartbeat = \"server\", nor with admission = \"cookie\"",
        )
    }

    /// How long a crashed member is expected to be silent, at the most, until it is suspected.
    pub fn longest_silence(&self) -> Span {
        match self.detector {
            DetectorOptions::Timeout => self.timeout,
            DetectorOptions::Missed(Missed { misses, every }) => every * u64::from(misses),
            // What the gaps will be is not known: twice the period stands for them.
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

/// Who beats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Clients beat, the server does not answer.
    Client,
    /// The server beats to each member, and only its `^ack N^` is asked for. A client beats only
    /// while it has not heard from the server for longer than `timeout`.
    Server,
    /// Both beat, and any sign of life counts.
    Both,
}

impl Mechanism {
    /// Whether the server beats.
    pub fn by_server(self) -> bool {
        self != Mechanism::Client
    }
}

/// When the server looks for members that were silent for too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<String, Table>", rename_all = "kebab-case")]
#[schemars(transform = words_of_timing)]
pub enum EvictionTiming {
    /// At the exact moment.
    Deadline,
    /// Only while it broadcasts, as the tutorial does. Without chat nobody is ever evicted.
    Lazy,
    /// Once every so often. The first look comes after a random part of the period, since a
    /// period that divides the heartbeat's locks to one phase for the whole run.
    Every(Span),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The period, above zero: `"1s"`. It adds half of itself to the detection time on average.
    #[schemars(transform = schema::above_zero)]
    every: Span,
}

/// The words, since the text that is read by hand says nothing of them.
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
    /// Only `^join^`: what else it says is refused until then.
    Sticky,
}
