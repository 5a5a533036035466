//! Periodic loss: mean loss `1/n`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draw, LossState, Model};

/// Every n-th datagram of each link is lost.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Every {
    /// The period, from 1. The first datagram that is lost has the number `n - 1`, counted from 0.
    pub n: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// Every n-th datagram is lost, from 1.
    #[schemars(range(min = 1))]
    n: u32,
}

impl TryFrom<Keys> for Every {
    type Error = &'static str;

    fn try_from(Keys { n }: Keys) -> Result<Self, &'static str> {
        if n == 0 { Err("expected `n` from 1") } else { Ok(Every { n }) }
    }
}

impl Model for Every {
    fn mean(&self) -> Option<f64> {
        Some(1.0 / f64::from(self.n))
    }

    fn takes(&self, _: &mut LossState, draw: Draw) -> bool {
        (u64::from(draw.number) + 1).is_multiple_of(u64::from(self.n))
    }
}
