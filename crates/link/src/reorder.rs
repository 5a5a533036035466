//! Reordering on purpose, beside what a varying delay does by itself.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::schema::{self, KindKeys};
use skipbeat_core::{Probability, Span, Stream};

/// Which datagrams are put out of order, and how.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Table")]
pub struct Reorder {
    /// Which.
    pub chosen: Chosen,
    /// What happens to them.
    pub how: How,
}

/// Which datagrams are chosen.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chosen {
    /// Each by itself with this probability.
    Probability(Probability),
    /// Every n-th of a link: netem's `gap`.
    Every(u32),
}

/// What happens to a chosen datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It waits this much longer, so that those behind it overtake: at a spacing `T` and a
    /// probability `q` the RFC 4737 reordered ratio is `q(1-q^m)`, `m = ⌊extra/T⌋` (one less where
    /// `T` divides `extra`: who arrives at the same moment does not overtake).
    Hold(Span),
    /// It skips the delay, and overtakes those before it, as netem's `reorder` does: the ratio is
    /// `(1-q)(1-(1-q)^m)`, `m = ⌊delay/T⌋`.
    Early,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ kind, probability | every, extra }`")]
#[schemars(transform = kinds)]
struct Table {
    /// What happens to a chosen datagram.
    kind: Kind,
    /// Each datagram is chosen by itself with this probability.
    probability: Option<Probability>,
    /// Every n-th datagram is chosen, from 1; in the place of `probability`.
    #[schemars(range(min = 1))]
    every: Option<u32>,
    /// `hold`: how much longer a chosen datagram travels.
    extra: Option<Span>,
}

fn kinds(schema: &mut Schema) {
    let kinds = [
        KindKeys { kind: "hold", needs: &["extra"], may_have: &["probability", "every"] },
        KindKeys { kind: "early", needs: &[], may_have: &["probability", "every"] },
    ];
    schema::keys_by_kind(schema, &kinds, None);
    schema::exactly_one(schema, &["probability", "every"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Kind {
    /// It waits, so that those behind it overtake.
    Hold,
    /// It skips the delay, and overtakes those before it.
    Early,
}

impl TryFrom<Table> for Reorder {
    type Error = &'static str;

    fn try_from(Table { kind, probability, every, extra }: Table) -> Result<Self, &'static str> {
        let chosen = match (probability, every) {
            (Some(probability), None) => Chosen::Probability(probability),
            (None, Some(every)) if every > 0 => Chosen::Every(every),
            _ => return Err("reordering takes `probability`, or `every` from 1"),
        };
        let how = match (kind, extra) {
            (Kind::Hold, Some(extra)) => How::Hold(extra),
            (Kind::Hold, None) => return Err("to hold datagrams back takes `extra`, how long"),
            (Kind::Early, None) => How::Early,
            (Kind::Early, Some(_)) => return Err("`extra` belongs to `hold` only"),
        };
        Ok(Reorder { chosen, how })
    }
}

impl Reorder {
    /// What happens to the datagram at `index`, where it is chosen.
    #[inline]
    pub(crate) fn choose(&self, stream: Stream, index: u64) -> Option<How> {
        let chosen = match self.chosen {
            Chosen::Probability(probability) => probability.decides(stream.bits(index)),
            Chosen::Every(n) => (index + 1).is_multiple_of(u64::from(n)),
        };
        chosen.then_some(self.how)
    }

    /// The share of datagrams that are chosen.
    pub fn share(&self) -> f64 {
        match self.chosen {
            Chosen::Probability(probability) => probability.get(),
            Chosen::Every(n) => 1.0 / f64::from(n),
        }
    }

    /// The most that this stage adds to a delay.
    pub fn longest(&self) -> Span {
        match self.how {
            How::Hold(extra) => extra,
            How::Early => Span::ZERO,
        }
    }
}
