//! φ-accrual (Hayashibara, Défago, Yared, Katayama: *The φ Accrual Failure Detector*, SRDS 2004):
//! `φ(t) = -log10(P(a heartbeat comes later than t))`, with the distribution of the last gaps
//! between heartbeats. φ reaches a threshold at `mean + pause + z·deviation` after the last
//! heartbeat.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time, schema};

use super::samples::SamplesByPeer;
use super::{Detector, EVERY, Sign, grow};
use crate::PeerId;

/// The parameters of φ-accrual.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Phi {
    /// The φ above which a member is suspected, above 0. At 8, a heartbeat is later than that once
    /// in 10⁸ times if the distribution is right.
    pub threshold: f64,
    /// The shape of the distribution's tail.
    pub tail: Tail,
    /// How many gaps between heartbeats are remembered.
    pub window: usize,
    /// The least standard deviation that is assumed, so that a very regular member is not suspected
    /// at once.
    pub min_deviation: Span,
    /// Silence that is acceptable beyond that, as for a garbage collection.
    pub pause: Span,
    /// The gap that is expected of a new member.
    pub every: Span,
}

/// The shape of the tail that φ is computed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Normal, as in the paper.
    Normal,
    /// Akka's logistic approximation of the normal distribution.
    Logistic,
    /// Exponential, as in Cassandra: only the mean counts.
    Exponential,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The φ above which a member is suspected, above 0 and up to 15; default 8.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 15))]
    threshold: Option<f64>,
    /// The shape of the distribution's tail; default `"normal"`.
    tail: Option<Tail>,
    /// How many gaps between heartbeats the estimate is made from, from 1; default 1000.
    #[schemars(range(min = 1))]
    window: Option<usize>,
    /// The least standard deviation that is assumed; default `"100ms"`.
    min_deviation: Option<Span>,
    /// Silence that is acceptable beyond that; default `"0s"`.
    pause: Option<Span>,
    /// The heartbeat period that the detector expects, above zero; default `"5s"`. It is not taken
    /// from the groups: give it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
}

impl TryFrom<Keys> for Phi {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, &'static str> {
        let phi = Phi {
            threshold: keys.threshold.unwrap_or(8.0),
            tail: keys.tail.unwrap_or(Tail::Normal),
            window: keys.window.unwrap_or(1000),
            min_deviation: keys.min_deviation.unwrap_or(Span::from_millis(100)),
            pause: keys.pause.unwrap_or(Span::ZERO),
            every: keys.every.unwrap_or(EVERY),
        };
        if !(phi.threshold > 0.0 && phi.threshold <= 15.0) {
            return Err("expected a threshold above 0 and up to 15");
        }
        if phi.window == 0 || phi.every.is_zero() {
            return Err("expected `window` and `every` above zero");
        }
        Ok(phi)
    }
}

#[derive(Debug)]
pub(super) struct PhiAccrual {
    options: Phi,
    /// How many standard deviations (means, for an exponential tail) above the mean the threshold
    /// is.
    z: f64,
    gaps: SamplesByPeer,
    last_beat: Vec<Time>,
}

impl PhiAccrual {
    pub(super) fn new(options: Phi) -> Self {
        let z = quantile(options.tail, options.threshold);
        PhiAccrual { options, z, gaps: SamplesByPeer::default(), last_beat: Vec::new() }
    }

    /// How long after a sign of life φ reaches the threshold.
    fn allowed(&self, peer: PeerId) -> Span {
        let gaps = self.gaps.get(peer);
        let nanos = match self.options.tail {
            Tail::Exponential => gaps.mean() * self.z,
            Tail::Normal | Tail::Logistic => {
                let least = self.options.min_deviation.nanos() as f64;
                gaps.mean() + self.z * gaps.deviation().max(least)
            }
        };
        self.options.pause + Span::from_nanos(nanos as u64)
    }
}

impl Detector for PhiAccrual {
    fn join(&mut self, now: Time, peer: PeerId, _: Sign) {
        *grow(&mut self.last_beat, peer, Time::ZERO) = now;
        // As in Akka: the history begins with two gaps, a quarter below and above the expected one.
        let gaps = self.gaps.of(peer);
        *gaps = Default::default();
        let expected = self.options.every.nanos() as i64;
        gaps.add(expected - expected / 4, self.options.window);
        gaps.add(expected + expected / 4, self.options.window);
    }

    fn alive(&mut self, now: Time, peer: PeerId, sign: Sign) {
        if let Sign::Mechanism(_) = sign {
            let last = std::mem::replace(&mut self.last_beat[peer as usize], now);
            self.gaps.of(peer).add(now.since(last).nanos() as i64, self.options.window);
        }
    }

    fn deadline(&self, peer: PeerId, last_seen: Time) -> Time {
        last_seen + self.allowed(peer)
    }
}

/// The `z` at which φ reaches `threshold`: for a normal tail `½·erfc(z/√2) = 10^-φ`; for Akka's
/// logistic approximation of it `1/(1 + exp(z(1.5976 + 0.070566 z²))) = 10^-φ`; for an exponential
/// tail in units of the mean `z = φ·ln 10` (Cassandra).
pub fn quantile(tail: Tail, threshold: f64) -> f64 {
    let rest = libm::pow(10.0, -threshold);
    let later: fn(f64) -> f64 = match tail {
        Tail::Exponential => return threshold * std::f64::consts::LN_10,
        Tail::Normal => |z| 0.5 * libm::erfc(z / std::f64::consts::SQRT_2),
        Tail::Logistic => |z| 1.0 / (1.0 + libm::exp(z * (1.5976 + 0.070566 * z * z))),
    };
    // The tail falls, so bisection finds z; a hundred steps exhaust an f64.
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if later(middle) > rest { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of the literature: normal quantiles, and Akka's approximation of them.
    #[test]
    fn thresholds_are_those_of_the_tables() {
        for (phi, normal, logistic) in [
            (1.0, 1.28155, 1.28222),
            (2.0, 2.32635, 2.32275),
            (3.0, 3.09023, 3.05894),
            (8.0, 5.61200, 5.22599),
            (10.0, 6.36134, 5.79902),
            (12.0, 7.03448, 6.29212),
        ] {
            assert!((quantile(Tail::Normal, phi) - normal).abs() < 6e-6, "normal {phi}");
            assert!((quantile(Tail::Logistic, phi) - logistic).abs() < 6e-6, "logistic {phi}");
        }
        assert!((quantile(Tail::Exponential, 8.0) - 18.42).abs() < 5e-3);
    }
}
