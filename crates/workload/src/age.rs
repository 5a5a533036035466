//! Age of information (Kaul, Yates, Gruteser, *Real-time status: How often should one update?*,
//! INFOCOM 2012): how old the freshest sample is that the receiver has. It grows with time, and
//! falls to the delay of a fresher sample when that arrives: a sawtooth.
//!
//! Its mean and its percentiles are taken over time: every moment has the same weight.

use skipbeat_core::{Distribution, Span};

/// The age over time, as stretches in which it only grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    /// The ages at which stretches begin, and at which they end.
    starts: Distribution,
    ends: Distribution,
    /// Twice the area below the sawtooth in square nanoseconds, and the time in nanoseconds. They
    /// are integers, so that they do not depend on the order of addition.
    twice_area: u128,
    time: u128,
}

impl Ages {
    /// Adds a stretch in which the age grew.
    pub(crate) fn grew(&mut self, from: Span, to: Span) {
        if to <= from {
            return;
        }
        self.starts.record(from);
        self.ends.record(to);
        self.twice_area += to.squared() - from.squared();
        self.time += u128::from(to.saturating_sub(from).nanos());
    }

    /// Adds all stretches of another age.
    pub(crate) fn add(&mut self, other: &Ages) {
        self.starts.add(&other.starts);
        self.ends.add(&other.ends);
        self.twice_area += other.twice_area;
        self.time += other.time;
    }

    /// The mean age in seconds.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.time > 0).then(|| self.twice_area as f64 / self.time as f64 / 2e9)
    }

    /// The age in seconds that is not exceeded for a share `q` in `[0, 1]` of the time.
    ///
    /// A stretch from `a` to `b` is below `x` for `max(0, x - a) - max(0, x - b)`. So the time
    /// below `x` is piecewise linear; its slope is the number of stretches that have begun and not
    /// ended.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let corners = |of: &Distribution, sign: i64| -> Vec<(u64, i64)> {
            let recorded = of.histogram().iter_recorded();
            let corner = |step: hdrhistogram::iterators::IterationValue<u64>| {
                (step.value_iterated_to(), sign * step.count_at_value() as i64)
            };
            recorded.map(corner).collect()
        };
        let mut all = corners(&self.starts, 1);
        all.extend(corners(&self.ends, -1));
        all.sort_unstable();
        // The histograms round the ages, so the time is computed from the same rounded ages.
        let total: f64 = -all.iter().map(|(age, sign)| *age as f64 * *sign as f64).sum::<f64>();
        let wanted = q * total;
        let (mut below, mut slope, mut last) = (0.0, 0, 0);
        for (age, sign) in all {
            let gain = (age - last) as f64 * slope as f64;
            if slope > 0 && below + gain >= wanted {
                return Some((last as f64 + (wanted - below) / slope as f64) / 1e6);
            }
            below += gain;
            slope += sign;
            last = age;
        }
        // The histograms do not resolve ages below a microsecond.
        self.ends.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_percentiles_are_over_time() {
        let mut ages = Ages::default();
        assert_eq!((ages.mean(), ages.quantile(0.5)), (None, None));
        // 9 s from 1 s to 10 s, and 1 s from 0 to 1 s: uniform from 0 to 10 s.
        ages.grew(Span::from_secs(1), Span::from_secs(10));
        ages.grew(Span::ZERO, Span::from_secs(1));
        assert_eq!(ages.mean(), Some(5.0));
        for q in [0.01, 0.5, 0.99, 1.0] {
            let age = ages.quantile(q).unwrap();
            assert!((age - 10.0 * q).abs() < 0.02, "{q}: {age}");
        }
        // Two more from 0 to 1 s: three seconds of twelve are below 1 s.
        ages.grew(Span::ZERO, Span::from_secs(1));
        ages.grew(Span::ZERO, Span::from_secs(1));
        assert!((ages.quantile(0.25).unwrap() - 1.0).abs() < 0.01);
    }
}
