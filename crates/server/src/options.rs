//! How the server treats its members.

use serde::{Deserialize, Serialize};
use skipbeat_core::{ScalarOrTable, Span};

/// The `[server]` table as far as it concerns the server core.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Options {
    /// Who beats.
    pub heartbeat: Heartbeat,
    /// A member is evicted when it was silent for *longer* than this. Twice the heartbeat period
    /// is a knife edge: with any jitter one lost heartbeat evicts every other time.
    pub timeout: Span,
    /// When the server looks for silent members.
    pub sweep: Sweep,
    /// What makes an evicted client a member again.
    pub rejoin: Rejoin,
    /// Longer datagrams are refused, in bytes.
    pub max_datagram: usize,
}

impl Default for Options {
    /// The tutorial's numbers, with exact deadlines.
    fn default() -> Self {
        Options {
            heartbeat: Heartbeat::Client,
            timeout: Span::from_secs(10),
            sweep: Sweep::Deadline,
            rejoin: Rejoin::Auto,
            max_datagram: skipbeat_protocol::MAX_DATAGRAM,
        }
    }
}

/// Who beats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heartbeat {
    /// Clients beat, the server does not answer.
    Client,
}

/// When the server looks for members that were silent for too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "ScalarOrTable<Word, Table>", rename_all = "kebab-case")]
pub enum Sweep {
    /// At the exact moment.
    Deadline,
    /// Only while it broadcasts, as the tutorial does. Without chat nobody is ever evicted.
    Lazy,
    /// Once every so often. The first look comes after a random part of the period, since a
    /// period that divides the heartbeat's locks to one phase for the whole run.
    Every(Span),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Deadline,
    Lazy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    every: Span,
}

impl TryFrom<ScalarOrTable<Word, Table>> for Sweep {
    type Error = &'static str;

    fn try_from(form: ScalarOrTable<Word, Table>) -> Result<Self, &'static str> {
        match form {
            ScalarOrTable::Scalar(Word::Deadline) => Ok(Sweep::Deadline),
            ScalarOrTable::Scalar(Word::Lazy) => Ok(Sweep::Lazy),
            ScalarOrTable::Table(Table { every }) if every.is_zero() => {
                Err("a sweep needs a period above zero")
            }
            ScalarOrTable::Table(Table { every }) => Ok(Sweep::Every(every)),
        }
    }
}

/// What makes an evicted client a member again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejoin {
    /// Any sign of life.
    Auto,
    /// Only `^join^`: what else it says is refused until then.
    Sticky,
}
