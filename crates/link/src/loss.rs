//! Loss models: which datagrams never arrive. Every formula of them stands here.
//!
//! References: Gilbert 1960, Elliott 1963; Salsano, Ludovici, Ordine, Giannuzzi, *Definition of a
//! general and intuitive loss model for packet networks*, 2012 (the four states of netem);
//! Hasslinger and Hohlfeld, MMB 2008 (variances).

use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skipbeat_core::schema::{self, KindKeys};
use skipbeat_core::{Probability, ScalarOrTable, Span, Stream, Time};

use crate::Class;

/// Which datagrams a link loses.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Probability, Table>")]
pub struct Loss {
    /// The model.
    pub model: LossModel,
    /// The datagrams that the model looks at; all where empty. The others pass, and do not move
    /// the model on.
    pub only: Vec<Class>,
}

/// Models of loss. `πB`, `πG` are the stationary shares of the bad and the good state.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LossModel {
    /// Each datagram by itself with the same probability: mean loss `p`, mean loss run `1/(1-p)`.
    Bernoulli {
        /// The probability that a datagram is lost.
        probability: Probability,
    },
    /// Two states that change with each datagram: mean loss `πG·eG + πB·eB`, `πB = p/(p+r)`. The
    /// loss of a datagram is drawn in the state before its own transition.
    GilbertElliott {
        /// P(good → bad).
        p: Probability,
        /// P(bad → good).
        r: Probability,
        /// Loss in the good state, `eG`.
        good_loss: Probability,
        /// Loss in the bad state, `eB`.
        bad_loss: Probability,
    },
    /// Two states that change with time: what sparse datagrams such as heartbeats need. Both states
    /// last exponential times; `P(bad at t+D | bad at t) = πB + πG·exp(-(λ+μ)D)`.
    GilbertElliottTime {
        /// The mean time in the good state, `1/λ`.
        mean_good: Span,
        /// The mean time in the bad state, `1/μ`: the mean outage where `eB` is 1.
        mean_bad: Span,
        /// Loss in the good state.
        good_loss: Probability,
        /// Loss in the bad state.
        bad_loss: Probability,
    },
    /// The four states of netem's `loss state`: 1 received in a gap, 2 received in a burst, 3 lost
    /// in a burst, 4 lost by itself in a gap. Mean loss `π3 + π4`.
    Markov4 {
        /// P(1 → 3).
        p13: Probability,
        /// P(3 → 1).
        p31: Probability,
        /// P(3 → 2).
        p32: Probability,
        /// P(2 → 3).
        p23: Probability,
        /// P(1 → 4).
        p14: Probability,
    },
    /// Exactly these datagrams of each link, of those that the model looks at, counted from 0.
    List {
        /// Their numbers, rising.
        indices: Vec<u32>,
    },
    /// Every n-th datagram of each link.
    Every {
        /// n, from 1: the first that is lost has the number n - 1.
        n: u32,
    },
    /// As a trace says, which is repeated: 0 stands for a lost datagram, 1 for one that arrives.
    Trace {
        /// The file with the trace: digits 0 and 1, white space, and comments behind `#`.
        file: String,
        /// What is in it; empty until it was read.
        #[serde(serialize_with = "crate::options::fingerprint")]
        #[schemars(with = "String")]
        arrives: Arc<[bool]>,
    },
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a probability or a table `{ kind, … }`")]
#[schemars(transform = kinds)]
struct Table {
    /// The model; it has to be given.
    kind: Option<Kind>,
    /// The datagrams that the model looks at; all where empty or not given. A join is a heartbeat.
    only: Vec<Class>,
    /// `bernoulli`: the probability that a datagram is lost.
    probability: Option<Probability>,
    /// `gilbert-elliott`: P(good → bad) with each datagram. It goes with `r`.
    p: Option<Probability>,
    /// `gilbert-elliott`: P(bad → good) with each datagram. It goes with `p`.
    r: Option<Probability>,
    /// `gilbert-elliott`: the loss that is observed. It goes with `burst`, in the place of `p`, `r`.
    loss: Option<Probability>,
    /// `gilbert-elliott`: mean datagrams in the bad state, from 1. It goes with `loss`.
    #[schemars(range(min = 1))]
    burst: Option<f64>,
    /// Both `gilbert-elliott`: loss in the good state; default 0.
    good_loss: Option<Probability>,
    /// Both `gilbert-elliott`: loss in the bad state; default 1.
    bad_loss: Option<Probability>,
    /// `gilbert-elliott-time`: the mean time in the good state, above zero.
    #[schemars(transform = schema::above_zero)]
    mean_good: Option<Span>,
    /// `gilbert-elliott-time`: the mean time in the bad state, above zero.
    #[schemars(transform = schema::above_zero)]
    mean_bad: Option<Span>,
    /// `markov4`: P(1 → 3), from received in a gap to lost in a burst; default 0.
    p13: Option<Probability>,
    /// `markov4`: P(3 → 1); default 0, above it where `p13` is.
    p31: Option<Probability>,
    /// `markov4`: P(3 → 2), from lost to received in a burst; default 0.
    p32: Option<Probability>,
    /// `markov4`: P(2 → 3); default 0, above it where `p32` is.
    p23: Option<Probability>,
    /// `markov4`: P(1 → 4), a loss by itself in a gap; default 0.
    p14: Option<Probability>,
    /// `list`: the numbers of the datagrams of each link that are lost, from 0.
    indices: Option<Vec<u32>>,
    /// `every`: every n-th datagram is lost, from 1.
    #[schemars(range(min = 1))]
    n: Option<u32>,
    /// `trace`: a file of 0 (lost) and 1, repeated. It is looked for where the scenario lies.
    file: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Kind {
    /// Each datagram by itself with the same probability.
    Bernoulli,
    /// Two states that change with each datagram: bursts of datagrams.
    GilbertElliott,
    /// Two states that change with time: bursts for sparse datagrams such as heartbeats.
    GilbertElliottTime,
    /// The four states of netem.
    #[serde(rename = "markov4")]
    Markov4,
    /// Exactly these datagrams of each link.
    List,
    /// Every n-th datagram of each link.
    Every,
    /// As a file says.
    Trace,
}

/// What [`model`] takes.
fn kinds(schema: &mut Schema) {
    let of = |kind, needs, may_have| KindKeys { kind, needs, may_have };
    let kinds = [
        of("bernoulli", &["probability"], &["only"]),
        of("gilbert-elliott", &[], &["only", "p", "r", "loss", "burst", "good_loss", "bad_loss"]),
        of("gilbert-elliott-time", &["mean_good", "mean_bad"], &["only", "good_loss", "bad_loss"]),
        of("markov4", &[], &["only", "p13", "p31", "p32", "p23", "p14"]),
        of("list", &["indices"], &["only"]),
        of("every", &["n"], &["only"]),
        of("trace", &["file"], &["only"]),
    ];
    schema::keys_by_kind(schema, &kinds, None);
    schema::require(schema, "kind");
    schema::also(schema, beyond_keys());
}

/// What two states and four states ask for beyond their keys.
fn beyond_keys() -> [Value; 3] {
    let without = |keys: [&str; 2]| json!({ keys[0]: false, keys[1]: false });
    let pair = |these: [&str; 2], those| json!({ "required": these, "properties": without(those) });
    let (chances, observed) = (["p", "r"], ["loss", "burst"]);
    let above_zero = json!({ "not": { "enum": [0, "0%", "0 %"] } });
    let comes_back = |from: &str, back: &str| {
        json!({
            "if": { "required": [from], "properties": { from: above_zero } },
            "then": { "required": [back], "properties": { back: above_zero } },
        })
    };
    let either = json!({
        "if": { "properties": { "kind": { "const": "gilbert-elliott" } } },
        "then": { "oneOf": [pair(chances, observed), pair(observed, chances)] },
    });
    [either, comes_back("p13", "p31"), comes_back("p32", "p23")]
}

impl TryFrom<ScalarOrTable<Probability, Table>> for Loss {
    type Error = String;

    fn try_from(form: ScalarOrTable<Probability, Table>) -> Result<Self, String> {
        let table = match form {
            ScalarOrTable::Scalar(probability) => return Ok(Loss::bernoulli(probability)),
            ScalarOrTable::Table(table) => table,
        };
        let only = table.only.clone();
        let model = model(table)?;
        Ok(Loss { model, only })
    }
}

/// Takes what a kind needs out of the table; what is left over is a mistake.
fn model(mut t: Table) -> Result<LossModel, String> {
    let (zero, one) = (Probability::ZERO, Probability::ONE);
    let kind = t.kind.take().ok_or("a model of loss needs its `kind`")?;
    let need = |what: &str| format!("this model of loss needs {what}");
    let model = match kind {
        Kind::Bernoulli => LossModel::Bernoulli {
            probability: t.probability.take().ok_or_else(|| need("`probability`"))?,
        },
        Kind::GilbertElliott => {
            let good_loss = t.good_loss.take().unwrap_or(zero);
            let bad_loss = t.bad_loss.take().unwrap_or(one);
            let (p, r) = match (t.p.take(), t.r.take(), t.loss.take(), t.burst.take()) {
                (Some(p), Some(r), None, None) => (p, r),
                (None, None, Some(loss), Some(burst)) => {
                    observed(loss, burst, good_loss, bad_loss)?
                }
                _ => return Err(need("`p` and `r`, or `loss` and `burst`")),
            };
            LossModel::GilbertElliott { p, r, good_loss, bad_loss }
        }
        Kind::GilbertElliottTime => {
            let spans = (t.mean_good.take(), t.mean_bad.take());
            let (Some(mean_good), Some(mean_bad)) = spans else {
                return Err(need("`mean_good` and `mean_bad`"));
            };
            if mean_good.is_zero() || mean_bad.is_zero() {
                return Err("expected mean times above zero".to_owned());
            }
            LossModel::GilbertElliottTime {
                mean_good,
                mean_bad,
                good_loss: t.good_loss.take().unwrap_or(zero),
                bad_loss: t.bad_loss.take().unwrap_or(one),
            }
        }
        Kind::Markov4 => {
            let all = [&mut t.p13, &mut t.p31, &mut t.p32, &mut t.p23, &mut t.p14];
            markov4(all.map(|p| p.take().unwrap_or(zero)))?
        }
        Kind::List => {
            let mut indices = t.indices.take().ok_or_else(|| need("`indices`"))?;
            indices.sort_unstable();
            LossModel::List { indices }
        }
        Kind::Every => match t.n.take() {
            Some(n) if n > 0 => LossModel::Every { n },
            _ => return Err(need("`n`, from 1")),
        },
        Kind::Trace => {
            let file = t.file.take().ok_or_else(|| need("`file`"))?;
            LossModel::Trace { file, arrives: Arc::new([]) }
        }
    };
    let left = [t.probability, t.p, t.r, t.loss, t.good_loss, t.bad_loss, t.p13, t.p31, t.p32];
    let left = left.iter().chain(&[t.p23, t.p14]).any(Option::is_some)
        || t.burst.is_some()
        || t.mean_good.is_some()
        || t.mean_bad.is_some()
        || t.indices.is_some()
        || t.n.is_some()
        || t.file.is_some();
    if left {
        Err("a key that does not belong to this model of loss".to_owned())
    } else {
        Ok(model)
    }
}

/// The four states, if they are a chain that comes back.
fn markov4([p13, p31, p32, p23, p14]: [Probability; 5]) -> Result<LossModel, String> {
    if p13.get() + p14.get() > 1.0 || p31.get() + p32.get() > 1.0 {
        return Err("expected p13 + p14 and p31 + p32 of at most 1".to_owned());
    }
    if !p13.is_zero() && p31.is_zero() || !p32.is_zero() && p23.is_zero() {
        let message = "a state that is never left: where p13 is above 0 p31 must be, and where p32 \
                       is p23";
        return Err(message.to_owned());
    }
    Ok(LossModel::Markov4 { p13, p31, p32, p23, p14 })
}

/// The transitions that give an observed loss rate and mean stay in the bad state: `r = 1/length`,
/// `πB = (PL-eG)/(eB-eG)`, `p = r·πB/(1-πB)`.
fn observed(
    loss: Probability,
    burst: f64,
    good_loss: Probability,
    bad_loss: Probability,
) -> Result<(Probability, Probability), String> {
    if !(burst >= 1.0 && burst.is_finite()) {
        return Err(format!("expected a mean burst of at least 1 datagram, got {burst}"));
    }
    let bad = (loss.get() - good_loss.get()) / (bad_loss.get() - good_loss.get());
    let r = 1.0 / burst;
    let p = r * bad / (1.0 - bad);
    match (Probability::new(p), Probability::new(r)) {
        (Some(p), Some(r)) if (0.0..1.0).contains(&bad) => Ok((p, r)),
        _ => Err(format!(
            "no Gilbert-Elliott model has a loss of {} in bursts of {burst}: expected longer \
             bursts, or a loss between good_loss and bad_loss",
            loss.get()
        )),
    }
}

/// What a link remembers for its loss model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossState {
    /// The state of the chain, from 1; 0 until the first datagram.
    state: u8,
    /// When it was looked at last.
    last: Time,
    /// How many datagrams the model has looked at.
    seen: u32,
}

impl LossState {
    /// The losses to come have nothing to do with those before.
    pub(crate) fn forget(&mut self) {
        self.state = 0;
    }
}

/// The draws of first states stand behind those of all datagrams.
const FIRST: u64 = u64::MAX;
const GOOD: u8 = 1;
const BAD: u8 = 2;

impl Loss {
    /// No loss.
    pub const NONE: Loss = Loss::bernoulli(Probability::ZERO);

    /// Each datagram by itself.
    pub const fn bernoulli(probability: Probability) -> Self {
        Loss { model: LossModel::Bernoulli { probability }, only: Vec::new() }
    }

    /// Whether it never loses anything.
    pub fn is_none(&self) -> bool {
        matches!(self.model, LossModel::Bernoulli { probability } if probability.is_zero())
    }

    /// Whether the model looks at a datagram of this class.
    #[inline]
    pub(crate) fn heeds(&self, class: Class) -> bool {
        self.only.is_empty() || self.only.contains(&class)
    }

    /// The probability, where each datagram is lost by itself and nothing is remembered.
    #[inline]
    pub(crate) fn alone(&self) -> Option<Probability> {
        match self.model {
            LossModel::Bernoulli { probability } => Some(probability),
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
        match &self.model {
            LossModel::List { indices } => indices.binary_search(&number).is_ok(),
            LossModel::Every { n } => (u64::from(number) + 1).is_multiple_of(u64::from(*n)),
            LossModel::Trace { arrives, .. } => {
                !arrives.is_empty() && !arrives[number as usize % arrives.len()]
            }
            _ => self.model.step(state, stream, index, now),
        }
    }
}

impl LossModel {
    /// A step of the models that remember.
    fn step(&self, memory: &mut LossState, stream: Stream, index: u64, now: Time) -> bool {
        let (chance, change) = (stream.bits(2 * index), stream.unit(2 * index + 1));
        let first = memory.state == 0;
        match self {
            LossModel::GilbertElliott { p, r, good_loss, bad_loss } => {
                if first {
                    memory.state = self.first_state(stream, index);
                }
                let bad = memory.state == BAD;
                let lost = if bad { bad_loss } else { good_loss }.decides(chance);
                let leaves = change < if bad { r.get() } else { p.get() };
                memory.state = if bad == leaves { GOOD } else { BAD };
                lost
            }
            LossModel::GilbertElliottTime { good_loss, bad_loss, .. } => {
                let bad = if first {
                    self.first_state(stream, index) == BAD
                } else {
                    change < self.bad_after(memory.state == BAD, now.since(memory.last))
                };
                memory.state = if bad { BAD } else { GOOD };
                memory.last = now;
                if bad { bad_loss } else { good_loss }.decides(chance)
            }
            LossModel::Markov4 { p13, p31, p32, p23, p14 } => {
                if first {
                    memory.state = self.first_state(stream, index);
                }
                memory.state = match memory.state {
                    1 if change < p14.get() => 4,
                    1 if change < p14.get() + p13.get() => 3,
                    2 if change < p23.get() => 3,
                    3 if change < p32.get() => 2,
                    3 if change < p32.get() + p31.get() => 1,
                    4 => 1,
                    state => state,
                };
                memory.state >= 3
            }
            _ => false,
        }
    }

    /// A state drawn with its stationary probability, for a model that begins at `index`.
    fn first_state(&self, stream: Stream, index: u64) -> u8 {
        let mut rest = stream.unit(FIRST - index);
        for (state, share) in (1..).zip(self.stationary()) {
            if rest < share {
                return state;
            }
            rest -= share;
        }
        GOOD
    }

    /// The probability of the bad state a time after it was known.
    fn bad_after(&self, bad: bool, time: Span) -> f64 {
        let LossModel::GilbertElliottTime { mean_good, mean_bad, .. } = self else { return 0.0 };
        let share = self.stationary()[1];
        let rate = 1.0 / mean_good.seconds() + 1.0 / mean_bad.seconds();
        let now = if bad { 1.0 } else { 0.0 };
        share + (now - share) * libm::exp(-rate * time.seconds())
    }

    /// The stationary probabilities of the states of a chain.
    fn stationary(&self) -> [f64; 4] {
        match self {
            LossModel::GilbertElliott { p, r, .. } => {
                let sum = p.get() + r.get();
                let bad = if sum > 0.0 { p.get() / sum } else { 0.0 };
                [1.0 - bad, bad, 0.0, 0.0]
            }
            LossModel::GilbertElliottTime { mean_good, mean_bad, .. } => {
                let bad = mean_bad.seconds() / (mean_bad.seconds() + mean_good.seconds());
                [1.0 - bad, bad, 0.0, 0.0]
            }
            LossModel::Markov4 { p13, p31, p32, p23, p14 } => {
                let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(|p| p.get());
                let ratio = |a: f64, b: f64| if a == 0.0 { 0.0 } else { a / b };
                let three = ratio(p13, p31);
                let two = three * ratio(p32, p23);
                let one = 1.0 / (1.0 + p14 + three + two);
                [one, one * two, one * three, one * p14]
            }
            _ => [1.0, 0.0, 0.0, 0.0],
        }
    }

    /// The loss in each state of a chain.
    fn loss_by_state(&self) -> [f64; 4] {
        match self {
            LossModel::GilbertElliott { good_loss, bad_loss, .. }
            | LossModel::GilbertElliottTime { good_loss, bad_loss, .. } => {
                [good_loss.get(), bad_loss.get(), 0.0, 0.0]
            }
            LossModel::Markov4 { .. } => [0.0, 0.0, 1.0, 1.0],
            _ => [0.0; 4],
        }
    }

    /// The transitions of a chain from one datagram to the next, `spacing` later.
    fn transitions(&self, spacing: Span) -> [[f64; 4]; 4] {
        let mut m = [[0.0; 4]; 4];
        match self {
            LossModel::GilbertElliott { p, r, .. } => {
                m[0] = [1.0 - p.get(), p.get(), 0.0, 0.0];
                m[1] = [r.get(), 1.0 - r.get(), 0.0, 0.0];
            }
            LossModel::GilbertElliottTime { .. } => {
                for (state, row) in m.iter_mut().take(2).enumerate() {
                    let bad = self.bad_after(state == 1, spacing);
                    *row = [1.0 - bad, bad, 0.0, 0.0];
                }
            }
            LossModel::Markov4 { p13, p31, p32, p23, p14 } => {
                let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(|p| p.get());
                m[0] = [1.0 - p13 - p14, 0.0, p13, p14];
                m[1] = [0.0, 1.0 - p23, p23, 0.0];
                m[2] = [p31, p32, 1.0 - p31 - p32, 0.0];
                m[3] = [1.0, 0.0, 0.0, 0.0];
            }
            _ => {}
        }
        m
    }

    /// The mean loss `PL`, where it follows from the model alone.
    pub fn mean(&self) -> Option<f64> {
        match self {
            LossModel::Bernoulli { probability } => Some(probability.get()),
            LossModel::List { .. } => None,
            LossModel::Every { n } => Some(1.0 / f64::from(*n)),
            LossModel::Trace { arrives, .. } => {
                let lost = arrives.iter().filter(|arrives| !**arrives).count();
                (!arrives.is_empty()).then(|| lost as f64 / arrives.len() as f64)
            }
            _ => {
                let pairs = self.stationary().into_iter().zip(self.loss_by_state());
                Some(pairs.map(|(share, loss)| share * loss).sum())
            }
        }
    }

    /// The mean run of consecutive losses `PL/(PL-PLL)` of datagrams that are `spacing` apart.
    pub fn mean_run(&self, spacing: Span) -> Option<f64> {
        match self {
            LossModel::Bernoulli { probability } => {
                let p = probability.get();
                (p > 0.0 && p < 1.0).then(|| 1.0 / (1.0 - p))
            }
            LossModel::List { .. } | LossModel::Every { .. } | LossModel::Trace { .. } => None,
            _ => {
                let loss = self.mean()?;
                let both = self.covariances(spacing).next()? + loss * loss;
                (loss > both).then(|| loss / (loss - both))
            }
        }
    }

    /// The covariances of the losses of two datagrams of a link, 1, 2, 3 … datagrams apart.
    fn covariances(&self, spacing: Span) -> impl Iterator<Item = f64> + use<> {
        let (shares, losses) = (self.stationary(), self.loss_by_state());
        let transitions = self.transitions(spacing);
        let mean: f64 = shares.iter().zip(losses).map(|(share, loss)| share * loss).sum();
        let mut ahead = losses;
        std::iter::repeat_with(move || {
            ahead = transitions.map(|row| row.iter().zip(ahead).map(|(p, e)| p * e).sum());
            let both: f64 = (0..4).map(|s| shares[s] * losses[s] * ahead[s]).sum();
            both - mean * mean
        })
    }

    /// V: the variance of the realised loss over n datagrams of one link is V/n. Plain binomial
    /// intervals are too narrow for loss in bursts: `V = PL(1-PL) + 2Σ cov(k)`, which is
    /// `PL(1-PL)(1 + 2C1/(PL(1-PL)(1-a)))`, `a = 1-p-r`, for two states.
    pub fn variance(&self, spacing: Span) -> Option<f64> {
        let mean = self.mean()?;
        let own = mean * (1.0 - mean);
        match self {
            LossModel::Bernoulli { .. } => Some(own),
            LossModel::List { .. } | LossModel::Every { .. } | LossModel::Trace { .. } => None,
            _ => {
                let worth_it = |covariance: &f64| covariance.abs() > 1e-9 * own;
                let rest: f64 =
                    self.covariances(spacing).take(1_000_000).take_while(worth_it).sum();
                Some((own + 2.0 * rest).max(0.0))
            }
        }
    }

    /// Takes the text of a trace; says what is wrong with it.
    pub(crate) fn take_trace(&mut self, text: &str) -> Result<(), String> {
        let LossModel::Trace { arrives, .. } = self else { return Ok(()) };
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
        *arrives = all.into();
        Ok(())
    }
}

impl Default for Loss {
    fn default() -> Self {
        Loss::NONE
    }
}
