//! Thresholds: conditions that figures must meet. A condition is written as in a scenario: the name
//! of a metric, and a text like `>= 99 %`, `p99.9 <= 250 ms` or `rate <= 0.01`.

use std::fmt;

use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Unit, number};

use crate::figures::CARDS;
use crate::{Figures, Metric};

/// A condition on one figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Threshold {
    /// The metric whose figure it is about.
    pub metric: Metric,
    /// The group, by its number and name; `None` for the whole run.
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
    /// Reads a condition: `[STATISTIC] RELATION VALUE`. With a statistic (`mean`, `sd`, `min`,
    /// `max`, a percentile such as `p50` or `p99.9`, `count`, `rate`) the name is that of a
    /// distribution or of a count. The value is a number; of a ratio also a percentage, of seconds
    /// also a span such as `250 ms`.
    ///
    /// ```
    /// use skipbeat_measure::Threshold;
    /// let threshold = Threshold::parse("latency", "p99.9 <= 250 ms").unwrap();
    /// assert_eq!(threshold.to_string(), "latency_p99.9_s <= 250 ms");
    /// assert!(Threshold::parse("delivery_ratio", ">= 250 ms").is_err());
    /// ```
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
        let metric = metric(name, statistic)?;
        let limit = limit(metric, value)?;
        Ok(Threshold { metric, group: None, condition: without_statistic, relation, limit })
    }

    /// The same condition for the figure of one group.
    pub fn of_group(self, number: usize, name: &str) -> Self {
        Threshold { group: Some((number, name.to_owned())), ..self }
    }

    /// Judges it by the figures of the whole run and of its groups.
    pub fn judge(&self, whole: &Figures, groups: &[Figures]) -> Judged {
        let figures = match &self.group {
            None => Some(whole),
            Some((number, _)) => groups.get(*number),
        };
        let actual = figures.and_then(|figures| figures.figure(self.metric));
        Judged::new(self, actual, actual.map(|actual| self.holds(actual)))
    }

    fn holds(&self, actual: f64) -> bool {
        match self.relation {
            Relation::Below => actual < self.limit,
            Relation::AtMost => actual <= self.limit,
            Relation::Equal => actual == self.limit,
            Relation::AtLeast => actual >= self.limit,
            Relation::Above => actual > self.limit,
        }
    }

    /// Whether a run that does not meet it with this figure so far may still meet it just by going
    /// on: counts only grow.
    pub fn may_still_be_met(&self, so_far: Option<f64>) -> bool {
        self.metric.unit() == Unit::Count
            && match self.relation {
                Relation::AtLeast | Relation::Above => true,
                Relation::Equal => so_far.is_none_or(|value| value < self.limit),
                Relation::Below | Relation::AtMost => false,
            }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, name)) = &self.group {
            write!(f, "{name} ")?;
        }
        write!(f, "{} {}", self.metric.name(), self.condition)
    }
}

impl Serialize for Threshold {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A threshold and how it was judged, as in `run.json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The metric, a column of `summary.csv`.
    pub metric: String,
    /// The group that it is about; `None` for the whole run.
    #[serde(deserialize_with = "Option::deserialize")]
    pub group: Option<String>,
    /// What is required of the figure, such as `>= 99 %`.
    pub required: String,
    /// The figure; `None` if it is undefined.
    #[serde(deserialize_with = "Option::deserialize")]
    pub actual: Option<f64>,
    /// Whether it is met; `None` if the figure is undefined, or the run was interrupted or
    /// failed.
    #[serde(deserialize_with = "Option::deserialize")]
    pub met: Option<bool>,
}

impl Judged {
    /// A threshold with its figure and the judgement.
    pub fn new(threshold: &Threshold, actual: Option<f64>, met: Option<bool>) -> Self {
        Judged {
            metric: threshold.metric.name(),
            group: threshold.group.as_ref().map(|(_, name)| name.clone()),
            required: threshold.condition.clone(),
            actual,
            met,
        }
    }

    /// The metric, after the name of the group if the threshold is about one.
    pub fn subject(&self) -> String {
        let group = self.group.as_ref().map_or(String::new(), |name| format!("{name} "));
        format!("{group}{}", self.metric)
    }

    /// The unit of its figure.
    pub fn unit(&self) -> Unit {
        Metric::named(&self.metric).map_or(Unit::Number, Metric::unit)
    }

    /// The figure for display; see [`show_actual`].
    pub fn shown(&self) -> String {
        show_actual(self.unit(), self.actual, self.met)
    }

    /// The judgement in words.
    pub fn words(&self) -> &'static str {
        match (self.met, self.actual) {
            (Some(true), _) => "met",
            (Some(false), _) => "not met",
            (None, None) => "undefined",
            (None, Some(_)) => "not judged",
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject(), self.required)
    }
}

/// The metric of a name, or of a statistic of it.
fn metric(name: &str, statistic: &str) -> Result<Metric, String> {
    let candidates = match (name, statistic) {
        (_, "") => vec![name.to_owned(), format!("{name}_s"), format!("{name}_mean_s")],
        ("false_evictions", "rate") => vec!["mistake_rate_per_s".to_owned()],
        (_, "count") => vec![name.to_owned(), format!("{name}_samples")],
        (_, "rate") => vec![format!("{name}_per_s"), format!("{name}_ratio"), name.to_owned()],
        _ => vec![format!("{name}_{statistic}_s"), format!("{name}_{statistic}")],
    };
    let found = candidates.iter().find_map(|candidate| Metric::named(candidate));
    found.ok_or_else(|| unknown(name, statistic))
}

/// The message for a metric that does not exist, with those that come close.
fn unknown(name: &str, statistic: &str) -> String {
    let of = if statistic.is_empty() { String::new() } else { format!("{statistic} of ") };
    if let Some(card) = CARDS.iter().find(|card| card.name == name) {
        let known = match card.statistics {
            [] => "it is a single number and takes no statistic".to_owned(),
            statistics => {
                let fixed = statistics.iter().map(|statistic| statistic.suffix());
                let fixed: Vec<String> = fixed.collect();
                format!("expected {} or a percentile such as p99.9", fixed.join(", "))
            }
        };
        return format!("unknown metric {of}{name:?}: {known}");
    }
    let word = name.split('_').next().unwrap_or(name);
    let alike = CARDS.iter().map(|card| card.name).filter(|other| other.starts_with(word));
    let alike: Vec<&str> = alike.collect();
    let hint = if alike.is_empty() {
        "docs/metrics.md has all of them".to_owned()
    } else {
        format!("expected one of {}", alike.join(", "))
    };
    format!("unknown metric {of}{name:?}: {hint}")
}

/// The value of a condition, in the unit of its metric.
fn limit(metric: Metric, value: &str) -> Result<f64, String> {
    let plain = value.parse::<f64>().ok();
    let percentage = value.strip_suffix('%').and_then(|text| text.trim().parse::<f64>().ok());
    let span = value.parse::<Span>().ok();
    let (limit, expected) = match metric.unit() {
        Unit::Ratio => {
            (percentage.map(|p| p / 100.0).or(plain), "a number from 0 to 1 or a percentage")
        }
        Unit::Seconds => (span.map(Span::seconds).or(plain), "a time such as 250 ms, or seconds"),
        Unit::PerSecond => (plain, "a number per second"),
        _ => (plain, "a plain number"),
    };
    let name = metric.name();
    match limit.filter(|limit| limit.is_finite() && *limit >= 0.0) {
        Some(limit) => Ok(limit),
        None => Err(format!("expected {expected} for {name}, got {value:?}")),
    }
}

/// A figure beside what a threshold requires of it; with more digits if the threshold is not met,
/// so that a near miss shows.
///
/// ```
/// use skipbeat_core::Unit;
/// use skipbeat_measure::show_actual;
///
/// assert_eq!(show_actual(Unit::Ratio, Some(0.9131), Some(true)), "91.31 %");
/// assert_eq!(show_actual(Unit::Ratio, Some(0.9131), Some(false)), "91.31 % (0.913100)");
/// assert_eq!(show_actual(Unit::PerSecond, Some(0.0005), Some(true)), "0.0005 /s = 1.8 /h");
/// ```
pub fn show_actual(unit: Unit, actual: Option<f64>, met: Option<bool>) -> String {
    let shown = unit.show(actual);
    // A small rate reads per hour, but is required per second.
    if let (Unit::PerSecond, Some(rate)) = (unit, actual)
        && !shown.ends_with("/s")
    {
        return format!("{} /s = {shown}", number::number(rate));
    }
    match (met, actual) {
        (Some(false), Some(actual)) if actual.fract() != 0.0 => format!("{shown} ({actual:.6})"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Columns;

    fn read(name: &str, condition: &str) -> Result<Threshold, String> {
        Threshold::parse(name, condition)
    }

    /// Figures of which only one is defined.
    fn with(name: &str, value: f64) -> Figures {
        let columns = Columns::default();
        let values = columns.names().map(|own| (own == name).then_some(value)).collect();
        Figures::from_values(&columns, values).unwrap()
    }

    #[test]
    fn conditions_find_their_column() {
        let columns = [
            ("delivery_ratio", ">= 99 %", "delivery_ratio"),
            ("eviction_latency", "p99 <= 11s", "eviction_latency_p99_s"),
            ("eviction_latency", "p99.99 <= 11s", "eviction_latency_p99.99_s"),
            ("eviction_latency", "count > 3", "eviction_latency_samples"),
            ("false_evictions", "rate <= 0.01", "mistake_rate_per_s"),
            ("false_evictions", "== 0", "false_evictions"),
            ("latency", "mean < 250 ms", "latency_mean_s"),
            ("latency_p95_s", "< 0.25", "latency_p95_s"),
            ("deliveries", "rate > 1e5", "deliveries_per_s"),
        ];
        for (name, condition, column) in columns {
            assert_eq!(read(name, condition).unwrap().metric.name(), column);
        }
    }

    #[test]
    fn what_is_unknown_or_does_not_fit_its_metric_is_a_mistake() {
        for (name, condition, said) in [
            ("delivery_rate", ">= 1", "delivery_ratio"),
            ("latency", "p98.12345 <= 1s", "percentile such as p99.9"),
            ("delivery_ratio", "p99 >= 1", "takes no statistic"),
            ("age", "max <= 1s", "expected mean or a percentile"),
            ("clients", "<= much", "a plain number for clients"),
            ("clients", "5", "<=, >=, ==, < or >"),
            ("clients", "<= 5 %", "a plain number for clients"),
            ("delivery_ratio", ">= 250 ms", "a percentage"),
            ("latency", "p99 <= 5 %", "a time such as 250 ms"),
            ("false_evictions", "rate <= 1s", "a number per second"),
            ("delivery_ratio", ">= nan", "a percentage"),
            ("latency", "p99 <= inf", "a time"),
            ("delivery_ratio", ">= -1", "a percentage"),
        ] {
            let error = read(name, condition).unwrap_err();
            assert!(error.contains(said), "{name} {condition}: {error}");
        }
    }

    #[test]
    fn a_threshold_is_about_its_group_and_its_metric() {
        let threshold = read("delivery_ratio", ">= 99 %").unwrap();
        let met = |ratio| threshold.judge(&with("delivery_ratio", ratio), &[]).met;
        assert_eq!((met(0.99), met(0.98)), (Some(true), Some(false)));
        let undefined = read("clients", "> 1").unwrap();
        assert_eq!(undefined.judge(&with("delivery_ratio", 0.98), &[]).met, None);
        let of_group = threshold.of_group(1, "phones");
        let groups = [1.0, 0.5].map(|ratio| with("delivery_ratio", ratio));
        let judged = of_group.judge(&with("delivery_ratio", 1.0), &groups);
        assert_eq!((judged.actual, judged.met), (Some(0.5), Some(false)));
        assert_eq!(of_group.to_string(), "phones delivery_ratio >= 99 %");
        assert_eq!(judged.to_string(), of_group.to_string());
    }

    #[test]
    fn what_only_grows_may_still_reach_a_lower_bound() {
        let may = |name, condition| read(name, condition).unwrap().may_still_be_met(Some(5.0));
        assert!(may("deliveries", ">= 100") && !may("deliveries", "<= 3"));
        assert!(may("evictions", "== 8") && !may("false_evictions", "== 0"));
        assert!(!may("delivery_ratio", ">= 99 %"));
    }
}
