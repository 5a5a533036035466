//! Duplicates: copies of what arrives.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, ScalarOrTable, Span, Stream, Time, unit};

/// Which datagrams arrive twice. Copies are made after loss, and are not copied again:
/// delivered/sent = `(1-loss)(1+probability)`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "ScalarOrTable<Probability, Table>")]
pub struct Duplicate {
    /// The probability that a datagram that arrives has a copy.
    pub probability: Probability,
    /// The copy arrives later than the original by anything in `(0, within]`.
    pub within: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    probability: Probability,
    within: Option<Span>,
}

impl From<ScalarOrTable<Probability, Table>> for Duplicate {
    fn from(form: ScalarOrTable<Probability, Table>) -> Self {
        let (probability, within) = match form {
            ScalarOrTable::Scalar(probability) => (probability, None),
            ScalarOrTable::Table(Table { probability, within }) => (probability, within),
        };
        Duplicate { probability, within: within.unwrap_or(Self::WITHIN) }
    }
}

impl Duplicate {
    const WITHIN: Span = Span::from_millis(10);
    /// No copies.
    pub const NONE: Duplicate = Duplicate { probability: Probability::ZERO, within: Self::WITHIN };

    /// When the copy of the datagram at `index`, which arrives at `arrival`, does.
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
