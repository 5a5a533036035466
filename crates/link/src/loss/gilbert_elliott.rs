//! The Gilbert-Elliott model (Gilbert 1960, Elliott 1963): a good and a bad state that change with
//! each datagram. Mean loss `πG·eG + πB·eB` with the shares `πB = p/(p+r)`, `πG = 1-πB`.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use skipbeat_core::{Probability, Span, schema};

use super::chain::{Chain, Transitions};
use super::{Draw, LossState, Model};

/// Two states that change with each datagram. The loss of a datagram is drawn in the state before
/// its own transition.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct GilbertElliott {
    /// P(good → bad).
    pub p: Probability,
    /// P(bad → good).
    pub r: Probability,
    /// Loss in the good state, `eG`.
    pub good_loss: Probability,
    /// Loss in the bad state, `eB`.
    pub bad_loss: Probability,
}

/// Either the transitions, or what they lead to.
#[derive(Deserialize, JsonSchema)]
#[schemars(transform = either)]
struct Keys {
    /// P(good → bad) with each datagram. It goes with `r`.
    p: Option<Probability>,
    /// P(bad → good) with each datagram. It goes with `p`.
    r: Option<Probability>,
    /// The mean loss that is observed. It goes with `burst`, instead of `p` and `r`.
    loss: Option<Probability>,
    /// The mean number of datagrams in the bad state, from 1. It goes with `loss`.
    #[schemars(range(min = 1))]
    burst: Option<f64>,
    /// Loss in the good state; default 0.
    good_loss: Option<Probability>,
    /// Loss in the bad state; default 1.
    bad_loss: Option<Probability>,
}

fn either(schema: &mut Schema) {
    let without = |keys: [&str; 2]| json!({ keys[0]: false, keys[1]: false });
    let pair = |these: [&str; 2], those| json!({ "required": these, "properties": without(those) });
    let (transitions, observed) = (["p", "r"], ["loss", "burst"]);
    let either = json!({ "oneOf": [pair(transitions, observed), pair(observed, transitions)] });
    schema::also(schema, [either]);
}

impl TryFrom<Keys> for GilbertElliott {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let good_loss = keys.good_loss.unwrap_or(Probability::ZERO);
        let bad_loss = keys.bad_loss.unwrap_or(Probability::ONE);
        match (keys.p, keys.r, keys.loss, keys.burst) {
            (Some(p), Some(r), None, None) => Ok(GilbertElliott { p, r, good_loss, bad_loss }),
            (None, None, Some(loss), Some(burst)) => {
                GilbertElliott::observed(loss, burst, good_loss, bad_loss)
            }
            _ => Err("this model of loss needs `p` and `r`, or `loss` and `burst`".to_owned()),
        }
    }
}

impl GilbertElliott {
    /// The model with an observed loss and mean stay in the bad state: `r = 1/length`,
    /// `πB = (PL-eG)/(eB-eG)`, `p = r·πB/(1-πB)`.
    fn observed(
        loss: Probability,
        burst: f64,
        good_loss: Probability,
        bad_loss: Probability,
    ) -> Result<Self, String> {
        if !(burst >= 1.0 && burst.is_finite()) {
            return Err(format!("expected a mean burst of at least 1 datagram, got {burst}"));
        }
        let bad = (loss.get() - good_loss.get()) / (bad_loss.get() - good_loss.get());
        let r = 1.0 / burst;
        let p = r * bad / (1.0 - bad);
        match (Probability::new(p), Probability::new(r)) {
            (Some(p), Some(r)) if (0.0..1.0).contains(&bad) => {
                Ok(GilbertElliott { p, r, good_loss, bad_loss })
            }
            _ => Err(format!(
                "no Gilbert-Elliott model has a loss of {} in bursts of {burst}: expected longer \
                 bursts, or a loss between good_loss and bad_loss",
                loss.get()
            )),
        }
    }

    fn chain(&self) -> Chain {
        let sum = self.p.get() + self.r.get();
        let bad = if sum > 0.0 { self.p.get() / sum } else { 0.0 };
        Chain {
            shares: [1.0 - bad, bad, 0.0, 0.0],
            losses: [self.good_loss.get(), self.bad_loss.get(), 0.0, 0.0],
        }
    }

    fn transitions(&self) -> Transitions {
        let (p, r) = (self.p.get(), self.r.get());
        let mut transitions = [[0.0; 4]; 4];
        transitions[0] = [1.0 - p, p, 0.0, 0.0];
        transitions[1] = [r, 1.0 - r, 0.0, 0.0];
        transitions
    }
}

const GOOD: u8 = 1;
const BAD: u8 = 2;

impl Model for GilbertElliott {
    fn mean(&self) -> Option<f64> {
        Some(self.chain().mean())
    }

    fn mean_run(&self, _: Span) -> Option<f64> {
        self.chain().mean_run(self.transitions())
    }

    fn variance(&self, _: Span) -> Option<f64> {
        Some(self.chain().variance(self.transitions()))
    }

    fn takes(&self, state: &mut LossState, draw: Draw) -> bool {
        if state.chain == 0 {
            state.chain = self.chain().first_state(draw.stream, draw.index);
        }
        let bad = state.chain == BAD;
        let loss = if bad { self.bad_loss } else { self.good_loss };
        let leaves = if bad { self.r } else { self.p };
        let leaves = draw.stream.unit(2 * draw.index + 1) < leaves.get();
        state.chain = if bad == leaves { GOOD } else { BAD };
        loss.decides(draw.stream.bits(2 * draw.index))
    }
}
