//! Shifted lognormal delay: mean `min + (median-min)·exp(σ²/2)`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, normal_quantile};

use super::{Model, is_shape};

/// `min` plus a lognormal rest of median `median - min` and shape `sigma`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Lognormal {
    /// The shortest delay.
    pub min: Span,
    /// The median of the whole delay.
    pub median: Span,
    /// The standard deviation of the logarithm of the rest.
    pub sigma: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The shortest delay; default `"0s"`.
    min: Option<Span>,
    /// The median of the whole delay, above `min`.
    median: Span,
    /// The standard deviation of the logarithm of the rest, above 0 and up to 5.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 5))]
    sigma: f64,
}

impl TryFrom<Keys> for Lognormal {
    type Error = &'static str;

    fn try_from(Keys { min, median, sigma }: Keys) -> Result<Self, &'static str> {
        let min = min.unwrap_or_default();
        if median <= min || !is_shape(sigma) {
            return Err("expected `median` above `min` and `sigma` above 0 and up to 5");
        }
        Ok(Lognormal { min, median, sigma })
    }
}

impl Model for Lognormal {
    #[inline]
    fn quantile(&self, u: f64) -> Span {
        let z = normal_quantile(u.max(f64::MIN_POSITIVE));
        self.min + self.median.saturating_sub(self.min).scaled(libm::exp(self.sigma * z))
    }

    fn mean(&self) -> Span {
        let rest = self.median.saturating_sub(self.min);
        self.min + rest.scaled(libm::exp(self.sigma * self.sigma / 2.0))
    }

    fn shortest(&self) -> Span {
        self.min
    }

    fn has_light_tail(&self) -> bool {
        self.sigma <= 1.5
    }
}
