//! Loss as it was recorded: a file that says of each datagram whether it arrives.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draw, LossState, Model};

/// Datagrams are lost as a trace says. The trace is repeated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// A file of 0 (lost) and 1 (arrives), with white space and comments behind `#`. It is looked
    /// for in the folder of the scenario.
    pub file: String,
    /// Its contents: whether each datagram arrives. Empty until the file has been read.
    #[serde(skip_deserializing, serialize_with = "crate::options::fingerprint")]
    #[schemars(with = "String")]
    pub arrives: Arc<[bool]>,
}

impl Trace {
    /// Takes the text of the file.
    ///
    /// # Errors
    /// What is wrong with the text, and in which line.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut all = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            for c in line.split('#').next().unwrap_or("").chars().filter(|c| !c.is_whitespace()) {
                match c {
                    '0' => all.push(false),
                    '1' => all.push(true),
                    c => return Err(format!("line {number}: expected 0 or 1, got {c:?}")),
                }
            }
        }
        if all.is_empty() {
            return Err("expected at least one 0 or 1".to_owned());
        }
        self.arrives = all.into();
        Ok(())
    }
}

impl Model for Trace {
    fn mean(&self) -> Option<f64> {
        let lost = self.arrives.iter().filter(|arrives| !**arrives).count();
        (!self.arrives.is_empty()).then(|| lost as f64 / self.arrives.len() as f64)
    }

    fn takes(&self, _: &mut LossState, draw: Draw) -> bool {
        let arrives = &self.arrives;
        !arrives.is_empty() && !arrives[draw.number as usize % arrives.len()]
    }
}
