//! Truncated normal delay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, normal_cdf, normal_density, normal_quantile, schema};

use super::Model;

/// Normal, truncated at `min`: nothing is piled up there, the rest of the distribution takes its
/// share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Normal {
    /// The mean before truncation.
    pub mean: Span,
    /// The standard deviation before truncation.
    pub deviation: Span,
    /// The shortest delay.
    pub min: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The mean before truncation, at least `min`.
    mean: Span,
    /// The standard deviation before truncation, above zero.
    #[schemars(transform = schema::above_zero)]
    deviation: Span,
    /// The shortest delay; default `"0s"`.
    min: Option<Span>,
}

impl TryFrom<Keys> for Normal {
    type Error = &'static str;

    fn try_from(Keys { mean, deviation, min }: Keys) -> Result<Self, &'static str> {
        let min = min.unwrap_or_default();
        if mean < min || deviation.is_zero() {
            return Err("expected `deviation` above zero and `mean` of at least `min`");
        }
        Ok(Normal { mean, deviation, min })
    }
}

impl Normal {
    /// Where `min` lies, in deviations from the mean.
    fn cut(&self) -> f64 {
        (self.min.seconds() - self.mean.seconds()) / self.deviation.seconds()
    }
}

impl Model for Normal {
    #[inline]
    fn quantile(&self, u: f64) -> Span {
        // Φ(a) of the mass lies below `min` and is left out.
        let below = normal_cdf(self.cut());
        let z = normal_quantile((below + u * (1.0 - below)).max(f64::MIN_POSITIVE));
        Span::from_seconds(self.mean.seconds() + z * self.deviation.seconds()).max(self.min)
    }

    fn mean(&self) -> Span {
        // Of a normal law truncated at a: m + s·φ(a)/(1-Φ(a)).
        let a = self.cut();
        let more = normal_density(a) / (1.0 - normal_cdf(a));
        self.mean + self.deviation.scaled(more)
    }

    fn shortest(&self) -> Span {
        self.min
    }
}
