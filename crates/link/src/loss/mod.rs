//! Loss: which datagrams never arrive. Each model is a file: its options, how they are read, its
//! formulas, its draws.
//!
//! A new model is a file that implements `Model`, and a line in [`LossModel`] and in
//! `LossModel::model`.

mod bernoulli;
mod chain;
mod every;
mod gilbert_elliott;
mod gilbert_elliott_time;
mod list;
mod markov4;
mod trace;

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    Probability, ScalarOrTable, Span, Stream, TaggedTable, Time, common_keys, tagged,
};

use crate::Class;

pub use bernoulli::Bernoulli;
pub use every::Every;
pub use gilbert_elliott::GilbertElliott;
pub use gilbert_elliott_time::GilbertElliottTime;
pub use list::List;
pub use markov4::Markov4;
pub use trace::Trace;

/// Which datagrams a link loses.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ScalarOrTable<Probability, TaggedTable<LossModel, Keys>>")]
pub struct Loss {
    /// The model.
    pub model: LossModel,
    /// The classes of datagrams that the model applies to; all of them where empty. Other datagrams
    /// pass, and do not advance the model.
    pub only: Vec<Class>,
}

tagged! {
    /// Models of loss.
    #[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    pub enum LossModel: "a model of loss" {
        /// Each datagram by itself, with the same probability.
        Bernoulli(Bernoulli) = "bernoulli",
        /// Two states that change with each datagram: losses come in bursts of datagrams.
        GilbertElliott(GilbertElliott) = "gilbert-elliott",
        /// Two states that change with time: bursts that sparse datagrams such as heartbeats see
        /// too.
        GilbertElliottTime(GilbertElliottTime) = "gilbert-elliott-time",
        /// The four states of netem.
        Markov4(Markov4) = "markov4",
        /// Exactly these datagrams of each link.
        List(List) = "list",
        /// Every n-th datagram of each link.
        Every(Every) = "every",
        /// As a file says.
        Trace(Trace) = "trace",
    }
}

common_keys! {
    /// The keys that all models have.
    struct Keys {
        /// The classes of datagrams that the model applies to; all of them where empty or not
        /// given. A join counts as a heartbeat.
        only: Vec<Class>,
    }
}

/// What a model of loss has to say.
pub(crate) trait Model {
    /// The mean loss `PL`, where it follows from the model alone.
    fn mean(&self) -> Option<f64>;

    /// The mean run of consecutive losses, `PL/(PL-PLL)`, of datagrams that are `spacing` apart.
    fn mean_run(&self, _spacing: Span) -> Option<f64> {
        None
    }

    /// `V`, where the variance of the loss that `n` datagrams of one link see is `V/n`, of
    /// datagrams that are `spacing` apart.
    fn variance(&self, _spacing: Span) -> Option<f64> {
        None
    }

    /// Whether the next datagram is lost.
    fn takes(&self, state: &mut LossState, draw: Draw) -> bool;
}

/// What decides about one datagram.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    /// The random numbers of the link.
    stream: Stream,
    /// The index of the datagram on the link.
    index: u64,
    /// When it enters the link.
    now: Time,
    /// How many datagrams the model has looked at before it.
    number: u32,
}

/// What a link remembers for its loss model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossState {
    /// The state of a chain, from 1; 0 until the first datagram.
    chain: u8,
    /// When the chain was in that state.
    last: Time,
    /// How many datagrams the model has looked at.
    seen: u32,
}

impl LossState {
    /// Another model begins: the chain starts anew.
    pub(crate) fn forget(&mut self) {
        self.chain = 0;
    }
}

impl Loss {
    /// No loss.
    pub const NONE: Loss = Loss::bernoulli(Probability::ZERO);

    /// Each datagram is lost by itself with this probability.
    pub const fn bernoulli(probability: Probability) -> Self {
        Loss { model: LossModel::Bernoulli(Bernoulli { probability }), only: Vec::new() }
    }

    /// Whether it never loses anything.
    pub fn is_none(&self) -> bool {
        self.independent().is_some_and(Probability::is_zero)
    }

    /// Whether the model applies to datagrams of this class.
    #[inline]
    pub(crate) fn applies_to(&self, class: Class) -> bool {
        self.only.is_empty() || self.only.contains(&class)
    }

    /// The probability, where each datagram is lost by itself and nothing is remembered.
    #[inline]
    pub(crate) fn independent(&self) -> Option<Probability> {
        match self.model {
            LossModel::Bernoulli(Bernoulli { probability }) => Some(probability),
            _ => None,
        }
    }

    /// Whether the datagram at `index` is lost, which enters the link at `now`, by a model that
    /// remembers.
    pub(crate) fn takes(
        &self,
        state: &mut LossState,
        stream: Stream,
        index: u64,
        now: Time,
    ) -> bool {
        let number = state.seen;
        state.seen = state.seen.wrapping_add(1);
        self.model.model().takes(state, Draw { stream, index, now, number })
    }
}

impl LossModel {
    fn model(&self) -> &dyn Model {
        match self {
            LossModel::Bernoulli(model) => model,
            LossModel::GilbertElliott(model) => model,
            LossModel::GilbertElliottTime(model) => model,
            LossModel::Markov4(model) => model,
            LossModel::List(model) => model,
            LossModel::Every(model) => model,
            LossModel::Trace(model) => model,
        }
    }

    /// The mean loss `PL`, where it follows from the model alone.
    pub fn mean(&self) -> Option<f64> {
        self.model().mean()
    }

    /// The mean run of consecutive losses, `PL/(PL-PLL)`, of datagrams that are `spacing` apart.
    pub fn mean_run(&self, spacing: Span) -> Option<f64> {
        self.model().mean_run(spacing)
    }

    /// `V`, where the variance of the loss that `n` datagrams of one link see is `V/n`, of
    /// datagrams that are `spacing` apart. Binomial intervals are too narrow for loss in bursts,
    /// this one is not.
    pub fn variance(&self, spacing: Span) -> Option<f64> {
        self.model().variance(spacing)
    }
}

impl From<ScalarOrTable<Probability, TaggedTable<LossModel, Keys>>> for Loss {
    fn from(form: ScalarOrTable<Probability, TaggedTable<LossModel, Keys>>) -> Self {
        match form {
            ScalarOrTable::Scalar(probability) => Loss::bernoulli(probability),
            ScalarOrTable::Table(TaggedTable { model, common }) => {
                Loss { model, only: common.only.unwrap_or_default() }
            }
        }
    }
}

impl Default for Loss {
    fn default() -> Self {
        Loss::NONE
    }
}
