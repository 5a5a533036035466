//! Whole numbers that are wider than those of JSON, written as decimal text: for
//! `#[serde(with = "skipbeat_core::decimal")]`.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes a number as text.
///
/// # Errors
/// What the format can't take.
pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads a number from text.
///
/// # Errors
/// Where the text is no whole number, or too large.
pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| de::Error::custom(format!("expected a whole number, got {text:?}")))
}
