//! Thresholds: what a figure has to be. A condition is written as in a scenario: the name of a metric
//! and a text like `>= 0.99`, `p99 <= 250 ms` or `rate <= 0.01`. What they say together is how the run
//! ended.

use serde::{Serialize, Serializer};
use skipbeat_core::Span;

use crate::{Figures, METRICS, Unit};

/// A condition on one figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Threshold {
    /// The metric, by the name of its column.
    pub metric: &'static str,
    /// The group whose figure it is about, by its place and name; none for the whole run.
    pub group: Option<(usize, String)>,
    /// The condition as it was written, without the statistic: that is in the metric.
    pub condition: String,
    relation: Relation,
    limit: f64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Relation {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Below),
    (">", Relation::Above),
];

impl Threshold {
    /// Reads a condition: `[STATISTIC] RELATION VALUE`. The statistic (`mean`, `p50`, `p99`, `max`,
    /// `rate`, `count`) makes the name of a family of metrics that of one of them; the value is a
    /// number, a percentage, or a span of time where the metric is in seconds.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn parse(name: &str, condition: &str) -> Result<Self, String> {
        let found = RELATIONS.iter().find_map(|(sign, relation)| {
            let (statistic, value) = condition.split_once(sign)?;
            Some((statistic.trim(), *relation, format!("{sign} {}", value.trim()), value.trim()))
        });
        let Some((statistic, relation, without_statistic, value)) = found else {
            return Err(format!("expected one of <=, >=, ==, < or > in {condition:?}"));
        };
        let metric = column(name, statistic)?;
        let limit = limit(value).ok_or_else(|| {
            format!("expected a number, a percentage or a time behind the sign in {condition:?}")
        })?;
        Ok(Threshold { metric, group: None, condition: without_statistic, relation, limit })
    }

    /// The same for a group.
    pub fn of_group(self, place: usize, name: &str) -> Self {
        Threshold { group: Some((place, name.to_owned())), ..self }
    }

    /// What a run says of it: by its figures as a whole and those of its groups.
    pub fn judge(&self, whole: &Figures, groups: &[Figures]) -> Judged {
        let figures = match &self.group {
            None => Some(whole),
            Some((place, _)) => groups.get(*place),
        };
        let value = figures.and_then(|figures| figures.get(self.metric));
        let met = value.map(|value| match self.relation {
            Relation::Below => value < self.limit,
            Relation::AtMost => value <= self.limit,
            Relation::Equal => value == self.limit,
            Relation::AtLeast => value >= self.limit,
            Relation::Above => value > self.limit,
        });
        Judged { threshold: self.clone(), value, met }
    }

    /// Whether a run that does not meet it with this figure so far may still come to meet it without
    /// getting better: what is counted only grows.
    pub fn may_come(&self, so_far: Option<f64>) -> bool {
        let metric = crate::metric(self.metric);
        let grows = metric.is_some_and(|metric| metric.unit == Unit::Count);
        grows
            && match self.relation {
                Relation::AtLeast | Relation::Above => true,
                Relation::Equal => so_far.is_none_or(|value| value < self.limit),
                Relation::Below | Relation::AtMost => false,
            }
    }
}

/// What became of a threshold.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// The threshold.
    pub threshold: Threshold,
    /// The figure; none where it is undefined.
    pub value: Option<f64>,
    /// Whether it is met; none where the figure is undefined.
    pub met: Option<bool>,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It can be relied on, and every threshold is met.
    Pass,
    /// A threshold is not met.
    Threshold,
    /// It can't be relied on, or a figure that a threshold asks for is undefined.
    Inconclusive,
    /// Somebody ended it.
    Interrupted,
    /// It failed in the middle, or its files could not be written.
    Failed,
}

impl Outcome {
    /// What the figures say of thresholds, if they can be relied on.
    pub fn of(judged: &[Judged], certain: bool) -> Self {
        let any = |met: Option<bool>| judged.iter().any(|judged| judged.met == met);
        if !certain {
            Outcome::Inconclusive
        } else if any(Some(false)) {
            Outcome::Threshold
        } else if any(None) {
            Outcome::Inconclusive
        } else {
            Outcome::Pass
        }
    }

    /// The name in result files.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Threshold => "threshold",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed => "failed",
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((_, name)) = &self.group {
            write!(f, "{name} ")?;
        }
        write!(f, "{} {}", self.metric, self.condition)
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The column of a metric or of a statistic of it.
fn column(name: &str, statistic: &str) -> Result<&'static str, String> {
    let known = |column: String| crate::metric(&column);
    let candidates = match (name, statistic) {
        (_, "") => vec![name.to_owned(), format!("{name}_s"), format!("{name}_mean_s")],
        ("false_evictions", "rate") => vec!["mistake_rate_per_s".to_owned()],
        (_, "count") => vec![name.to_owned(), format!("{name}_samples")],
        (_, "rate") => vec![format!("{name}_per_s"), format!("{name}_ratio"), name.to_owned()],
        _ => vec![format!("{name}_{statistic}_s"), format!("{name}_{statistic}")],
    };
    let found = candidates.into_iter().find_map(known);
    found.map(|metric| metric.name).ok_or_else(|| {
        let alike = METRICS.iter().map(|metric| metric.name);
        let alike: Vec<_> = alike
            .filter(|metric| metric.starts_with(name.split('_').next().unwrap_or(name)))
            .collect();
        let hint = if alike.is_empty() {
            "docs/metrics.md has all of them".to_owned()
        } else {
            format!("expected one of {}", alike.join(", "))
        };
        let of = if statistic.is_empty() { String::new() } else { format!("{statistic} of ") };
        format!("unknown metric {of}{name:?}: {hint}")
    })
}

fn limit(value: &str) -> Option<f64> {
    if let Some(percent) = value.strip_suffix('%') {
        return percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
    }
    value.parse::<f64>().ok().or_else(|| Some(value.parse::<Span>().ok()?.seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_find_their_column_and_say_whether_they_are_met() {
        let read = |name: &str, condition: &str| Threshold::parse(name, condition);
        let columns = [
            ("delivery_ratio", ">= 99 %", "delivery_ratio"),
            ("eviction_latency", "p99 <= 11s", "eviction_latency_p99_s"),
            ("eviction_latency", "count > 3", "eviction_latency_samples"),
            ("false_evictions", "rate <= 0.01", "mistake_rate_per_s"),
            ("false_evictions", "== 0", "false_evictions"),
            ("latency", "mean < 250 ms", "latency_mean_s"),
            ("deliveries", "rate > 1e5", "deliveries_per_s"),
        ];
        for (name, condition, column) in columns {
            assert_eq!(read(name, condition).unwrap().metric, column);
        }
        let unknown = read("delivery_rate", ">= 1").unwrap_err();
        assert!(unknown.contains("delivery_ratio"), "{unknown}");
        assert!(read("latency", "p98 <= 1s").unwrap_err().contains("p98 of"));
        assert!(read("clients", "<= much").is_err() && read("clients", "5").is_err());
        let with = |ratio| {
            let value = |metric: &crate::Metric| (metric.name == "delivery_ratio").then_some(ratio);
            Figures::from_values(METRICS.iter().map(value).collect()).unwrap()
        };
        let threshold = read("delivery_ratio", ">= 99 %").unwrap();
        let met = |ratio| threshold.judge(&with(ratio), &[]).met;
        assert_eq!((met(0.99), met(0.98)), (Some(true), Some(false)));
        let undefined = read("clients", "> 1").unwrap();
        assert_eq!(undefined.judge(&with(0.98), &[]).met, None);
        let of_group = threshold.of_group(1, "phones");
        let judged = of_group.judge(&with(1.0), &[with(1.0), with(0.5)]);
        assert_eq!((judged.value, judged.met), (Some(0.5), Some(false)));
        assert_eq!(of_group.to_string(), "phones delivery_ratio >= 99 %");
    }

    #[test]
    fn what_only_grows_may_still_reach_a_lower_bound() {
        let may_come =
            |name, condition| Threshold::parse(name, condition).unwrap().may_come(Some(5.0));
        assert!(may_come("deliveries", ">= 100") && !may_come("deliveries", "<= 3"));
        assert!(may_come("evictions", "== 8") && !may_come("false_evictions", "== 0"));
        assert!(!may_come("delivery_ratio", ">= 99 %"));
    }

    #[test]
    fn a_doubt_weighs_more_than_a_threshold_and_that_more_than_an_unknown_figure() {
        let threshold = Threshold::parse("clients", "> 1").unwrap();
        let judged = |met| Judged { threshold: threshold.clone(), value: None, met };
        let of = |met: &[Option<bool>], certain| {
            Outcome::of(&met.iter().map(|met| judged(*met)).collect::<Vec<_>>(), certain)
        };
        assert_eq!(of(&[Some(true)], true), Outcome::Pass);
        assert_eq!(of(&[None, Some(false)], true), Outcome::Threshold);
        assert_eq!(of(&[None, Some(true)], true), Outcome::Inconclusive);
        assert_eq!(of(&[Some(false)], false), Outcome::Inconclusive);
    }
}
