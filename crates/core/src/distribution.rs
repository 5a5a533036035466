//! A distribution of spans: percentiles from an HDR histogram, exact moments.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{
    Deserializer as HistogramReader, Serializer as _, V2DeflateSerializer,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::Span;

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

/// Equal are distributions of the same values; how far a histogram has grown does not count.
impl PartialEq for Distribution {
    fn eq(&self, other: &Distribution) -> bool {
        let moments = |of: &Distribution| (of.sum_ns, of.sum_of_squares, of.min, of.max);
        moments(self) == moments(other)
            && self.histogram.iter_recorded().eq(other.histogram.iter_recorded())
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

/// A distribution in a file: the histogram as HdrHistogram's V2 encoding in base64, sums as decimal
/// text. An empty one is `null`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    histogram: String,
    #[serde(with = "crate::decimal")]
    sum_ns: u128,
    #[serde(with = "crate::decimal")]
    sum_of_squares: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return None::<Written>.serialize(to);
        }
        // As large as its values need: how far it has grown depends on the order in which they came.
        let most = self.histogram.max().max(2);
        let mut histogram = Histogram::new_with_max(most, 3).map_err(ser::Error::custom)?;
        histogram.add(&self.histogram).map_err(ser::Error::custom)?;
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&histogram, &mut bytes)
            .map_err(|error| ser::Error::custom(format!("{error:?}")))?;
        let written = Written {
            histogram: BASE64_STANDARD.encode(bytes),
            sum_ns: self.sum_ns,
            sum_of_squares: self.sum_of_squares,
            min_ns: self.min.nanos(),
            max_ns: self.max.nanos(),
        };
        Some(written).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Some(written) = Option::<Written>::deserialize(from)? else {
            return Ok(Distribution::default());
        };
        let bytes = BASE64_STANDARD.decode(&written.histogram).map_err(de::Error::custom)?;
        let histogram = HistogramReader::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| de::Error::custom(format!("no histogram: {error:?}")))?;
        // It was made with the bounds of what it holds; one that grows takes all of them.
        let mut distribution = Distribution {
            sum_ns: written.sum_ns,
            sum_of_squares: written.sum_of_squares,
            min: Span::from_nanos(written.min_ns),
            max: Span::from_nanos(written.max_ns),
            ..Distribution::default()
        };
        distribution.histogram += &histogram;
        Ok(distribution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_read_as_it_was_written() {
        let mut distribution = Distribution::default();
        for nanos in [0, 999, 1_234_567, 40_000_000_000, 5] {
            distribution.record(Span::from_nanos(nanos));
        }
        for distribution in [distribution, Distribution::default()] {
            let text = serde_json::to_string(&distribution).unwrap();
            assert_eq!(
                serde_json::from_str::<Distribution>(&text).unwrap(),
                distribution,
                "{text}"
            );
        }
    }

    #[test]
    fn a_damaged_distribution_is_an_error() {
        let mut distribution = Distribution::default();
        distribution.record(Span::from_millis(3));
        let text = serde_json::to_string(&distribution).unwrap();
        for (from, to) in
            [("\"sum_ns\":\"", "\"sum_ns\":\"x"), ("\"histogram\":\"", "\"histogram\":\"AAAA")]
        {
            assert!(serde_json::from_str::<Distribution>(&text.replace(from, to)).is_err());
        }
    }
}
