//! Duplicates: copies of datagrams that arrive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, ScalarOrTable, Span, Stream, Time, schema, unit};

/// Which datagrams arrive twice. Copies are made after loss, and are not copied again:
/// delivered/sent = `(1-loss)(1+probability)`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Probability, Table>")]
pub struct Duplicate {
    /// The probability that a datagram that arrives has a copy.
    pub probability: Probability,
    /// The copy arrives later than the original, by a uniform time in `(0, within]`.
    pub within: Span,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The probability that a datagram that arrives has a copy.
    probability: Probability,
    /// The copy arrives later by a random time of at most this, above zero; default `"10ms"`.
    #[schemars(transform = schema::above_zero)]
    within: Option<Span>,
}

impl TryFrom<ScalarOrTable<Probability, Table>> for Duplicate {
    type Error = &'static str;

    fn try_from(form: ScalarOrTable<Probability, Table>) -> Result<Self, &'static str> {
        let (probability, within) = match form {
            ScalarOrTable::Scalar(probability) => (probability, None),
            ScalarOrTable::Table(Table { probability, within }) => (probability, within),
        };
        match within.unwrap_or(Self::WITHIN) {
            Span::ZERO => Err("expected `within` above zero: a copy comes after its original"),
            within => Ok(Duplicate { probability, within }),
        }
    }
}

impl Duplicate {
    const WITHIN: Span = Span::from_millis(10);
    /// No copies.
    pub const NONE: Duplicate = Duplicate { probability: Probability::ZERO, within: Self::WITHIN };

    /// The longest time between a datagram and its copy.
    pub(crate) fn longest(&self) -> Span {
        if self.probability.is_zero() { Span::ZERO } else { self.within }
    }

    /// When the copy of the datagram at `index` arrives, if it has one. The original arrives at
    /// `arrival`.
    #[inline]
    pub(crate) fn copy(&self, stream: Stream, index: u64, arrival: Time) -> Option<Time> {
        if self.probability.is_zero() || !self.probability.decides(stream.bits(2 * index)) {
            return None;
        }
        let later = self.within.scaled(1.0 - unit(stream.bits(2 * index + 1)));
        Some(arrival + later)
    }
}

impl Default for Duplicate {
    fn default() -> Self {
        Duplicate::NONE
    }
}
