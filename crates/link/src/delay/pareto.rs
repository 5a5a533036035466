//! Pareto delay, truncated at its longest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Span;

use super::{Model, is_shape};

/// Pareto of shape `alpha` from `min`, truncated at `cap`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Pareto {
    /// The shortest delay, `xm`.
    pub min: Span,
    /// The shape: the smaller, the heavier the tail.
    pub alpha: f64,
    /// The longest delay.
    pub cap: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The shortest delay, above zero.
    min: Span,
    /// The shape, above 0 and up to 5; the smaller, the heavier the tail.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 5))]
    alpha: f64,
    /// The longest delay, above `min`.
    cap: Span,
}

impl TryFrom<Keys> for Pareto {
    type Error = &'static str;

    fn try_from(Keys { min, alpha, cap }: Keys) -> Result<Self, &'static str> {
        if min.is_zero() || cap <= min || !is_shape(alpha) {
            return Err(
                "expected `min` above zero, `cap` above `min`, `alpha` above 0 and up to 5",
            );
        }
        Ok(Pareto { min, alpha, cap })
    }
}

impl Model for Pareto {
    #[inline]
    fn quantile(&self, u: f64) -> Span {
        let kept = 1.0 - libm::pow(self.min.seconds() / self.cap.seconds(), self.alpha);
        self.min.scaled(libm::pow(1.0 - u * kept, -1.0 / self.alpha)).min(self.cap)
    }

    /// `α·xm^α/(1-(xm/c)^α) · ∫ x^-α dx` from `xm` to `c`.
    fn mean(&self) -> Span {
        let (m, c, a) = (self.min.seconds(), self.cap.seconds(), self.alpha);
        let kept = 1.0 - libm::pow(m / c, a);
        let integral = if (a - 1.0).abs() < 1e-9 {
            libm::log(c / m)
        } else {
            (libm::pow(m, 1.0 - a) - libm::pow(c, 1.0 - a)) / (a - 1.0)
        };
        Span::from_seconds(a * libm::pow(m, a) * integral / kept)
    }

    fn shortest(&self) -> Span {
        self.min
    }

    fn has_light_tail(&self) -> bool {
        self.alpha > 2.5
    }
}
