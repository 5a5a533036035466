//! How messages are spread over time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Stream};

/// How messages are spread over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// At random times: gaps are exponential.
    #[default]
    Poisson,
    /// At equal gaps. The first message comes after a random part of one.
    Periodic,
}

impl Arrivals {
    /// The wait before the first message, at `rate` messages per second.
    pub(crate) fn first_gap(self, rate: f64, stream: Stream, draw: u64) -> Span {
        match self {
            Arrivals::Poisson => self.gap(rate, stream, draw),
            Arrivals::Periodic => Span::from_seconds(stream.unit(draw) / rate),
        }
    }

    /// The wait between two messages.
    #[inline]
    pub(crate) fn gap(self, rate: f64, stream: Stream, draw: u64) -> Span {
        match self {
            Arrivals::Poisson => Span::from_seconds(stream.exponential(draw) / rate),
            Arrivals::Periodic => Span::from_seconds(1.0 / rate),
        }
    }
}

/// Checks a rate, in messages per second and client.
pub(crate) fn checked_rate(what: &str, rate: f64) -> Result<f64, String> {
    if rate > 0.0 && rate <= 1e6 {
        return Ok(rate);
    }
    Err(format!("expected a {what} rate above 0 and up to 1e6 per second, got {rate}"))
}

/// Checks a size in bytes: there must be room for the tag.
pub(crate) fn checked_size(what: &str, size: usize) -> Result<usize, String> {
    use skipbeat_protocol::Tag;
    if (Tag::LEN..=65_000).contains(&size) {
        return Ok(size);
    }
    Err(format!("expected a {what} size from {} to 65000 bytes, got {size}", Tag::LEN))
}
