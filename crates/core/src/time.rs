//! Time as an integer: nanoseconds since the run began. Machines get it as a parameter and never
//! read a clock, so that the simulator and real sockets can drive the same code.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: nanoseconds since the run began (good for 584 years).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

/// A length of time in nanoseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Time {
    /// The beginning of the run.
    pub const ZERO: Time = Time(0);
    /// Later than everything.
    pub const NEVER: Time = Time(u64::MAX);

    /// The time `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the beginning.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// This time, clamped to `[from, to]`.
    pub fn clip(self, from: Time, to: Time) -> Time {
        Time(self.0.clamp(from.0, to.0))
    }
}

impl Span {
    /// The empty span.
    pub const ZERO: Span = Span(0);

    /// A span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Span(nanos)
    }

    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Span(millis * 1_000_000)
    }

    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Span(seconds * 1_000_000_000)
    }

    /// A span of `seconds`, rounded to the nanosecond. Negative values become zero, values above
    /// 292 years become 292 years.
    #[inline]
    pub fn from_seconds(seconds: f64) -> Self {
        Span::rounded(seconds * 1e9)
    }

    /// Whole nanoseconds, limited to what fits a signed integer: that conversion is fast.
    #[inline]
    const fn rounded(nanos: f64) -> Self {
        let nanos = (nanos + 0.5) as i64;
        Span(if nanos > 0 { nanos as u64 } else { 0 })
    }

    /// The span in nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The span in seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The square, in square nanoseconds.
    pub const fn squared(self) -> u128 {
        self.0 as u128 * self.0 as u128
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This span times a factor from 0, rounded to the nanosecond; at most 292 years.
    #[inline]
    pub fn scaled(self, factor: f64) -> Span {
        Span::rounded(self.0 as f64 * factor)
    }

    /// The difference; zero if `other` is longer.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, times: u64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        std::time::Duration::from_nanos(span.0)
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

const UNITS: [(&str, u64); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Written in the largest unit that needs at most three decimals.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            0 | 1_000_000_000.. => ("s", 1_000_000_000),
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("us", 1_000),
            _ => ("ns", 1),
        };
        let (whole, rest) = (self.0 / size, self.0 % size);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let width = size.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(f, "{whole}.{}{unit}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", Span(self.0))
    }
}

/// Why a text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text does not begin with a number.
    #[error("expected a number and a unit such as \"10s\" or \"500ms\", got {0:?}")]
    Number(String),
    /// The number has no unit, or an unknown one.
    #[error("expected a unit of time (ns, us, ms, s, m, h), got {unit:?} in {text:?}")]
    Unit {
        /// The text in the position of the unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// `"10s"`, `"12.5s"`, `"500ms"`; exact to the nanosecond.
impl FromStr for Span {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let bad_number = || TimeError::Number(text.to_owned());
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') {
            return Err(bad_number());
        }
        let &(_, size) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| TimeError::Unit { unit: unit.to_owned(), text: text.to_owned() })?;
        let whole: u64 = whole.parse().map_err(|_| bad_number())?;
        let mut nanos = whole.checked_mul(size).ok_or_else(bad_number)?;
        let mut worth = size;
        for digit in fraction.bytes() {
            worth /= 10;
            nanos = nanos.checked_add(u64::from(digit - b'0') * worth).ok_or_else(bad_number)?;
        }
        Ok(Span(nanos))
    }
}

impl Span {
    /// What [`Span::from_str`] accepts, as a regular expression. It does not limit how long a span
    /// is.
    pub fn pattern() -> String {
        format!("^{}$", Span::unanchored_pattern())
    }

    /// [`Span::pattern`] for use within a longer text.
    pub fn unanchored_pattern() -> String {
        let units = UNITS.map(|(name, _)| name).join("|");
        format!(r"\s*[0-9]+(\.[0-9]*)?\s*({units})\s*")
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: a number and a unit (ns, us, µs, ms, s, m, h), like \
                            \"500ms\" or \"10s\".",
            "type": "string",
            "pattern": Span::pattern(),
            "examples": ["500ms", "10s", "1.5 h"],
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time as text with a unit, such as \"10s\" or \"500ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_span_are_inverse() {
        for (text, nanos) in [
            ("10s", 10_000_000_000),
            ("12.5s", 12_500_000_000),
            ("500ms", 500_000_000),
            ("1.5us", 1_500),
            ("7ns", 7),
            ("0s", 0),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.nanos(), nanos);
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("2m".parse::<Span>().unwrap().to_string(), "120s");
        assert_eq!("1.5 h".parse::<Span>().unwrap().seconds(), 5400.0);
    }

    #[test]
    fn a_missing_or_wrong_unit_is_named() {
        let message = |text: &str| text.parse::<Span>().unwrap_err().to_string();
        assert!(message("10").contains("unit of time"));
        assert!(message("10 parsecs").contains("parsecs"));
        assert!(message("soon").contains("number"));
        assert!(message("-1s").contains("number"));
        assert!(message("1.2.3s").contains("number"));
    }
}
