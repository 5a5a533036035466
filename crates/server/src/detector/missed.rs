//! k missed heartbeats in a row, as BFD's detect multiplier (RFC 5880, 6.8.4): a timeout of `k`
//! periods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, schema};

use super::EVERY;
use super::timeout::Timeout;

/// Suspected when silent for longer than so many periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Missed {
    /// How many heartbeats in a row may be missed.
    pub misses: u32,
    /// The heartbeat period that the server expects.
    pub every: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// How many heartbeats in a row may be missed, from 1; default 3.
    #[schemars(range(min = 1))]
    misses: Option<u32>,
    /// The heartbeat period that the detector expects, above zero; default `"5s"`. It is not taken
    /// from the groups: give it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
}

impl TryFrom<Keys> for Missed {
    type Error = &'static str;

    fn try_from(Keys { misses, every }: Keys) -> Result<Self, &'static str> {
        let (misses, every) = (misses.unwrap_or(3), every.unwrap_or(EVERY));
        if misses == 0 || every.is_zero() {
            return Err("expected `misses` and `every` above zero");
        }
        Ok(Missed { misses, every })
    }
}

impl Missed {
    pub(super) fn detector(self) -> Timeout {
        Timeout(self.every * u64::from(self.misses))
    }
}
