//! Delay models: how long a datagram travels. Each is given by its quantile function, so that a
//! correlated delay has the same distribution as an independent one.

use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::schema::{self, KindKeys};
use skipbeat_core::{
    ScalarOrTable, Span, Stream, Time, normal_cdf, normal_density, normal_quantile,
};

/// How long a datagram travels.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Span, Table>")]
pub struct Delay {
    /// The distribution.
    pub model: DelayModel,
    /// ρ, how much a delay is like the one before on the same link, from 0 (independent) to below
    /// 1: a Gaussian AR(1) `z' = ρz + √(1-ρ²)·N(0,1)` is pushed through the quantile function. So
    /// the distribution stays exact, which netem's correlation does not.
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
    /// None arrives before the one that entered the link before it: it waits for it.
    Preserve,
}

/// Distributions of delay.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DelayModel {
    /// The same for all.
    Constant {
        /// The delay.
        value: Span,
    },
    /// Anything from `min` to `max` alike: mean `(min+max)/2`.
    Uniform {
        /// The shortest delay.
        min: Span,
        /// The longest delay.
        max: Span,
    },
    /// `min` plus an exponential rest, so that the mean of the whole is `mean`.
    Exponential {
        /// The shortest delay.
        min: Span,
        /// The mean of the whole delay, at least `min`.
        mean: Span,
    },
    /// Normal with this mean and deviation, truncated at `min`: what would be below is drawn again,
    /// so that nothing is piled up there.
    Normal {
        /// The mean before truncation.
        mean: Span,
        /// The standard deviation before truncation.
        deviation: Span,
        /// The shortest delay.
        min: Span,
    },
    /// `min` plus a lognormal rest of median `median - min` and shape `sigma`.
    Lognormal {
        /// The shortest delay.
        min: Span,
        /// The median of the whole delay.
        median: Span,
        /// The deviation of the logarithm of the rest.
        sigma: f64,
    },
    /// Pareto of shape `alpha` from `min`, truncated at `cap`.
    Pareto {
        /// The shortest delay, `xm`.
        min: Span,
        /// The shape: the smaller, the heavier the tail.
        alpha: f64,
        /// The longest delay.
        cap: Span,
    },
    /// As measured: the delays in a file, with straight lines between their quantiles.
    Table {
        /// The file: delays with their units, or in seconds, and comments behind `#`.
        file: String,
        /// What is in it, rising; empty until it was read.
        #[serde(serialize_with = "crate::options::fingerprint")]
        #[schemars(with = "String")]
        quantiles: Arc<[Span]>,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a span or a table `{ kind, … }`")]
#[schemars(transform = kinds)]
struct Table {
    /// The distribution.
    kind: Kind,
    /// `constant`: the delay of all.
    value: Option<Span>,
    /// The shortest delay; default `"0s"`, but `uniform` and `pareto` (above zero) need it.
    min: Option<Span>,
    /// `uniform`: the longest delay.
    max: Option<Span>,
    /// `exponential`: the mean of the whole. `normal`: the mean before truncation. At least `min`.
    mean: Option<Span>,
    /// `normal`: the standard deviation before truncation, above zero.
    #[schemars(transform = schema::above_zero)]
    deviation: Option<Span>,
    /// `lognormal`: the median of the whole, above `min`.
    median: Option<Span>,
    /// `lognormal`: the deviation of the logarithm of the rest, above 0 and up to 5.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 5))]
    sigma: Option<f64>,
    /// `pareto`: the shape, above 0 and up to 5; the smaller, the heavier the tail.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 5))]
    alpha: Option<f64>,
    /// `pareto`: the longest delay, above `min`.
    cap: Option<Span>,
    /// `table`: a file of delays with units or in seconds. It is looked for where the scenario lies.
    file: Option<String>,
    /// How much a delay is like the last one on the link, from 0 to below 1; default 0.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    correlation: f64,
    /// Whether datagrams may overtake each other; default `"free"`.
    #[serde(default)]
    order: DelayOrder,
}

#[derive(Deserialize, Clone, Copy, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Kind {
    /// The same for all.
    Constant,
    /// Anything from `min` to `max` alike.
    Uniform,
    /// `min`, then an exponential rest.
    Exponential,
    /// Normal, truncated at `min`.
    Normal,
    /// `min`, then a lognormal rest.
    Lognormal,
    /// Pareto from `min`, truncated at `cap`.
    Pareto,
    /// As measured: the delays in a file.
    Table,
}

/// What [`model`] takes.
fn kinds(schema: &mut Schema) {
    let of = |kind, needs, may_have| KindKeys { kind, needs, may_have };
    let always = &["correlation", "order"];
    let with_min = &["correlation", "order", "min"];
    let kinds = [
        of("constant", &["value"], always),
        of("uniform", &["min", "max"], always),
        of("exponential", &["mean"], with_min),
        of("normal", &["mean", "deviation"], with_min),
        of("lognormal", &["median", "sigma"], with_min),
        of("pareto", &["min", "alpha", "cap"], always),
        of("table", &["file"], always),
    ];
    schema::keys_by_kind(schema, &kinds, None);
}

impl TryFrom<ScalarOrTable<Span, Table>> for Delay {
    type Error = &'static str;

    fn try_from(form: ScalarOrTable<Span, Table>) -> Result<Self, &'static str> {
        let mut t = match form {
            ScalarOrTable::Scalar(value) => return Ok(DelayModel::Constant { value }.into()),
            ScalarOrTable::Table(table) => table,
        };
        if !(0.0..1.0).contains(&t.correlation) {
            return Err("expected a correlation from 0 to below 1");
        }
        let model = model(&mut t)?;
        let left = [t.value, t.min, t.max, t.mean, t.deviation, t.median, t.cap];
        if left.iter().any(Option::is_some)
            || t.sigma.is_some()
            || t.alpha.is_some()
            || t.file.is_some()
        {
            return Err("a key that does not belong to this model of delay");
        }
        Ok(Delay { model, correlation: t.correlation, order: t.order })
    }
}

/// Takes what a kind needs out of the table.
fn model(t: &mut Table) -> Result<DelayModel, &'static str> {
    let shape = |shape: f64| shape > 0.0 && shape <= 5.0;
    match t.kind {
        Kind::Constant => match t.value.take() {
            Some(value) => Ok(DelayModel::Constant { value }),
            None => Err("a constant delay takes `value`"),
        },
        Kind::Uniform => match (t.min.take(), t.max.take()) {
            (Some(min), Some(max)) if min <= max => Ok(DelayModel::Uniform { min, max }),
            (Some(_), Some(_)) => Err("`max` is shorter than `min`"),
            _ => Err("a uniform delay takes `min` and `max`"),
        },
        Kind::Exponential => match (t.min.take().unwrap_or_default(), t.mean.take()) {
            (min, Some(mean)) if mean >= min => Ok(DelayModel::Exponential { min, mean }),
            (_, Some(_)) => Err("`mean` is the mean of the whole delay: it can't be below `min`"),
            _ => Err("an exponential delay takes `mean` and, if wanted, `min`"),
        },
        Kind::Normal => match (t.mean.take(), t.deviation.take(), t.min.take().unwrap_or_default())
        {
            (Some(mean), Some(deviation), min) if mean >= min && !deviation.is_zero() => {
                Ok(DelayModel::Normal { mean, deviation, min })
            }
            (Some(_), Some(_), _) => {
                Err("expected `deviation` above zero and `mean` of at least `min`")
            }
            _ => Err("a normal delay takes `mean`, `deviation` and, if wanted, `min`"),
        },
        Kind::Lognormal => {
            match (t.min.take().unwrap_or_default(), t.median.take(), t.sigma.take()) {
                (min, Some(median), Some(sigma)) if median > min && shape(sigma) => {
                    Ok(DelayModel::Lognormal { min, median, sigma })
                }
                (_, Some(_), Some(_)) => {
                    Err("expected `median` above `min` and `sigma` above 0 and up to 5")
                }
                _ => Err("a lognormal delay takes `median`, `sigma` and, if wanted, `min`"),
            }
        }
        Kind::Pareto => match (t.min.take(), t.alpha.take(), t.cap.take()) {
            (Some(min), Some(alpha), Some(cap)) if !min.is_zero() && cap > min && shape(alpha) => {
                Ok(DelayModel::Pareto { min, alpha, cap })
            }
            (Some(_), Some(_), Some(_)) => {
                Err("expected `min` above zero, `cap` above `min`, `alpha` above 0 and up to 5")
            }
            _ => Err("a Pareto delay takes `min`, `alpha` and `cap`"),
        },
        Kind::Table => match t.file.take() {
            Some(file) => Ok(DelayModel::Table { file, quantiles: Arc::new([]) }),
            None => Err("a delay from a table takes `file`"),
        },
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
    /// The delays to come have nothing to do with those before.
    pub(crate) fn forget(&mut self) {
        self.z = None;
    }
}

impl Delay {
    /// No delay at all.
    pub const NONE: Delay = Delay {
        model: DelayModel::Constant { value: Span::ZERO },
        correlation: 0.0,
        order: DelayOrder::Free,
    };

    /// Whether links need to remember anything for it.
    pub(crate) fn remembers(&self) -> bool {
        self.correlation > 0.0 || self.order == DelayOrder::Preserve
    }

    /// The delay of the datagram at `index`.
    #[inline(always)]
    pub(crate) fn draw(&self, stream: Stream, index: u64) -> Span {
        match self.model {
            DelayModel::Constant { value } => value,
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

    /// The mean delay, as far as order is free.
    pub fn mean(&self) -> Span {
        self.model.mean()
    }

    /// Whether the mean of some thousand draws is nearly normal: heavy tails take far more.
    pub fn has_light_tail(&self) -> bool {
        match self.model {
            DelayModel::Lognormal { sigma, .. } => sigma <= 1.5,
            DelayModel::Pareto { alpha, .. } => alpha > 2.5,
            _ => true,
        }
    }

    /// The delay that no datagram undercuts.
    pub fn shortest(&self) -> Span {
        match &self.model {
            DelayModel::Constant { value } => *value,
            DelayModel::Uniform { min, .. }
            | DelayModel::Exponential { min, .. }
            | DelayModel::Normal { min, .. }
            | DelayModel::Lognormal { min, .. }
            | DelayModel::Pareto { min, .. } => *min,
            DelayModel::Table { quantiles, .. } => quantiles.first().copied().unwrap_or_default(),
        }
    }

    /// The delay that all but one in 10⁴ datagrams stay below.
    pub fn nearly_longest(&self) -> Span {
        self.model.quantile(1.0 - 1e-4)
    }
}

impl DelayModel {
    /// The delay that a share `u` in [0, 1) of datagrams stays below.
    #[inline]
    pub fn quantile(&self, u: f64) -> Span {
        match self {
            DelayModel::Constant { value } => *value,
            DelayModel::Uniform { min, max } => *min + max.saturating_sub(*min).scaled(u),
            DelayModel::Exponential { min, mean } => {
                *min + mean.saturating_sub(*min).scaled(-libm::log(1.0 - u))
            }
            DelayModel::Normal { mean, deviation, min } => {
                // Φ(a) of the mass lies below `min` and is left out.
                let below = normal_cdf(below_mean(*min, *mean, *deviation));
                let z = normal_quantile((below + u * (1.0 - below)).max(f64::MIN_POSITIVE));
                Span::from_seconds(mean.seconds() + z * deviation.seconds()).max(*min)
            }
            DelayModel::Lognormal { min, median, sigma } => {
                let z = normal_quantile(u.max(f64::MIN_POSITIVE));
                *min + median.saturating_sub(*min).scaled(libm::exp(sigma * z))
            }
            DelayModel::Pareto { min, alpha, cap } => {
                let kept = 1.0 - libm::pow(min.seconds() / cap.seconds(), *alpha);
                min.scaled(libm::pow(1.0 - u * kept, -1.0 / alpha)).min(*cap)
            }
            DelayModel::Table { quantiles, .. } => between(quantiles, u),
        }
    }

    /// The mean.
    pub fn mean(&self) -> Span {
        match self {
            DelayModel::Constant { value } => *value,
            DelayModel::Uniform { min, max } => Span::from_nanos(min.nanos().midpoint(max.nanos())),
            DelayModel::Exponential { mean, .. } => *mean,
            DelayModel::Normal { mean, deviation, min } => {
                // Of a normal law truncated at a: m + s·φ(a)/(1-Φ(a)).
                let a = below_mean(*min, *mean, *deviation);
                let more = normal_density(a) / (1.0 - normal_cdf(a));
                *mean + deviation.scaled(more)
            }
            DelayModel::Lognormal { min, median, sigma } => {
                *min + median.saturating_sub(*min).scaled(libm::exp(sigma * sigma / 2.0))
            }
            DelayModel::Pareto { min, alpha, cap } => {
                let (m, c, a) = (min.seconds(), cap.seconds(), *alpha);
                let kept = 1.0 - libm::pow(m / c, a);
                let sum = if (a - 1.0).abs() < 1e-9 {
                    libm::log(c / m)
                } else {
                    (libm::pow(m, 1.0 - a) - libm::pow(c, 1.0 - a)) / (a - 1.0)
                };
                Span::from_seconds(a * libm::pow(m, a) * sum / kept)
            }
            DelayModel::Table { quantiles, .. } => {
                // The mean of straight lines between the quantiles.
                let pairs =
                    quantiles.windows(2).map(|w| (w[0].nanos() + w[1].nanos()) as f64 / 2.0);
                match quantiles.len() {
                    0 => Span::ZERO,
                    1 => quantiles[0],
                    n => Span::from_nanos((pairs.sum::<f64>() / (n - 1) as f64) as u64),
                }
            }
        }
    }

    /// Takes the text of a table; says what is wrong with it.
    pub(crate) fn take_table(&mut self, text: &str) -> Result<(), String> {
        let DelayModel::Table { quantiles, .. } = self else { return Ok(()) };
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
        *quantiles = all.into();
        Ok(())
    }
}

/// Where `min` lies, in deviations from the mean.
fn below_mean(min: Span, mean: Span, deviation: Span) -> f64 {
    (min.seconds() - mean.seconds()) / deviation.seconds()
}

/// The quantile `u` of straight lines between rising values.
fn between(values: &[Span], u: f64) -> Span {
    let Some(last) = values.len().checked_sub(1) else { return Span::ZERO };
    let place = u * last as f64;
    let low = (place as usize).min(last);
    let high = (low + 1).min(last);
    let step = values[high].saturating_sub(values[low]);
    values[low] + step.scaled(place - low as f64)
}

impl Default for Delay {
    fn default() -> Self {
        Delay::NONE
    }
}
