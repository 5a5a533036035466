//! The same delay for all datagrams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Span;

use super::Model;

/// The same delay for all datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Constant {
    /// The delay.
    pub value: Span,
}

impl Model for Constant {
    #[inline]
    fn quantile(&self, _: f64) -> Span {
        self.value
    }

    fn mean(&self) -> Span {
        self.value
    }

    fn shortest(&self) -> Span {
        self.value
    }
}
