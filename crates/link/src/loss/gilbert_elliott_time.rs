//! The Gilbert-Elliott model in continuous time: the stays in both states are exponential, so that
//! datagrams that are far apart, such as heartbeats, see the bursts that the others see.
//! `P(bad at t+D | bad at t) = πB + πG·exp(-(λ+μ)D)`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Probability, Span, schema};

use super::chain::{Chain, Transitions};
use super::{Draw, LossState, Model};

/// Two states that change with time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct GilbertElliottTime {
    /// The mean time in the good state, `1/λ`.
    pub mean_good: Span,
    /// The mean time in the bad state, `1/μ`: the mean outage where all is lost in it.
    pub mean_bad: Span,
    /// Loss in the good state.
    pub good_loss: Probability,
    /// Loss in the bad state.
    pub bad_loss: Probability,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The mean time in the good state, above zero.
    #[schemars(transform = schema::above_zero)]
    mean_good: Span,
    /// The mean time in the bad state, above zero.
    #[schemars(transform = schema::above_zero)]
    mean_bad: Span,
    /// Loss in the good state; default 0.
    good_loss: Option<Probability>,
    /// Loss in the bad state; default 1.
    bad_loss: Option<Probability>,
}

impl TryFrom<Keys> for GilbertElliottTime {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, &'static str> {
        let Keys { mean_good, mean_bad, good_loss, bad_loss } = keys;
        if mean_good.is_zero() || mean_bad.is_zero() {
            return Err("expected mean times above zero");
        }
        Ok(GilbertElliottTime {
            mean_good,
            mean_bad,
            good_loss: good_loss.unwrap_or(Probability::ZERO),
            bad_loss: bad_loss.unwrap_or(Probability::ONE),
        })
    }
}

impl GilbertElliottTime {
    fn chain(&self) -> Chain {
        let (good, bad) = (self.mean_good.seconds(), self.mean_bad.seconds());
        let bad = bad / (bad + good);
        Chain {
            shares: [1.0 - bad, bad, 0.0, 0.0],
            losses: [self.good_loss.get(), self.bad_loss.get(), 0.0, 0.0],
        }
    }

    /// The probability of the bad state a time after the state was known.
    fn bad_after(&self, bad: bool, time: Span) -> f64 {
        let share = self.chain().shares[1];
        let rate = 1.0 / self.mean_good.seconds() + 1.0 / self.mean_bad.seconds();
        let now = if bad { 1.0 } else { 0.0 };
        share + (now - share) * libm::exp(-rate * time.seconds())
    }

    fn transitions(&self, spacing: Span) -> Transitions {
        let mut transitions = [[0.0; 4]; 4];
        for (state, row) in transitions.iter_mut().take(2).enumerate() {
            let bad = self.bad_after(state == 1, spacing);
            *row = [1.0 - bad, bad, 0.0, 0.0];
        }
        transitions
    }
}

const GOOD: u8 = 1;
const BAD: u8 = 2;

impl Model for GilbertElliottTime {
    fn mean(&self) -> Option<f64> {
        Some(self.chain().mean())
    }

    fn mean_run(&self, spacing: Span) -> Option<f64> {
        self.chain().mean_run(self.transitions(spacing))
    }

    fn variance(&self, spacing: Span) -> Option<f64> {
        Some(self.chain().variance(self.transitions(spacing)))
    }

    fn takes(&self, state: &mut LossState, draw: Draw) -> bool {
        let bad = if state.chain == 0 {
            self.chain().first_state(draw.stream, draw.index) == BAD
        } else {
            let change = draw.stream.unit(2 * draw.index + 1);
            change < self.bad_after(state.chain == BAD, draw.now.since(state.last))
        };
        state.chain = if bad { BAD } else { GOOD };
        state.last = draw.now;
        let loss = if bad { self.bad_loss } else { self.good_loss };
        loss.decides(draw.stream.bits(2 * draw.index))
    }
}
