//! Age of information (Kaul, Yates, Gruteser, *Real-time status: How often should one update?*,
//! INFOCOM 2012): how old the freshest sample is that the receiver has. It grows with time, and
//! falls to the delay of a fresher sample when that arrives: a sawtooth.
//!
//! Its mean and its percentiles are over time: each moment counts alike, not each sample.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Distribution, Span, Spread, Statistic};

/// The age over time, as the stretches in which it only grows.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ages {
    /// The ages at which stretches begin, and those at which they end.
    starts: Distribution,
    ends: Distribution,
    /// Twice the area below the sawtooth, in square nanoseconds, and the time, in nanoseconds.
    /// Whole numbers, so that the order of addition does not matter.
    #[serde(with = "skipbeat_core::decimal")]
    twice_area: u128,
    #[serde(with = "skipbeat_core::decimal")]
    time: u128,
}

impl Ages {
    /// Adds a stretch in which the age grew from one value to another.
    pub(crate) fn grew(&mut self, from: Span, to: Span) {
        if to <= from {
            return;
        }
        self.starts.record(from);
        self.ends.record(to);
        self.twice_area += to.squared() - from.squared();
        self.time += u128::from(to.saturating_sub(from).nanos());
    }

    /// Adds the stretches of others.
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
    /// A stretch from `a` to `b` is below `x` for `max(0, x - a) - max(0, x - b)`: between two of
    /// all those ages the time below `x` grows in a straight line, with a slope of as many
    /// stretches as have begun and not ended.
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
        // Percentiles use the ages as the histograms round them, so the total time does too.
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
        // Ages below a microsecond are all the same to the histograms.
        self.ends.max()
    }
}

impl Spread for Ages {
    fn statistic(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Mean => self.mean(),
            Statistic::Percentile(percentile) => self.quantile(percentile.share()),
            // An age over time has no samples, and its minimum would only be the delay of the
            // fastest sample.
            Statistic::Samples | Statistic::Deviation | Statistic::Min | Statistic::Max => None,
        }
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
