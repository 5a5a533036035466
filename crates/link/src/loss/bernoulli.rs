//! Independent loss: mean loss `p`, mean loss run `1/(1-p)`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, Span};

use super::{Draw, LossState, Model};

/// Each datagram is lost by itself, with the same probability.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Bernoulli {
    /// The probability that a datagram is lost.
    pub probability: Probability,
}

impl Model for Bernoulli {
    fn mean(&self) -> Option<f64> {
        Some(self.probability.get())
    }

    fn mean_run(&self, _: Span) -> Option<f64> {
        let p = self.probability.get();
        (p > 0.0 && p < 1.0).then(|| 1.0 / (1.0 - p))
    }

    fn variance(&self, _: Span) -> Option<f64> {
        let p = self.probability.get();
        Some(p * (1.0 - p))
    }

    fn takes(&self, _: &mut LossState, draw: Draw) -> bool {
        self.probability.decides(draw.stream.bits(draw.index))
    }
}
