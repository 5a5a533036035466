//! Which detector judges silence, and its parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{KindWord, ScalarOrTable, TaggedTable, tagged};

use super::{Bertier, Chen, Missed, Phi};

tagged! {
    /// How the server judges silence.
    #[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(from = "Form", tag = "kind", rename_all = "kebab-case")]
    pub enum DetectorOptions: "a detector" {
        /// Suspected when silent for longer than the server's `timeout`.
        Timeout = "timeout",
        /// Suspected when silent for longer than so many periods (BFD's detect multiplier).
        Missed(Missed) = "missed",
        /// φ-accrual: suspected when the silence is too unlikely.
        Phi(Phi) = "phi",
        /// NFD-E of Chen, Toueg and Aguilera: suspected a fixed margin after the next heartbeat was
        /// expected. It needs numbered heartbeats.
        Chen(Chen) = "chen",
        /// NFD-E with Bertier's margin, which adapts. It needs numbered heartbeats.
        Bertier(Bertier) = "bertier",
    }
}

/// The name of a detector, or a table.
type Form = ScalarOrTable<KindWord<DetectorOptions>, TaggedTable<DetectorOptions>>;

impl From<Form> for DetectorOptions {
    fn from(form: Form) -> Self {
        match form {
            ScalarOrTable::Scalar(KindWord(options)) => options,
            ScalarOrTable::Table(table) => table.model,
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the variants are declared by a macro")]
impl Default for DetectorOptions {
    fn default() -> Self {
        DetectorOptions::Timeout
    }
}

impl DetectorOptions {
    /// Whether heartbeats must be numbered.
    pub fn wants_numbers(&self) -> bool {
        matches!(self, DetectorOptions::Chen(_) | DetectorOptions::Bertier(_))
    }
}
