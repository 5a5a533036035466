//! The four states of netem's `loss state`: 1 received in a gap, 2 received in a burst, 3 lost in a
//! burst, 4 lost by itself in a gap. Mean loss `π3 + π4`.
//!
//! Source: Salsano, Ludovici, Ordine, Giannuzzi, *Definition of a general and intuitive loss model
//! for packet networks and its implementation in the Netem module in the Linux kernel*, 2012.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use skipbeat_core::{Probability, Span, schema};

use super::chain::{Chain, Transitions};
use super::{Draw, LossState, Model};

/// The four states of netem.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Markov4 {
    /// P(1 → 3).
    pub p13: Probability,
    /// P(3 → 1).
    pub p31: Probability,
    /// P(3 → 2).
    pub p32: Probability,
    /// P(2 → 3).
    pub p23: Probability,
    /// P(1 → 4).
    pub p14: Probability,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(transform = comes_back)]
struct Keys {
    /// P(1 → 3), from received in a gap to lost in a burst; default 0.
    p13: Option<Probability>,
    /// P(3 → 1); default 0, above it where `p13` is.
    p31: Option<Probability>,
    /// P(3 → 2), from lost to received in a burst; default 0.
    p32: Option<Probability>,
    /// P(2 → 3); default 0, above it where `p32` is.
    p23: Option<Probability>,
    /// P(1 → 4), a loss by itself in a gap; default 0.
    p14: Option<Probability>,
}

/// A state that can be entered can be left.
fn comes_back(schema: &mut Schema) {
    let above_zero = json!({ "not": { "enum": [0, "0%", "0 %"] } });
    let comes_back = |from: &str, back: &str| {
        json!({
            "if": { "required": [from], "properties": { from: above_zero } },
            "then": { "required": [back], "properties": { back: above_zero } },
        })
    };
    schema::also(schema, [comes_back("p13", "p31"), comes_back("p32", "p23")]);
}

impl TryFrom<Keys> for Markov4 {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, &'static str> {
        let Keys { p13, p31, p32, p23, p14 } = keys;
        let all = [p13, p31, p32, p23, p14].map(|p| p.unwrap_or(Probability::ZERO));
        let [p13, p31, p32, p23, p14] = all;
        if p13.get() + p14.get() > 1.0 || p31.get() + p32.get() > 1.0 {
            return Err("expected p13 + p14 and p31 + p32 of at most 1");
        }
        if !p13.is_zero() && p31.is_zero() || !p32.is_zero() && p23.is_zero() {
            return Err("a state that is never left: where p13 is above 0 p31 must be, and where \
                        p32 is p23");
        }
        Ok(Markov4 { p13, p31, p32, p23, p14 })
    }
}

impl Markov4 {
    /// `π1 = 1/[1 + p14 + (p13/p31)(1 + p32/p23)]`, `π3 = π1·p13/p31`, `π2 = π3·p32/p23`,
    /// `π4 = π1·p14`.
    fn chain(&self) -> Chain {
        let Markov4 { p13, p31, p32, p23, p14 } = self;
        let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(|p| p.get());
        let ratio = |a: f64, b: f64| if a == 0.0 { 0.0 } else { a / b };
        let three = ratio(p13, p31);
        let two = three * ratio(p32, p23);
        let one = 1.0 / (1.0 + p14 + three + two);
        Chain { shares: [one, one * two, one * three, one * p14], losses: [0.0, 0.0, 1.0, 1.0] }
    }

    fn transitions(&self) -> Transitions {
        let Markov4 { p13, p31, p32, p23, p14 } = self;
        let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(|p| p.get());
        [
            [1.0 - p13 - p14, 0.0, p13, p14],
            [0.0, 1.0 - p23, p23, 0.0],
            [p31, p32, 1.0 - p31 - p32, 0.0],
            [1.0, 0.0, 0.0, 0.0],
        ]
    }
}

impl Model for Markov4 {
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
        let Markov4 { p13, p31, p32, p23, p14 } = self;
        if state.chain == 0 {
            state.chain = self.chain().first_state(draw.stream, draw.index);
        }
        let change = draw.stream.unit(2 * draw.index + 1);
        state.chain = match state.chain {
            1 if change < p14.get() => 4,
            1 if change < p14.get() + p13.get() => 3,
            2 if change < p23.get() => 3,
            3 if change < p32.get() => 2,
            3 if change < p32.get() + p31.get() => 1,
            4 => 1,
            same => same,
        };
        state.chain >= 3
    }
}
