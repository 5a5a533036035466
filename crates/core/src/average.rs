//! A mean that does not depend on the order in which its values come.

use serde::{Deserialize, Serialize};

/// The mean of numbers from 0 up to 2⁶⁰. They are summed as whole multiples of 2⁻⁶⁴, so that parts
/// of a run that are added in any order give the same mean to the last digit.
///
/// ```
/// let mut average = skipbeat_core::Average::default();
/// [0.25, 0.75].into_iter().for_each(|value| average.record(value));
/// assert_eq!(average.mean(), Some(0.5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Average {
    count: u64,
    /// In units of 2⁻⁶⁴.
    #[serde(with = "crate::decimal")]
    sum: u128,
}

/// 2⁶⁴.
const ONE: f64 = 18_446_744_073_709_551_616.0;

impl Average {
    /// Adds a value.
    pub fn record(&mut self, value: f64) {
        self.count += 1;
        // A conversion to whole numbers clips what is out of range.
        self.sum = self.sum.saturating_add((value * ONE) as u128);
    }

    /// Adds all values of another.
    pub fn add(&mut self, other: &Average) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The mean; `None` of no values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / ONE / self.count as f64)
    }
}
