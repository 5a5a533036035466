//! A probability that is always valid.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A number in `[0, 1]`. In a scenario: `0.05` or `"5 %"`.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Serialize)]
pub struct Probability(f64);

impl Probability {
    /// The probability 0.
    pub const ZERO: Probability = Probability(0.0);
    /// The probability 1.
    pub const ONE: Probability = Probability(1.0);

    /// The probability `p`; `None` if `p` is outside `[0, 1]` or not a number.
    pub fn new(p: f64) -> Option<Self> {
        (0.0..=1.0).contains(&p).then_some(Probability(p))
    }

    /// The number in `[0, 1]`.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether it is 0.
    pub const fn is_zero(self) -> bool {
        self.0 == 0.0
    }

    /// Whether an event of this probability happens, decided by 64 random bits.
    pub fn decides(self, bits: u64) -> bool {
        crate::unit(bits) < self.0
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl Visitor {
            fn within<E: de::Error>(p: f64, said: impl fmt::Display) -> Result<Probability, E> {
                Probability::new(p).ok_or_else(|| {
                    E::custom(format!("expected a probability from 0 to 1, got {said}"))
                })
            }
        }
        impl de::Visitor<'_> for Visitor {
            type Value = Probability;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a probability: 0 to 1, or a text such as \"5 %\"")
            }
            fn visit_f64<E: de::Error>(self, p: f64) -> Result<Probability, E> {
                Self::within(p, p)
            }
            fn visit_i64<E: de::Error>(self, p: i64) -> Result<Probability, E> {
                Self::within(p as f64, p)
            }
            fn visit_u64<E: de::Error>(self, p: u64) -> Result<Probability, E> {
                Self::within(p as f64, p)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Probability, E> {
                let percent =
                    text.trim().strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
                match percent {
                    Some(percent) => Self::within(percent / 100.0, format!("{text:?}")),
                    None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Probability {
    /// Percentages from 0 to 100 as a regular expression. It does not check how large a number with
    /// an exponent is.
    const PERCENTAGE: &str = concat!(
        r"^\s*\+?(0*(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?)|\.[0-9]+",
        r"|([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]+)\s*%\s*$"
    );
}

impl JsonSchema for Probability {
    fn schema_name() -> Cow<'static, str> {
        "Probability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A probability: a number from 0 to 1, or a percentage like \"5 %\".",
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": 1,
            "pattern": Self::PERCENTAGE,
            "examples": [0.05, "5 %"],
        })
    }
}
