//! Delay models: how long a datagram travels.

use serde::{Deserialize, Serialize};
use skipbeat_core::{ScalarOrTable, Span, Stream};

/// How long a datagram travels. Every draw is independent, so datagrams overtake each other
/// where the delay varies by more than their spacing.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "ScalarOrTable<Span, Table>", tag = "kind", rename_all = "kebab-case")]
pub enum Delay {
    /// The same for all.
    Constant {
        /// The delay.
        value: Span,
    },
    /// Anything from `min` to `max` alike: mean `(min+max)/2`.
    Uniform {
        /// The shortest delay.
        min: Span,
        /// The longest delay.
        max: Span,
    },
    /// `min` plus an exponential rest, so that the mean of the whole is `mean`.
    Exponential {
        /// The shortest delay.
        min: Span,
        /// The mean of the whole delay, at least `min`.
        mean: Span,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    kind: Kind,
    value: Option<Span>,
    min: Option<Span>,
    max: Option<Span>,
    mean: Option<Span>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Constant,
    Uniform,
    Exponential,
}

impl TryFrom<ScalarOrTable<Span, Table>> for Delay {
    type Error = &'static str;

    fn try_from(form: ScalarOrTable<Span, Table>) -> Result<Self, &'static str> {
        let Table { kind, value, min, max, mean } = match form {
            ScalarOrTable::Scalar(value) => return Ok(Delay::Constant { value }),
            ScalarOrTable::Table(table) => table,
        };
        match (kind, value, min, max, mean) {
            (Kind::Constant, Some(value), None, None, None) => Ok(Delay::Constant { value }),
            (Kind::Constant, ..) => Err("a constant delay takes `value` and nothing else"),
            (Kind::Uniform, None, Some(min), Some(max), None) if min <= max => {
                Ok(Delay::Uniform { min, max })
            }
            (Kind::Uniform, None, Some(_), Some(_), None) => Err("`max` is shorter than `min`"),
            (Kind::Uniform, ..) => Err("a uniform delay takes `min` and `max` and nothing else"),
            (Kind::Exponential, None, min, None, Some(mean)) => {
                let min = min.unwrap_or(Span::ZERO);
                if mean < min {
                    return Err("`mean` is the mean of the whole delay: it can't be below `min`");
                }
                Ok(Delay::Exponential { min, mean })
            }
            (Kind::Exponential, ..) => {
                Err("an exponential delay takes `mean` and, if wanted, `min`, and nothing else")
            }
        }
    }
}

impl Delay {
    /// No delay at all.
    pub const NONE: Delay = Delay::Constant { value: Span::ZERO };

    /// The mean delay.
    pub fn mean(&self) -> Span {
        match *self {
            Delay::Constant { value } => value,
            Delay::Uniform { min, max } => Span::from_nanos(min.nanos().midpoint(max.nanos())),
            Delay::Exponential { mean, .. } => mean,
        }
    }

    /// The delay that all but one in 10⁴ datagrams stay below.
    pub fn nearly_longest(&self) -> Span {
        match *self {
            Delay::Constant { value } => value,
            Delay::Uniform { max, .. } => max,
            Delay::Exponential { min, mean } => {
                min + mean.saturating_sub(min).scaled(-libm::log(1e-4))
            }
        }
    }

    /// The delay of the datagram at `index`.
    #[inline]
    pub(crate) fn draw(&self, stream: Stream, index: u64) -> Span {
        match *self {
            Delay::Constant { value } => value,
            Delay::Uniform { min, max } => min + max.saturating_sub(min).scaled(stream.unit(index)),
            Delay::Exponential { min, mean } => {
                min + mean.saturating_sub(min).scaled(stream.exponential(index))
            }
        }
    }
}

impl Default for Delay {
    fn default() -> Self {
        Delay::NONE
    }
}
