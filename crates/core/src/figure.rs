//! What a figure counts in, which way it should go, and how it is written for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number::{self, UNKNOWN};

/// What a figure counts in. It decides how the figure is written and what a threshold may say of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Whole things. A count only grows while a run goes on.
    #[serde(rename = "count")]
    Count,
    /// A share of a whole, from 0 to 1, or a ratio of two counts.
    #[serde(rename = "ratio")]
    Ratio,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Things per second.
    #[serde(rename = "per s")]
    PerSecond,
    /// A number of another kind, like a mean of counts.
    #[serde(rename = "number")]
    Number,
    /// Nanoseconds of processor time.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Bytes of memory.
    #[serde(rename = "bytes")]
    Bytes,
}

impl Unit {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Ratio => "ratio",
            Unit::Seconds => "s",
            Unit::PerSecond => "per s",
            Unit::Number => "number",
            Unit::Nanoseconds => "ns",
            Unit::Bytes => "bytes",
        }
    }

    /// A figure of this unit for people; [`UNKNOWN`] where it is undefined or not finite.
    ///
    /// ```
    /// use skipbeat_core::Unit;
    /// assert_eq!(Unit::Ratio.show(Some(0.9998)), "99.98 %");
    /// assert_eq!(Unit::Seconds.show(None), "–");
    /// ```
    pub fn show(self, value: Option<f64>) -> String {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return UNKNOWN.to_owned();
        };
        match self {
            Unit::Count | Unit::Number => number::number(value),
            Unit::Ratio => number::share(value),
            Unit::Seconds => number::span(value),
            Unit::PerSecond => number::rate(value),
            Unit::Nanoseconds => number::span(value / 1e9),
            Unit::Bytes => number::bytes(value),
        }
    }

    /// A figure with half of its interval, both in the unit that suits the figure.
    pub fn show_with_interval(self, value: Option<f64>, half: Option<f64>) -> [String; 2] {
        let per_hour = self == Unit::PerSecond
            && value.is_some_and(|rate| rate != 0.0 && number::rate(rate).ends_with("/h"));
        [value, half].map(|value| match value.filter(|value| value.is_finite()) {
            Some(rate) if per_hour => format!("{} /h", number::number(rate * 3600.0)),
            value => self.show(value),
        })
    }
}

/// Which way a figure should go, all else being equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Better {
    /// 1 where a rise is a change for the worse, -1 where a fall is.
    pub const fn sign_of_worse(self) -> f64 {
        match self {
            Better::Higher => -1.0,
            Better::Lower => 1.0,
        }
    }
}
