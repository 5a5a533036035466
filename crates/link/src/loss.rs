//! Loss models: which datagrams never arrive.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, ScalarOrTable, Stream};

/// Which datagrams a link loses.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "ScalarOrTable<Probability, Table>", tag = "kind", rename_all = "kebab-case")]
pub enum Loss {
    /// Each datagram by itself with the same probability: mean loss `p`, mean loss run `1/(1-p)`.
    Bernoulli {
        /// The probability that a datagram is lost.
        probability: Probability,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    kind: Kind,
    probability: Probability,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bernoulli,
}

impl From<ScalarOrTable<Probability, Table>> for Loss {
    fn from(form: ScalarOrTable<Probability, Table>) -> Self {
        match form {
            ScalarOrTable::Scalar(probability)
            | ScalarOrTable::Table(Table { kind: Kind::Bernoulli, probability }) => {
                Loss::Bernoulli { probability }
            }
        }
    }
}

impl Loss {
    /// A link that loses nothing.
    pub const NONE: Loss = Loss::Bernoulli { probability: Probability::ZERO };

    /// The share of datagrams that is lost in the long run.
    pub fn mean(&self) -> f64 {
        let Loss::Bernoulli { probability } = self;
        probability.get()
    }

    /// Whether the datagram at `index` is lost.
    #[inline]
    pub(crate) fn takes(&self, stream: Stream, index: u64) -> bool {
        let Loss::Bernoulli { probability } = self;
        !probability.is_zero() && probability.decides(stream.bits(index))
    }
}

impl Default for Loss {
    fn default() -> Self {
        Loss::NONE
    }
}
