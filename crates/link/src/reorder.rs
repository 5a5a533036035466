//! Reordering on purpose, beside what a varying delay does by itself.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, Span, Stream};

/// Which datagrams are put out of order, and how.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "Table", tag = "kind", rename_all = "kebab-case")]
pub enum Reorder {
    /// A chosen datagram waits longer, so that those behind it overtake. At spacing `T` and
    /// `m = ⌊extra/T⌋` the RFC 4737 reordered ratio is `q(1-q^m)`.
    Hold {
        /// The probability `q` that a datagram is chosen.
        probability: Probability,
        /// How much longer a chosen datagram travels.
        extra: Span,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    kind: Kind,
    probability: Probability,
    extra: Span,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Hold,
}

impl From<Table> for Reorder {
    fn from(Table { kind: Kind::Hold, probability, extra }: Table) -> Self {
        Reorder::Hold { probability, extra }
    }
}

impl Reorder {
    /// How much longer the datagram at `index` travels, where it is chosen.
    #[inline]
    pub(crate) fn extra(&self, stream: Stream, index: u64) -> Option<Span> {
        let Reorder::Hold { probability, extra } = *self;
        probability.decides(stream.bits(index)).then_some(extra)
    }

    /// The most that this stage adds to a delay.
    pub fn longest(&self) -> Span {
        let Reorder::Hold { extra, .. } = *self;
        extra
    }
}
