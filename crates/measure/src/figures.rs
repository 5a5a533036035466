//! Figures: a pure function of a tally, for all groups or for one.

use std::sync::{Arc, LazyLock};

use skipbeat_core::{Applies, Card, Percentile, Statistic};
use skipbeat_workload::WORKLOAD_CARDS;

use crate::RunTally;
use crate::cards::{OF_DATAGRAMS, common};
use crate::view::View;

/// Every card: the common ones, then those of the workloads, in the order of columns.
pub static CARDS: LazyLock<Vec<Card>> = LazyLock::new(|| {
    let common = common().map(|measure| measure.card);
    common.chain(WORKLOAD_CARDS.iter().map(|(_, card)| *card)).collect()
});

/// A metric: a card, with one of its statistics if it is of a distribution.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its card.
    pub card: &'static Card,
    /// Which statistic of a distribution; `None` if the card is of a single number.
    pub statistic: Option<Statistic>,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        self.card.name == other.card.name && self.statistic == other.statistic
    }
}

impl Metric {
    /// The metric of a name such as `delivery_ratio` or `latency_p99.9_s`, if there is one.
    ///
    /// ```
    /// use skipbeat_measure::Metric;
    /// let metric = Metric::named("latency_p99.9_s").unwrap();
    /// assert_eq!(metric.name(), "latency_p99.9_s");
    /// assert!(Metric::named("latency_p_s").is_none());
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        CARDS.iter().find_map(|card| {
            if card.statistics.is_empty() {
                return (card.name == name).then_some(Metric { card, statistic: None });
            }
            let suffix = name.strip_prefix(card.name)?.strip_prefix('_')?;
            let fixed = card.statistics.iter().copied();
            let percentile = suffix.strip_suffix("_s").and_then(|text| text.parse().ok());
            let all = fixed.chain(percentile.map(Statistic::Percentile));
            let mut metrics = all.map(|statistic| Metric { card, statistic: Some(statistic) });
            metrics.find(|metric| metric.name() == name)
        })
    }

    /// Its name: the column, and the key in JSON.
    pub fn name(self) -> String {
        match self.statistic {
            None => self.card.name.to_owned(),
            Some(Statistic::Samples) => format!("{}_samples", self.card.name),
            Some(statistic) => format!("{}_{}_s", self.card.name, statistic.suffix()),
        }
    }

    /// Its name for display, in lower case.
    pub fn label(self) -> String {
        match self.statistic {
            None => self.card.label.to_owned(),
            Some(statistic) => format!("{}, {}", self.card.label, statistic.label()),
        }
    }

    /// Its unit.
    pub fn unit(self) -> skipbeat_core::Unit {
        match self.statistic {
            Some(Statistic::Samples) => skipbeat_core::Unit::Count,
            _ => self.card.unit,
        }
    }

    /// Which way it should go, where one way is better.
    pub fn better(self) -> Option<skipbeat_core::Better> {
        let neither = [Some(Statistic::Samples), Some(Statistic::Deviation), Some(Statistic::Min)];
        self.card.better.filter(|_| !neither.contains(&self.statistic))
    }

    /// Whether it is worth showing, given the figures by name: it is defined, and the condition of
    /// its card holds.
    pub fn says(self, figure: impl Fn(&str) -> Option<f64>) -> bool {
        let Some(value) = figure(&self.name()) else { return false };
        match self.card.applies {
            Applies::Defined => true,
            Applies::NotZero => value != 0.0,
            Applies::Where(other) => figure(other).is_some_and(|value| value > 0.0),
        }
    }

    /// The metrics that summaries show first, in order.
    pub fn headlines() -> Vec<Metric> {
        let mut ranked: Vec<&'static Card> =
            CARDS.iter().filter(|card| card.rank.is_some()).collect();
        ranked.sort_by_key(|card| card.rank);
        let metrics = ranked.into_iter().flat_map(|card| match card.headline {
            [] => vec![Metric { card, statistic: None }],
            statistics => {
                let of = |statistic: &Statistic| Metric { card, statistic: Some(*statistic) };
                statistics.iter().map(of).collect()
            }
        });
        metrics.collect()
    }
}

/// The columns of the figures of a run, in order: every metric, with the percentiles that its
/// scenario asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Columns(Arc<Vec<(String, Metric)>>);

/// The percentiles that are written unless a scenario chooses others.
pub const PERCENTILES: [Percentile; 4] =
    [Percentile::P50, Percentile::P90, Percentile::P99, Percentile::P999];

impl Default for Columns {
    fn default() -> Self {
        Columns::new(&PERCENTILES, &[])
    }
}

impl Columns {
    /// Columns with these percentiles of every distribution. The metrics `beside` and the metrics
    /// that summaries always show are columns too.
    pub fn new(percentiles: &[Percentile], beside: &[Metric]) -> Self {
        let mut all = Vec::new();
        for card in CARDS.iter() {
            let mut statistics: Vec<Option<Statistic>> = Vec::new();
            if card.statistics.is_empty() {
                statistics.push(None);
            } else {
                let own = beside.iter().filter(|metric| metric.card.name == card.name);
                let own = own.filter_map(|metric| metric.statistic);
                let own = own.chain(card.headline.iter().copied());
                let own = own.filter_map(|statistic| match statistic {
                    Statistic::Percentile(percentile) => Some(percentile),
                    _ => None,
                });
                let mut percentiles: Vec<Percentile> =
                    percentiles.iter().copied().chain(own).collect();
                percentiles.sort_unstable();
                percentiles.dedup();
                let fixed = card.statistics.iter().copied();
                let (most, before): (Vec<_>, Vec<_>) =
                    fixed.partition(|statistic| *statistic == Statistic::Max);
                let percentiles = percentiles.into_iter().map(Statistic::Percentile);
                statistics.extend(before.into_iter().chain(percentiles).chain(most).map(Some));
            }
            let metrics = statistics.into_iter().map(|statistic| Metric { card, statistic });
            all.extend(metrics.map(|metric| (metric.name(), metric)));
        }
        Columns(Arc::new(all))
    }

    /// Every column: its name and its metric.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Metric)> {
        self.0.iter().map(|(name, metric)| (name.as_str(), *metric))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The position of the column with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(own, _)| own == name)
    }
}

/// The figure of a metric; `None` if it is undefined or can't be seen.
fn figure(view: &View, metric: Metric) -> Option<f64> {
    if !view.datagrams_seen && OF_DATAGRAMS.contains(&metric.card.name) {
        return None;
    }
    match common().find(|measure| measure.card.name == metric.card.name) {
        Some(measure) => measure.figure(view, metric.statistic),
        None => view.group.workloads.figure(metric.card.name, metric.statistic),
    }
}

/// The figures of a run or of a group; what is undefined is `None`.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    columns: Columns,
    values: Vec<Option<f64>>,
}

impl Figures {
    /// The figures of all groups together.
    pub fn of_all(run: &RunTally, columns: &Columns) -> Self {
        Figures::of(&View::of_all(run), columns)
    }

    /// The figures of each group.
    pub fn of_groups(run: &RunTally, columns: &Columns) -> Vec<Self> {
        let views = (0..run.groups.len()).map(|number| View::of_group(run, number));
        views.map(|view| Figures::of(&view, columns)).collect()
    }

    fn of(view: &View, columns: &Columns) -> Self {
        let values = columns.iter().map(|(_, metric)| figure(view, metric)).collect();
        Figures { columns: columns.clone(), values }
    }

    /// Figures with these values, for the columns in their order.
    ///
    /// # Errors
    /// The expected number of values, if there are more or fewer.
    pub fn from_values(columns: &Columns, values: Vec<Option<f64>>) -> Result<Self, usize> {
        let expected = columns.0.len();
        if values.len() != expected {
            return Err(expected);
        }
        Ok(Figures { columns: columns.clone(), values })
    }

    /// The figure of a metric; `None` if it is undefined.
    ///
    /// # Panics
    /// If the columns have no such metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        let position = self.columns.position(name);
        self.values[position.unwrap_or_else(|| panic!("no metric {name:?}"))]
    }

    /// The figure of a metric; `None` also if the columns don't have it.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        let position = self.columns.0.iter().position(|(_, own)| *own == metric)?;
        self.values[position]
    }

    /// The figures, in the order of their columns.
    pub fn values(&self) -> &[Option<f64>] {
        &self.values
    }

    /// Every metric with its figure.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Metric, Option<f64>)> {
        let values = self.values.iter().copied();
        self.columns.iter().zip(values).map(|((name, metric), value)| (name, metric, value))
    }

    /// Whether a metric is worth showing here, see [`Metric::says`].
    pub fn say(&self, metric: Metric) -> bool {
        metric.says(|name| self.figure(Metric::named(name)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_column_is_found_by_its_name_and_no_name_stands_twice() {
        let columns = Columns::default();
        let mut names = BTreeSet::new();
        for (name, metric) in columns.iter() {
            assert_eq!(Metric::named(name), Some(metric), "{name}");
            assert!(names.insert(name), "{name} appears twice");
        }
        assert!(names.contains("latency_p99.9_s") && names.contains("eviction_latency_samples"));
        assert!(Metric::named("latency_p98_s").is_some() && Metric::named("latency_p_s").is_none());
    }

    #[test]
    fn a_metric_that_a_threshold_asks_for_is_a_column() {
        let asked = Metric::named("age_p99.99_s").unwrap();
        let columns = Columns::new(&[Percentile::P50], &[asked]);
        let of_age: Vec<_> = columns.names().filter(|name| name.starts_with("age_")).collect();
        assert_eq!(of_age, ["age_mean_s", "age_p50_s", "age_p99_s", "age_p99.99_s"]);
    }

    #[test]
    fn what_a_card_depends_on_is_a_metric() {
        for card in CARDS.iter() {
            if let Applies::Where(other) = card.applies {
                assert!(Metric::named(other).is_some(), "{}: {other}", card.name);
            }
            assert!(
                card.headline.is_empty() == (card.statistics.is_empty() || card.rank.is_none())
            );
            assert!(!card.meaning.ends_with('.') && !card.label.is_empty(), "{}", card.name);
        }
        let headlines = Metric::headlines();
        assert!(headlines.iter().any(|metric| metric.name() == "eviction_latency_mean_s"));
    }
}
