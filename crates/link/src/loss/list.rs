//! A list of the datagrams that are lost, for exact tests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draw, LossState, Model};

/// Exactly these datagrams of each link are lost.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Keys")]
pub struct List {
    /// The numbers of the datagrams, rising. They count from 0 those that the model applies to.
    pub indices: Vec<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The numbers of the datagrams of each link that are lost, from 0.
    indices: Vec<u32>,
}

impl From<Keys> for List {
    fn from(Keys { mut indices }: Keys) -> Self {
        indices.sort_unstable();
        List { indices }
    }
}

impl Model for List {
    fn mean(&self) -> Option<f64> {
        None
    }

    fn takes(&self, _: &mut LossState, draw: Draw) -> bool {
        self.indices.binary_search(&draw.number).is_ok()
    }
}
