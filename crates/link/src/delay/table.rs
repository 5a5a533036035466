//! Delay as it was measured: the delays in a file, with straight lines between their quantiles.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Span;

use super::Model;

/// Delays are distributed as those in a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// A file of delays with their units, or in seconds, and comments behind `#`. It is looked for
    /// in the folder of the scenario.
    pub file: String,
    /// Its contents, rising. Empty until the file has been read.
    #[serde(skip_deserializing, serialize_with = "crate::options::fingerprint")]
    #[schemars(with = "String")]
    pub quantiles: Arc<[Span]>,
}

impl Table {
    /// Takes the text of the file.
    ///
    /// # Errors
    /// What is wrong with the text, and in which line.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut all = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            for word in line.split('#').next().unwrap_or("").split([',', ' ', '\t']) {
                let word = word.trim();
                if word.is_empty() {
                    continue;
                }
                let seconds = word.parse().ok().filter(|s: &f64| (0.0..1e9).contains(s));
                let span = match seconds {
                    Some(seconds) => Span::from_seconds(seconds),
                    None => word.parse().map_err(|e| format!("line {number}: {e}"))?,
                };
                all.push(span);
            }
        }
        if all.is_empty() {
            return Err("expected at least one delay".to_owned());
        }
        all.sort_unstable();
        self.quantiles = all.into();
        Ok(())
    }
}

impl Model for Table {
    fn quantile(&self, u: f64) -> Span {
        let values = &self.quantiles;
        let Some(last) = values.len().checked_sub(1) else { return Span::ZERO };
        let position = u * last as f64;
        let low = (position as usize).min(last);
        let high = (low + 1).min(last);
        let step = values[high].saturating_sub(values[low]);
        values[low] + step.scaled(position - low as f64)
    }

    /// The mean of the straight lines.
    fn mean(&self) -> Span {
        let values = &self.quantiles;
        let middles = values.windows(2).map(|w| (w[0].nanos() + w[1].nanos()) as f64 / 2.0);
        match values.len() {
            0 => Span::ZERO,
            1 => values[0],
            n => Span::from_nanos((middles.sum::<f64>() / (n - 1) as f64) as u64),
        }
    }

    fn shortest(&self) -> Span {
        self.quantiles.first().copied().unwrap_or_default()
    }
}
