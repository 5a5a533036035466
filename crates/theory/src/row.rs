//! A row: one simulated figure beside its closed form, with the interval that chance allows.

use skipbeat_measure::Results;

use crate::simulation::figure;

/// A simulated figure beside its closed form.
#[derive(Clone, PartialEq, Debug)]
pub struct TheoryRow {
    /// What the figure is, and of which case.
    pub case: String,
    /// The closed form, as docs/theory.md derives it.
    pub form: &'static str,
    /// The value of the closed form, in the unit that the table names.
    pub expected: f64,
    /// The value that the simulator gives.
    pub simulated: f64,
    /// How far chance alone may take `simulated` from `expected`. Chance exceeds it about once in
    /// 16,000 times: it is four standard errors in most rows.
    pub interval: f64,
    /// The least and the greatest value that the figure can have in any sample.
    pub limits: [f64; 2],
    /// The number of independent samples behind the figure. For rare events, four times their
    /// expected number.
    pub samples: f64,
}

/// The verdict of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agreement {
    /// The simulator agrees with the closed form.
    Agrees,
    /// They differ by more than chance explains, or the figure is outside its limits.
    Differs,
    /// The sample is too small to say.
    TooFew,
}

/// The fewest samples for a verdict. With fewer the figure is not close to normal, and four
/// standard errors do not have the probability that they should.
const MIN_SAMPLES: f64 = 100.0;

/// Nanoseconds are whole numbers, so a figure may pass its limit by a rounding.
const ROUNDING: f64 = 1e-8;

impl TheoryRow {
    /// A row without limits, and with samples enough for a verdict.
    pub(crate) fn new(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        simulated: f64,
        interval: f64,
    ) -> Self {
        let limits = [f64::NEG_INFINITY, f64::INFINITY];
        let samples = f64::INFINITY;
        TheoryRow { case: case.into(), form, expected, simulated, interval, limits, samples }
    }

    /// The same row with this number of samples.
    pub(crate) fn with_samples(self, samples: f64) -> Self {
        TheoryRow { samples, ..self }
    }

    /// The same row with these limits.
    pub(crate) fn within(self, least: f64, greatest: f64) -> Self {
        TheoryRow { limits: [least - ROUNDING, greatest + ROUNDING], ..self }
    }

    /// A mean of `n` independent values with this standard deviation.
    pub(crate) fn mean(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        simulated: f64,
        deviation: f64,
        n: f64,
    ) -> Self {
        let interval = 4.0 * deviation / n.sqrt();
        TheoryRow::new(case, form, expected, simulated, interval).with_samples(n)
    }

    /// The share of `n` independent trials in which an event of probability `expected` happens.
    pub(crate) fn share(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        simulated: f64,
        n: f64,
    ) -> Self {
        let variance = expected * (1.0 - expected);
        let rare = 4.0 * n * expected.min(1.0 - expected);
        TheoryRow::mean(case, form, expected, simulated, variance.sqrt(), n).with_samples(rare)
    }

    /// The mean detection time of a run. Its deviation is taken from the sample.
    pub(crate) fn detection(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        results: &Results,
    ) -> Self {
        let metric = |name| figure(&results.figures, name);
        let (mean, deviation) =
            (metric("eviction_latency_mean_s"), metric("eviction_latency_sd_s"));
        TheoryRow::mean(case, form, expected, mean, deviation, metric("eviction_latency_samples"))
    }

    /// The rate of false evictions. They are rare, so their number is nearly Poisson: its variance
    /// is its mean.
    pub(crate) fn rate(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        results: &Results,
    ) -> Self {
        let metric = |name| figure(&results.figures, name);
        let (n, time) = (metric("false_evictions"), metric("live_time_s"));
        let events = expected * time;
        let interval = 4.0 * events.sqrt() / time;
        TheoryRow::new(case, form, expected, n / time, interval).with_samples(4.0 * events)
    }

    /// Whether the simulator agrees with the closed form. Limits hold for any sample, so a figure
    /// outside them differs however small the sample is.
    pub fn verdict(&self) -> Agreement {
        let [least, greatest] = self.limits;
        let off = (self.simulated - self.expected).abs() > self.interval;
        if self.simulated < least || self.simulated > greatest {
            Agreement::Differs
        } else if self.simulated.is_nan() || self.samples.is_nan() || self.samples < MIN_SAMPLES {
            Agreement::TooFew
        } else if off {
            Agreement::Differs
        } else {
            Agreement::Agrees
        }
    }
}
