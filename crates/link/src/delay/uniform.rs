//! Uniform delay: mean `(min+max)/2`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Span;

use super::Model;

/// Anything from `min` to `max` alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Uniform {
    /// The shortest delay.
    pub min: Span,
    /// The longest delay.
    pub max: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The shortest delay.
    min: Span,
    /// The longest delay, at least `min`.
    max: Span,
}

impl TryFrom<Keys> for Uniform {
    type Error = &'static str;

    fn try_from(Keys { min, max }: Keys) -> Result<Self, &'static str> {
        if min <= max { Ok(Uniform { min, max }) } else { Err("`max` is shorter than `min`") }
    }
}

impl Model for Uniform {
    #[inline]
    fn quantile(&self, u: f64) -> Span {
        self.min + self.max.saturating_sub(self.min).scaled(u)
    }

    fn mean(&self) -> Span {
        Span::from_nanos(self.min.nanos().midpoint(self.max.nanos()))
    }

    fn shortest(&self) -> Span {
        self.min
    }
}
