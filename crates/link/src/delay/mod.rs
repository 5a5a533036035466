//! Delay: how long a datagram travels. Each distribution is a file: its options, how they are read,
//! its quantile function, its mean.
//!
//! All draws go through the quantile function, so that a correlated delay has the same distribution
//! as an independent one. A new distribution is a file that implements `Model`, and a line in
//! [`DelayModel`] and in the macro `each`.

mod constant;
mod exponential;
mod lognormal;
mod normal;
mod pareto;
mod table;
mod uniform;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    ScalarOrTable, Span, Stream, TaggedTable, Time, common_keys, normal_cdf, normal_quantile,
    tagged,
};

pub use constant::Constant;
pub use exponential::Exponential;
pub use lognormal::Lognormal;
pub use normal::Normal;
pub use pareto::Pareto;
pub use table::Table;
pub use uniform::Uniform;

/// How long a datagram travels.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Span, TaggedTable<DelayModel, Keys>>")]
pub struct Delay {
    /// The distribution.
    pub model: DelayModel,
    /// ρ, the correlation of a delay with the one before it on the same link, from 0 (independent)
    /// to below 1. A Gaussian AR(1), `z' = ρz + √(1-ρ²)·N(0,1)`, is put through the quantile
    /// function, so that the distribution stays exact, unlike with netem's correlation.
    pub correlation: f64,
    /// Whether datagrams may overtake each other.
    pub order: DelayOrder,
}

/// Whether datagrams may overtake each other because their delays vary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DelayOrder {
    /// They may.
    #[default]
    Free,
    /// A datagram waits for those that entered the link before it.
    Preserve,
}

tagged! {
    /// Distributions of delay.
    #[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    pub enum DelayModel: "a delay" {
        /// The same for all datagrams.
        Constant(Constant) = "constant",
        /// Anything from `min` to `max` alike.
        Uniform(Uniform) = "uniform",
        /// `min`, then an exponential rest.
        Exponential(Exponential) = "exponential",
        /// Normal, truncated at `min`.
        Normal(Normal) = "normal",
        /// `min`, then a lognormal rest.
        Lognormal(Lognormal) = "lognormal",
        /// Pareto from `min`, truncated at `cap`.
        Pareto(Pareto) = "pareto",
        /// As measured: the delays in a file.
        Table(Table) = "table",
    }
}

common_keys! {
    /// The keys that all distributions have.
    struct Keys {
        /// The correlation of a delay with the one before it on the link, from 0 to below 1;
        /// default 0.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        correlation: f64,
        /// Whether datagrams may overtake each other; default `"free"`.
        order: DelayOrder,
    }
}

/// What a distribution of delay has to say.
pub(crate) trait Model {
    /// The delay that a share `u` in [0, 1) of datagrams stays below.
    fn quantile(&self, u: f64) -> Span;

    /// The mean.
    fn mean(&self) -> Span;

    /// The delay that no datagram undercuts.
    fn shortest(&self) -> Span;

    /// Whether the mean of some thousand draws is nearly normal.
    fn has_light_tail(&self) -> bool {
        true
    }
}

/// Calls a method of the model behind a [`DelayModel`]. Not through `dyn`: a draw is a hot path.
macro_rules! each {
    ($model:expr, $of:ident => $call:expr) => {
        match $model {
            DelayModel::Constant($of) => $call,
            DelayModel::Uniform($of) => $call,
            DelayModel::Exponential($of) => $call,
            DelayModel::Normal($of) => $call,
            DelayModel::Lognormal($of) => $call,
            DelayModel::Pareto($of) => $call,
            DelayModel::Table($of) => $call,
        }
    };
}

impl DelayModel {
    /// The delay that a share `u` in [0, 1) of datagrams stays below.
    #[inline]
    pub fn quantile(&self, u: f64) -> Span {
        each!(self, model => model.quantile(u))
    }

    /// The mean.
    pub fn mean(&self) -> Span {
        each!(self, model => model.mean())
    }
}

/// A number above 0 and up to 5, as exponents and shapes have to be.
fn is_shape(shape: f64) -> bool {
    shape > 0.0 && shape <= 5.0
}

impl TryFrom<ScalarOrTable<Span, TaggedTable<DelayModel, Keys>>> for Delay {
    type Error = &'static str;

    fn try_from(
        form: ScalarOrTable<Span, TaggedTable<DelayModel, Keys>>,
    ) -> Result<Self, &'static str> {
        match form {
            ScalarOrTable::Scalar(value) => Ok(DelayModel::Constant(Constant { value }).into()),
            ScalarOrTable::Table(TaggedTable { model, common }) => {
                let correlation = common.correlation.unwrap_or(0.0);
                if !(0.0..1.0).contains(&correlation) {
                    return Err("expected a correlation from 0 to below 1");
                }
                Ok(Delay { model, correlation, order: common.order.unwrap_or_default() })
            }
        }
    }
}

impl From<DelayModel> for Delay {
    fn from(model: DelayModel) -> Self {
        Delay { model, correlation: 0.0, order: DelayOrder::Free }
    }
}

/// What a link remembers for its delay model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DelayState {
    /// The normal number behind the last delay, where delays are correlated.
    z: Option<f64>,
    /// The latest arrival so far, where the order is preserved.
    latest: Time,
}

impl DelayState {
    /// Another model begins: its delays do not depend on those before.
    pub(crate) fn forget(&mut self) {
        self.z = None;
    }
}

impl Delay {
    /// No delay at all.
    pub const NONE: Delay = Delay {
        model: DelayModel::Constant(Constant { value: Span::ZERO }),
        correlation: 0.0,
        order: DelayOrder::Free,
    };

    /// Whether links have to remember anything for it.
    pub(crate) fn remembers(&self) -> bool {
        self.correlation > 0.0 || self.order == DelayOrder::Preserve
    }

    /// The delay of the datagram at `index`.
    #[inline(always)]
    pub(crate) fn draw(&self, stream: Stream, index: u64) -> Span {
        match self.model {
            DelayModel::Constant(Constant { value }) => value,
            _ => self.model.quantile(stream.unit(index)),
        }
    }

    /// When the datagram at `index` arrives, which begins to travel at `now`.
    pub(crate) fn arrival(
        &self,
        state: &mut DelayState,
        stream: Stream,
        index: u64,
        now: Time,
    ) -> Time {
        let delay = if self.correlation > 0.0 {
            let fresh = normal_quantile(stream.unit(index).max(f64::EPSILON / 4.0));
            let rho = self.correlation;
            let z = state.z.map_or(fresh, |z| rho * z + libm::sqrt(1.0 - rho * rho) * fresh);
            state.z = Some(z);
            self.model.quantile(normal_cdf(z).min(1.0 - f64::EPSILON / 2.0))
        } else {
            self.draw(stream, index)
        };
        let arrival = now + delay;
        if self.order == DelayOrder::Free {
            return arrival;
        }
        state.latest = state.latest.max(arrival);
        state.latest
    }

    /// The mean delay; keeping the order adds to it.
    pub fn mean(&self) -> Span {
        self.model.mean()
    }

    /// Whether the mean of some thousand draws is nearly normal; heavy tails take far more.
    pub fn has_light_tail(&self) -> bool {
        each!(&self.model, model => model.has_light_tail())
    }

    /// The delay that no datagram undercuts.
    pub fn shortest(&self) -> Span {
        each!(&self.model, model => model.shortest())
    }

    /// The delay that all but one in 10⁴ datagrams stay below.
    pub fn nearly_longest(&self) -> Span {
        self.model.quantile(1.0 - 1e-4)
    }
}

impl Default for Delay {
    fn default() -> Self {
        Delay::NONE
    }
}
