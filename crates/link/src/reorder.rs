//! Deliberate reordering, in addition to that by a varying delay.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, Span, Stream, TaggedTable, common_keys, schema, tagged};

/// Which datagrams are reordered, and how.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TaggedTable<Kind, Keys>")]
pub struct Reorder {
    /// Which datagrams are chosen.
    pub chosen: Chosen,
    /// What happens to them.
    pub how: How,
}

/// Which datagrams are chosen.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chosen {
    /// Each with this probability, independently of the others.
    Probability(Probability),
    /// Every n-th datagram of a link, as with netem's `gap`.
    Every(u32),
}

/// What happens to a chosen datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It waits this much longer, so that later datagrams overtake it. At a spacing `T` and a
    /// probability `q` the reordered ratio of RFC 4737 is `q(1-q^m)`, `m = ⌊extra/T⌋` (one less if
    /// `T` divides `extra`, since a datagram that arrives at the same time does not overtake).
    Hold(Span),
    /// It skips the delay, and overtakes earlier datagrams, as with netem's `reorder`. The ratio is
    /// `(1-q)(1-(1-q)^m)`, `m = ⌊delay/T⌋`.
    Early,
}

tagged! {
    /// The table form of [`How`].
    enum Kind: "a reordering" {
        /// A chosen datagram waits, so that those behind it overtake it.
        Hold(HoldKeys) = "hold",
        /// A chosen datagram skips the delay, and overtakes those before it.
        Early = "early",
    }
}

#[derive(Deserialize, JsonSchema)]
struct HoldKeys {
    /// How much longer a chosen datagram travels.
    extra: Span,
}

common_keys! {
    #[schemars(transform = one_choice)]
    struct Keys {
        /// Each datagram is chosen by itself with this probability.
        probability: Probability,
        /// Every n-th datagram is chosen, from 1; instead of `probability`.
        #[schemars(range(min = 1))]
        every: u32,
    }
}

fn one_choice(schema: &mut Schema) {
    schema::exactly_one(schema, &["probability", "every"]);
}

impl TryFrom<TaggedTable<Kind, Keys>> for Reorder {
    type Error = &'static str;

    fn try_from(
        TaggedTable { model, common }: TaggedTable<Kind, Keys>,
    ) -> Result<Self, &'static str> {
        let chosen = match (common.probability, common.every) {
            (Some(probability), None) => Chosen::Probability(probability),
            (None, Some(every)) if every > 0 => Chosen::Every(every),
            _ => return Err("a reordering needs `probability`, or `every` from 1"),
        };
        let how = match model {
            Kind::Hold(HoldKeys { extra }) => How::Hold(extra),
            Kind::Early => How::Early,
        };
        Ok(Reorder { chosen, how })
    }
}

impl Reorder {
    /// What happens to the datagram at `index`, if it is chosen.
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
