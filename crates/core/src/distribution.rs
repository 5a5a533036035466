//! A distribution of spans: percentiles from an HDR histogram, the moments exactly.

use crate::Span;
use hdrhistogram::Histogram;

/// Spans as they were measured. Percentiles are within 0.1 % (three significant digits, in
/// microseconds); mean, deviation and extremes are exact.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    sum_ns: u128,
    /// In square nanoseconds; a whole number, so that it does not depend on the order.
    sum_of_squares: u128,
    min: Span,
    max: Span,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution {
            histogram: Histogram::new(3).expect("3 is a valid number of digits"),
            sum_ns: 0,
            sum_of_squares: 0,
            min: Span::from_nanos(u64::MAX),
            max: Span::ZERO,
        }
    }
}

impl Distribution {
    /// Adds one span.
    #[inline]
    pub fn record(&mut self, span: Span) {
        // An automatically resizing histogram takes every value.
        self.histogram += span.nanos() / 1_000;
        self.sum_ns += u128::from(span.nanos());
        self.sum_of_squares += span.squared();
        self.min = self.min.min(span);
        self.max = self.max.max(span);
    }

    /// Adds all of another distribution.
    pub fn add(&mut self, other: &Distribution) {
        self.histogram += &other.histogram;
        self.sum_ns += other.sum_ns;
        self.sum_of_squares += other.sum_of_squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many spans there are.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn unless_empty(&self, value: impl FnOnce() -> f64) -> Option<f64> {
        (!self.is_empty()).then(value)
    }

    /// The mean in seconds.
    pub fn mean(&self) -> Option<f64> {
        self.unless_empty(|| self.sum_ns as f64 / self.len() as f64 / 1e9)
    }

    /// The standard deviation in seconds.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let variance = self.sum_of_squares as f64 / 1e18 / self.len() as f64 - mean * mean;
        Some(variance.max(0.0).sqrt())
    }

    /// The shortest, in seconds.
    pub fn min(&self) -> Option<f64> {
        self.unless_empty(|| self.min.seconds())
    }

    /// The longest, in seconds.
    pub fn max(&self) -> Option<f64> {
        self.unless_empty(|| self.max.seconds())
    }

    /// The span in seconds that a share `q` in `[0, 1]` does not exceed.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        // The histogram gives the upper end of a bucket, which may be above everything in it.
        let (min, max) = (self.min.seconds(), self.max.seconds());
        self.unless_empty(|| (self.histogram.value_at_quantile(q) as f64 / 1e6).clamp(min, max))
    }

    /// The histogram behind it, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}
