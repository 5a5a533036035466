//! Which detector, and its parameters.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::schema::{self, KindKeys};
use skipbeat_core::{ScalarOrTable, Span};

/// How the server judges silence.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Kind, Table>", tag = "kind", rename_all = "kebab-case")]
pub enum DetectorOptions {
    /// Suspected when silent for longer than the server's `timeout`.
    #[default]
    Timeout,
    /// Suspected when silent for longer than so many periods (BFD's detect multiplier).
    Missed {
        /// How many heartbeats in a row may be missed; 3 unless said otherwise.
        misses: u32,
        /// The heartbeat period that the server expects.
        every: Span,
    },
    /// φ-accrual.
    Phi(Phi),
    /// NFD-E of Chen, Toueg and Aguilera. It needs numbered heartbeats.
    Chen(Adaptive),
    /// NFD-E with Bertier's margin. It needs numbered heartbeats.
    Bertier(Adaptive),
}

/// The parameters of φ-accrual.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Phi {
    /// The φ above which a member is suspected, above 0: 8 means that a heartbeat comes later than
    /// that once in 10⁸ times, if the distribution is right.
    pub threshold: f64,
    /// The shape of the distribution's tail.
    pub tail: Tail,
    /// How many gaps are remembered.
    pub window: usize,
    /// The deviation is taken to be at least this: a very regular stream is not suspected at once.
    pub min_deviation: Span,
    /// This much silence more is acceptable, as for a garbage collection.
    pub pause: Span,
    /// The gap that is expected of a new member.
    pub every: Span,
}

/// The shape of the tail that φ is computed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Normal, as in the paper.
    Normal,
    /// Akka's logistic approximation of it.
    Logistic,
    /// Exponential, as Cassandra does: only the mean counts.
    Exponential,
}

/// The parameters of the estimators of arrival times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Adaptive {
    /// The heartbeat period η of the senders.
    pub every: Span,
    /// How many heartbeats the estimate is made from.
    pub window: usize,
    /// The safety margin α (Chen), or the least margin (Bertier).
    pub margin: Span,
}

#[derive(Deserialize, Clone, Copy, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Kind {
    /// Silent for longer than `timeout` of the server.
    Timeout,
    /// Silent for longer than so many periods.
    Missed,
    /// φ-accrual: how unlikely the silence is.
    Phi,
    /// NFD-E: silent for a margin after the heartbeat was expected.
    Chen,
    /// NFD-E with a margin that adapts.
    Bertier,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = kinds)]
struct Table {
    /// How silence is judged.
    kind: Kind,
    /// `missed`: how many heartbeats in a row may be missed, from 1; default 3.
    #[schemars(range(min = 1))]
    misses: Option<u32>,
    /// `phi`: the φ above which a member is suspected, above 0 and up to 15; default 8.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 15))]
    threshold: Option<f64>,
    /// `phi`: the shape of the distribution's tail; default `"normal"`.
    tail: Option<Tail>,
    /// `phi`, `chen`, `bertier`: how many heartbeats the estimate is made from, from 1; default
    /// 1000 for `phi`, else 100.
    #[schemars(range(min = 1))]
    window: Option<usize>,
    /// `phi`: the least deviation; default `"100ms"`.
    min_deviation: Option<Span>,
    /// `phi`: so much silence more is acceptable; default `"0s"`.
    pause: Option<Span>,
    /// The heartbeat period that the detector expects, above zero; default `"5s"`. It does not
    /// follow from that of a group: give it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// `chen`: the margin, default `"5s"`. `bertier`: the least margin, default `"100ms"`.
    margin: Option<Span>,
}

/// What [`Table::check`] says of keys.
fn kinds(schema: &mut Schema) {
    let of = |kind, may_have| KindKeys { kind, needs: &[], may_have };
    let estimates = &["every", "window", "margin"];
    let kinds = [
        of("timeout", &[]),
        of("missed", &["misses", "every"]),
        of("phi", &["threshold", "tail", "window", "min_deviation", "pause", "every"]),
        of("chen", estimates),
        of("bertier", estimates),
    ];
    schema::keys_by_kind(schema, &kinds, None);
}

impl TryFrom<ScalarOrTable<Kind, Table>> for DetectorOptions {
    type Error = String;

    fn try_from(form: ScalarOrTable<Kind, Table>) -> Result<Self, String> {
        let table = match form {
            ScalarOrTable::Table(table) => table,
            ScalarOrTable::Scalar(kind) => Table {
                kind,
                misses: None,
                threshold: None,
                tail: None,
                window: None,
                min_deviation: None,
                pause: None,
                every: None,
                margin: None,
            },
        };
        table.check()?;
        let every = table.every.unwrap_or(Span::from_secs(5));
        Ok(match table.kind {
            Kind::Timeout => DetectorOptions::Timeout,
            Kind::Missed => DetectorOptions::Missed { misses: table.misses.unwrap_or(3), every },
            Kind::Phi => DetectorOptions::Phi(Phi {
                threshold: table.threshold.unwrap_or(8.0),
                tail: table.tail.unwrap_or(Tail::Normal),
                window: table.window.unwrap_or(1000),
                min_deviation: table.min_deviation.unwrap_or(Span::from_millis(100)),
                pause: table.pause.unwrap_or(Span::ZERO),
                every,
            }),
            Kind::Chen => DetectorOptions::Chen(table.adaptive(every, Span::from_secs(5))),
            Kind::Bertier => {
                DetectorOptions::Bertier(table.adaptive(every, Span::from_millis(100)))
            }
        })
    }
}

impl Table {
    fn adaptive(&self, every: Span, margin: Span) -> Adaptive {
        let window = self.window.unwrap_or(100);
        Adaptive { every, window, margin: self.margin.unwrap_or(margin) }
    }

    /// Whether every key belongs to the kind and is in its range.
    fn check(&self) -> Result<(), String> {
        let phi = self.kind == Kind::Phi;
        let estimates = matches!(self.kind, Kind::Chen | Kind::Bertier);
        let keys = [
            ("misses", self.misses.is_some(), self.kind == Kind::Missed),
            ("threshold", self.threshold.is_some(), phi),
            ("tail", self.tail.is_some(), phi),
            ("window", self.window.is_some(), phi || estimates),
            ("min_deviation", self.min_deviation.is_some(), phi),
            ("pause", self.pause.is_some(), phi),
            ("every", self.every.is_some(), self.kind != Kind::Timeout),
            ("margin", self.margin.is_some(), estimates),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, given, belongs)| *given && !belongs) {
            return Err(format!("`{key}` does not belong to this kind of detector"));
        }
        if self.threshold.is_some_and(|phi| !(phi > 0.0 && phi <= 15.0)) {
            return Err("expected a threshold above 0 and up to 15".to_owned());
        }
        if self.window == Some(0) || self.misses == Some(0) || self.every == Some(Span::ZERO) {
            return Err("expected `window`, `misses` and `every` above zero".to_owned());
        }
        Ok(())
    }
}

impl DetectorOptions {
    /// Whether heartbeats must be numbered.
    pub fn wants_numbers(&self) -> bool {
        matches!(self, DetectorOptions::Chen(_) | DetectorOptions::Bertier(_))
    }
}
