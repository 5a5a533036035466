//! A distribution of spans: percentiles from an HDR histogram, exact moments.

use crate::Span;
use hdrhistogram::Histogram;

/// A distribution of measured spans. Percentiles are accurate to 0.1 % (three significant digits,
/// in microseconds); mean, standard deviation, minimum and maximum are exact.
///
/// ```
/// use skipbeat_core::{Distribution, Span};
///
/// let mut latency = Distribution::default();
/// for millis in 1..=100 {
///     latency.record(Span::from_millis(millis));
/// }
/// assert_eq!(latency.mean(), Some(0.0505));
/// assert!((latency.quantile(0.99).unwrap() - 0.099).abs() < 0.0001);
/// ```
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    sum_ns: u128,
    /// In square nanoseconds. It is an integer, so that it does not depend on the order of
    /// addition.
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
        // A histogram that resizes itself accepts every value.
        self.histogram += span.nanos() / 1_000;
        self.sum_ns += u128::from(span.nanos());
        self.sum_of_squares += span.squared();
        self.min = self.min.min(span);
        self.max = self.max.max(span);
    }

    /// Adds all spans of another distribution.
    pub fn add(&mut self, other: &Distribution) {
        self.histogram += &other.histogram;
        self.sum_ns += other.sum_ns;
        self.sum_of_squares += other.sum_of_squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The number of spans.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there are no spans.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn unless_empty(&self, value: impl FnOnce() -> f64) -> Option<f64> {
        (!self.is_empty()).then(value)
    }

    /// The mean in seconds; `None` if there are no spans.
    pub fn mean(&self) -> Option<f64> {
        self.unless_empty(|| self.sum_ns as f64 / self.len() as f64 / 1e9)
    }

    /// The standard deviation in seconds; `None` if there are no spans.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let variance = self.sum_of_squares as f64 / 1e18 / self.len() as f64 - mean * mean;
        Some(variance.max(0.0).sqrt())
    }

    /// The shortest span, in seconds.
    pub fn min(&self) -> Option<f64> {
        self.unless_empty(|| self.min.seconds())
    }

    /// The longest span, in seconds.
    pub fn max(&self) -> Option<f64> {
        self.unless_empty(|| self.max.seconds())
    }

    /// The span in seconds that a share `q` in `[0, 1]` does not exceed.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        // The histogram gives the upper end of a bucket, which may be above everything in it.
        let (min, max) = (self.min.seconds(), self.max.seconds());
        self.unless_empty(|| (self.histogram.value_at_quantile(q) as f64 / 1e6).clamp(min, max))
    }

    /// The histogram, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}
