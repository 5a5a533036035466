//! Shifted exponential delay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Span;

use super::Model;

/// `min` plus an exponential rest, so that the mean of the whole is `mean`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Exponential {
    /// The shortest delay.
    pub min: Span,
    /// The mean of the whole delay, at least `min`.
    pub mean: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The shortest delay; default `"0s"`.
    min: Option<Span>,
    /// The mean of the whole delay, at least `min`.
    mean: Span,
}

impl TryFrom<Keys> for Exponential {
    type Error = &'static str;

    fn try_from(Keys { min, mean }: Keys) -> Result<Self, &'static str> {
        let min = min.unwrap_or_default();
        if mean < min {
            return Err("`mean` is the mean of the whole delay: it can't be below `min`");
        }
        Ok(Exponential { min, mean })
    }
}

impl Model for Exponential {
    #[inline]
    fn quantile(&self, u: f64) -> Span {
        self.min + self.mean.saturating_sub(self.min).scaled(-libm::log(1.0 - u))
    }

    fn mean(&self) -> Span {
        self.mean
    }

    fn shortest(&self) -> Span {
        self.min
    }
}
