//! Bertier, Marin and Sens (*Implementation and Performance Evaluation of an Adaptable Failure
//! Detector*, DSN 2002): the estimate of NFD-E with a safety margin that follows the error of the
//! estimate, as Jacobson's does for round-trip times: with `error = A - EA - delay`, `delay +=
//! γ·error`, `var += γ(|error| - var)`, margin `= β·delay + φ·var`; γ = 0.1, β = 1, φ = 4.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time, schema};

use super::chen::Estimator;
use super::{Detector, EVERY, Sign, grow};
use crate::PeerId;

/// The parameters of Bertier's detector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Bertier {
    /// The heartbeat period η of the senders.
    pub every: Span,
    /// How many heartbeats the estimate is made from.
    pub window: usize,
    /// The margin at the beginning, and the least one later.
    pub margin: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The heartbeat period that the detector expects, above zero; default `"5s"`. It is not taken
    /// from the groups: give it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// How many heartbeats the estimate is made from, from 1; default 100.
    #[schemars(range(min = 1))]
    window: Option<usize>,
    /// The least margin; default `"100ms"`.
    margin: Option<Span>,
}

impl TryFrom<Keys> for Bertier {
    type Error = &'static str;

    fn try_from(Keys { every, window, margin }: Keys) -> Result<Self, &'static str> {
        let (every, window) = (every.unwrap_or(EVERY), window.unwrap_or(100));
        if window == 0 || every.is_zero() {
            return Err("expected `window` and `every` above zero");
        }
        Ok(Bertier { every, window, margin: margin.unwrap_or(Span::from_millis(100)) })
    }
}

const GAMMA: f64 = 0.1;
const BETA: f64 = 1.0;
const PHI: f64 = 4.0;

/// The error of the estimate of one peer, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Error {
    delay: f64,
    variation: f64,
}

#[derive(Debug)]
pub(super) struct BertierDetector {
    /// The margin at the beginning, and the least one later.
    least: Span,
    estimator: Estimator,
    errors: Vec<Error>,
}

impl BertierDetector {
    pub(super) fn new(Bertier { every, window, margin }: Bertier) -> Self {
        let estimator = Estimator::new(every, window);
        BertierDetector { least: margin, estimator, errors: Vec::new() }
    }
}

impl Detector for BertierDetector {
    fn join(&mut self, now: Time, peer: PeerId, sign: Sign) {
        self.estimator.forget(peer);
        *grow(&mut self.errors, peer, Error::default()) = Error::default();
        self.alive(now, peer, sign);
    }

    fn alive(&mut self, now: Time, peer: PeerId, sign: Sign) {
        let Sign::Mechanism(Some(number)) = sign else { return };
        let expected = self.estimator.expected(peer);
        if !self.estimator.take(now, peer, number) {
            return;
        }
        if let Some(expected) = expected {
            let Error { delay, variation } = &mut self.errors[peer as usize];
            let error = now.nanos() as f64 - expected.nanos() as f64 - *delay;
            *delay += GAMMA * error;
            *variation += GAMMA * (error.abs() - *variation);
        }
    }

    fn deadline(&self, peer: PeerId, last_seen: Time) -> Time {
        let Error { delay, variation } = self.errors[peer as usize];
        let margin = Span::from_nanos((BETA * delay + PHI * variation).max(0.0) as u64);
        let expected = self.estimator.expected(peer);
        expected.unwrap_or(last_seen + self.estimator.every()) + margin.max(self.least)
    }
}
