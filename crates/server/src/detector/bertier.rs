//! Bertier, Marin and Sens (*Implementation and Performance Evaluation of an Adaptable Failure
//! Detector*, DSN 2002): the estimate of NFD-E with a safety margin that follows the error of the
//! estimate, as Jacobson's does for round-trip times: with `error = A - EA - delay`,
//! `delay += γ·error`, `var += γ(|error| - var)`, margin `= β·delay + φ·var`; γ = 0.1, β = 1, φ = 4.

use skipbeat_core::{Span, Time};

use super::chen::Estimator;
use super::{Adaptive, Detector, Sign, grow};
use crate::PeerId;

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
pub(super) struct Bertier {
    /// What the margin begins with and never falls below.
    least: Span,
    estimator: Estimator,
    errors: Vec<Error>,
}

impl Bertier {
    pub(super) fn new(options: Adaptive) -> Self {
        let estimator = Estimator::new(options);
        Bertier { least: options.margin, estimator, errors: Vec::new() }
    }
}

impl Detector for Bertier {
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
