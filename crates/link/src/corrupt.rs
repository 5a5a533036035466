//! Corruption: errors in the payload that the checksum did not find.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    Probability, ScalarOrTable, Stream, TaggedTable, common_keys, mix, schema, tagged,
};

/// Which datagrams are changed, and how.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Probability, TaggedTable<Kind, Keys>>")]
pub struct Corrupt {
    /// The probability that a datagram or a copy of one is changed.
    pub probability: Probability,
    /// What is done to it.
    pub how: Damage,
}

/// What is done to a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// This many bits flip, at different positions.
    Bits(u32),
    /// One byte becomes another.
    Byte,
    /// The end is cut off, anywhere.
    Truncate,
    /// Two bytes change places.
    Swap,
    /// Random bytes are added, at most this many.
    Garbage(u32),
}

/// A change of the bytes of one datagram. The same bytes are changed in the same way everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Change {
    how: Damage,
    draw: u64,
}

tagged! {
    /// The long form of [`Damage`].
    enum Kind: "a corruption", default "bits" {
        /// Bits flip, at different positions.
        Bits(Flipped) = "bits",
        /// One byte becomes another.
        Byte = "byte",
        /// The end is cut off, anywhere.
        Truncate = "truncate",
        /// Two bytes change places.
        Swap = "swap",
        /// Random bytes are added.
        Garbage(Added) = "garbage",
    }
}

#[derive(Deserialize, JsonSchema)]
struct Flipped {
    /// How many bits flip, 1 to 1024; default 1.
    #[schemars(range(min = 1, max = 1024))]
    n: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct Added {
    /// How many bytes are added at most, 1 to 1024; default 16.
    #[schemars(range(min = 1, max = 1024))]
    n: Option<u32>,
}

common_keys! {
    #[schemars(transform = needs_probability)]
    struct Keys {
        /// The probability that a datagram, or a copy of one, is changed.
        probability: Probability,
    }
}

fn needs_probability(schema: &mut Schema) {
    schema::require(schema, "probability");
}

impl TryFrom<ScalarOrTable<Probability, TaggedTable<Kind, Keys>>> for Corrupt {
    type Error = &'static str;

    fn try_from(
        form: ScalarOrTable<Probability, TaggedTable<Kind, Keys>>,
    ) -> Result<Self, &'static str> {
        let TaggedTable { model, common } = match form {
            ScalarOrTable::Scalar(probability) => {
                return Ok(Corrupt { probability, how: Damage::Bits(1) });
            }
            ScalarOrTable::Table(table) => table,
        };
        let probability = common.probability.ok_or("missing field `probability`")?;
        let how = match model {
            Kind::Bits(Flipped { n }) => Damage::Bits(n.unwrap_or(1)),
            Kind::Byte => Damage::Byte,
            Kind::Truncate => Damage::Truncate,
            Kind::Swap => Damage::Swap,
            Kind::Garbage(Added { n }) => Damage::Garbage(n.unwrap_or(16)),
        };
        match how {
            Damage::Bits(n) | Damage::Garbage(n) if !(1..=1024).contains(&n) => {
                Err("expected `n` from 1 to 1024")
            }
            _ => Ok(Corrupt { probability, how }),
        }
    }
}

impl Corrupt {
    /// The change of the datagram at `index`, or of its copy, if any.
    #[inline]
    pub(crate) fn change(&self, stream: Stream, index: u64, copy: bool) -> Option<Change> {
        let counter = 4 * index + 2 * u64::from(copy);
        let chosen = self.probability.decides(stream.bits(counter));
        chosen.then(|| Change { how: self.how, draw: stream.bits(counter + 1) })
    }
}

impl Change {
    /// Changes the bytes. An empty datagram can only get longer.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let draw = |n: u64| mix(self.draw.wrapping_add(n));
        let below = |n: u64, limit: usize| (draw(n) % limit as u64) as usize;
        let length = bytes.len();
        match self.how {
            Damage::Garbage(most) => {
                let added = 1 + below(0, most as usize) as u64;
                bytes.extend((1..=added).map(|n| draw(n) as u8));
            }
            _ if length == 0 => {}
            Damage::Bits(n) => {
                let mut flipped = Vec::new();
                let mut tries = 0;
                while flipped.len() < (n as usize).min(8 * length) {
                    let bit = below(tries, 8 * length);
                    tries += 1;
                    if !flipped.contains(&bit) {
                        flipped.push(bit);
                        bytes[bit / 8] ^= 1 << (bit % 8);
                    }
                }
            }
            Damage::Byte => {
                let at = below(0, length);
                bytes[at] = bytes[at].wrapping_add(1 + below(1, 255) as u8);
            }
            Damage::Truncate => bytes.truncate(below(0, length)),
            Damage::Swap => {
                let (a, b) = (below(0, length), below(1, length));
                bytes.swap(a, b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_damage_does_what_it_says_and_the_same_each_time() {
        let text = b"a text of some length".to_vec();
        let damaged = |how, draw| {
            let mut bytes = text.clone();
            Change { how, draw }.apply(&mut bytes);
            bytes
        };
        for draw in 0..200 {
            for how in
                [Damage::Bits(3), Damage::Byte, Damage::Truncate, Damage::Swap, Damage::Garbage(5)]
            {
                assert_eq!(damaged(how, draw), damaged(how, draw));
            }
            let bits = damaged(Damage::Bits(3), draw);
            let flipped: u32 = bits.iter().zip(&text).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, 3);
            let byte = damaged(Damage::Byte, draw);
            assert_eq!(byte.iter().zip(&text).filter(|(a, b)| a != b).count(), 1);
            let cut = damaged(Damage::Truncate, draw);
            assert!(cut.len() < text.len() && text.starts_with(&cut));
            let (mut swapped, mut sorted) = (damaged(Damage::Swap, draw), text.clone());
            swapped.sort_unstable();
            sorted.sort_unstable();
            assert_eq!(swapped, sorted);
            let longer = damaged(Damage::Garbage(5), draw);
            assert!(longer.starts_with(&text) && (1..=5).contains(&(longer.len() - text.len())));
        }
        let mut empty = Vec::new();
        Change { how: Damage::Byte, draw: 1 }.apply(&mut empty);
        assert!(empty.is_empty());
    }
}
