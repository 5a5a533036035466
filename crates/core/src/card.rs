//! A metric card: everything that anybody needs to know of a metric, stated once. Columns, JSON keys,
//! the summary, the page, the dashboard, thresholds and `docs/metrics.md` are read from it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Better, Distribution, Unit};

/// A percentile, kept as thousandths of a per cent: p99.99 is 99,990.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Percentile(u32);

impl Percentile {
    /// The median.
    pub const P50: Percentile = Percentile(50_000);
    /// One in ten is above it.
    pub const P90: Percentile = Percentile(90_000);
    /// One in twenty is above it.
    pub const P95: Percentile = Percentile(95_000);
    /// One in a hundred is above it.
    pub const P99: Percentile = Percentile(99_000);
    /// One in a thousand is above it.
    pub const P999: Percentile = Percentile(99_900);

    /// The share of all values that do not exceed it, from 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100_000.0
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return write!(f, "p{whole}");
        }
        write!(f, "p{whole}.{}", format!("{rest:03}").trim_end_matches('0'))
    }
}

impl FromStr for Percentile {
    type Err = String;

    /// Reads `p50`, `p99.9` and so on: above 0 and below 100, with three decimals at most.
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("expected a percentile such as p50, p99 or p99.9, got {text:?}");
        let digits = text.strip_prefix('p').ok_or_else(error)?;
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let lone_point = digits.contains('.') && decimals.is_empty();
        if whole.is_empty()
            || whole.len() > 2
            || decimals.len() > 3
            || lone_point
            || !all_digits(whole)
            || !all_digits(decimals)
        {
            return Err(error());
        }
        let thousandths: u32 = format!("{decimals:0<3}").parse().map_err(|_| error())?;
        let whole: u32 = whole.parse().map_err(|_| error())?;
        match whole * 1000 + thousandths {
            0 => Err(error()),
            value => Ok(Percentile(value)),
        }
    }
}

impl Percentile {
    /// What [`Percentile::from_str`] takes, as a regular expression without anchors.
    pub const PATTERN: &str = r"p[0-9]{1,2}(\.[0-9]{1,3})?";
}

impl Serialize for Percentile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percentile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Percentile {
    fn schema_name() -> Cow<'static, str> {
        "Percentile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A percentile, above p0 and below p100: \"p50\", \"p99.9\".",
            "type": "string",
            "pattern": format!("^{}$", Percentile::PATTERN),
            "not": { "pattern": r"^p0{1,2}(\.0{1,3})?$" },
        })
    }
}

/// What is said of a distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statistic {
    /// How many values there are.
    Samples,
    /// Their mean.
    Mean,
    /// Their standard deviation.
    Deviation,
    /// The least of them.
    Min,
    /// A percentile.
    Percentile(Percentile),
    /// The greatest of them.
    Max,
}

impl Statistic {
    /// Every statistic that is no percentile, in the order of columns; percentiles come before `max`.
    pub const ALL: [Statistic; 5] =
        [Statistic::Samples, Statistic::Mean, Statistic::Deviation, Statistic::Min, Statistic::Max];

    /// What stands for it in the name of a column.
    pub fn suffix(self) -> String {
        match self {
            Statistic::Samples => "samples".to_owned(),
            Statistic::Mean => "mean".to_owned(),
            Statistic::Deviation => "sd".to_owned(),
            Statistic::Min => "min".to_owned(),
            Statistic::Percentile(percentile) => percentile.to_string(),
            Statistic::Max => "max".to_owned(),
        }
    }

    /// Its name for people.
    pub fn label(self) -> String {
        match self {
            Statistic::Samples => "samples".to_owned(),
            Statistic::Deviation => "standard deviation".to_owned(),
            Statistic::Percentile(Percentile::P50) => "median".to_owned(),
            other => other.suffix(),
        }
    }
}

/// Values of which statistics can be told.
pub trait Spread {
    /// A statistic, spans in seconds; `None` where it is undefined or not known.
    fn statistic(&self, statistic: Statistic) -> Option<f64>;
}

impl Spread for Distribution {
    fn statistic(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Samples => Some(self.len() as f64),
            Statistic::Mean => self.mean(),
            Statistic::Deviation => self.deviation(),
            Statistic::Min => self.min(),
            Statistic::Percentile(percentile) => self.quantile(percentile.share()),
            Statistic::Max => self.max(),
        }
    }
}

/// When a metric says something, beside being defined. What does not apply is left out of summaries
/// and pages, and stays in the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applies {
    /// Where it is defined.
    Defined,
    /// Where it is not 0.
    NotZero,
    /// Where the metric of this name is above 0.
    Where(&'static str),
}

/// What is known of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// Its name: a column, or of a distribution what its columns begin with.
    pub name: &'static str,
    /// Its name for people, in lower case.
    pub label: &'static str,
    /// What it is, in a line.
    pub meaning: &'static str,
    /// What a reader has to know beside that, in sentences; may be empty.
    pub note: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// Which way it should go, where one way is better.
    pub better: Option<Better>,
    /// When it says something.
    pub applies: Applies,
    /// Its place among the figures that readers look for first; none where it is not one of them.
    pub rank: Option<u8>,
    /// Whether it is one of the few by which a server is judged where nobody says which.
    pub primary: bool,
    /// The RFC or paper that defines it; empty where it needs none.
    pub source: &'static str,
    /// The statistics that make columns, percentiles aside; empty where it is a single number.
    pub statistics: &'static [Statistic],
    /// Of a distribution: which of its statistics stand among the figures looked for first.
    pub headline: &'static [Statistic],
}

/// Where the figure of a card comes from: a tally of type `T`.
pub enum Source<T: 'static> {
    /// One number.
    Number(fn(&T) -> Option<f64>),
    /// Values, of which any statistic can be told.
    Spread(fn(&T) -> Option<&dyn Spread>),
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Source<T> {}

/// A card and the formula behind it.
pub struct Measure<T: 'static> {
    /// What is known of the metric.
    pub card: Card,
    /// How its figure follows from a tally.
    pub source: Source<T>,
}

impl<T> Clone for Measure<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Measure<T> {}

impl<T> Measure<T> {
    /// A metric that is a single number.
    pub const fn number(
        name: &'static str,
        unit: Unit,
        label: &'static str,
        meaning: &'static str,
        figure: fn(&T) -> Option<f64>,
    ) -> Self {
        let card = Card {
            name,
            label,
            meaning,
            note: "",
            unit,
            better: None,
            applies: Applies::Defined,
            rank: None,
            primary: false,
            source: "",
            statistics: &[],
            headline: &[],
        };
        Measure { card, source: Source::Number(figure) }
    }

    /// A metric that is a distribution of spans of time.
    pub const fn spread(
        name: &'static str,
        label: &'static str,
        meaning: &'static str,
        values: fn(&T) -> Option<&dyn Spread>,
    ) -> Self {
        let Measure { card, .. } = Self::number(name, Unit::Seconds, label, meaning, |_| None);
        let card = Card { statistics: &Statistic::ALL, ..card };
        Measure { card, source: Source::Spread(values) }
    }

    /// More is better.
    pub const fn higher(mut self) -> Self {
        self.card.better = Some(Better::Higher);
        self
    }

    /// Less is better.
    pub const fn lower(mut self) -> Self {
        self.card.better = Some(Better::Lower);
        self
    }

    /// It says something only then.
    pub const fn applies(mut self, applies: Applies) -> Self {
        self.card.applies = applies;
        self
    }

    /// It stands among the figures that readers look for first, the least rank first.
    pub const fn rank(mut self, rank: u8) -> Self {
        self.card.rank = Some(rank);
        self
    }

    /// The same of a distribution, with these statistics of it.
    pub const fn headline(mut self, rank: u8, statistics: &'static [Statistic]) -> Self {
        self.card.rank = Some(rank);
        self.card.headline = statistics;
        self
    }

    /// It is one of the few by which a server is judged where nobody says which.
    pub const fn primary(mut self) -> Self {
        self.card.primary = true;
        self
    }

    /// It has these statistics only, beside percentiles.
    pub const fn statistics(mut self, statistics: &'static [Statistic]) -> Self {
        self.card.statistics = statistics;
        self
    }

    /// What a reader has to know beside its meaning.
    pub const fn note(mut self, note: &'static str) -> Self {
        self.card.note = note;
        self
    }

    /// The RFC or paper that defines it.
    pub const fn source(mut self, source: &'static str) -> Self {
        self.card.source = source;
        self
    }

    /// Its figure; `statistic` for a distribution, `None` for a number.
    pub fn figure(&self, tally: &T, statistic: Option<Statistic>) -> Option<f64> {
        match (self.source, statistic) {
            (Source::Number(figure), None) => figure(tally),
            (Source::Spread(values), Some(statistic)) => values(tally)?.statistic(statistic),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_as_they_are_written() {
        for text in ["p50", "p90", "p95", "p99", "p99.9", "p99.99", "p99.999", "p0.1", "p7"] {
            assert_eq!(text.parse::<Percentile>().unwrap().to_string(), text);
        }
        assert_eq!("p99.90".parse(), Ok(Percentile::P999));
        for wrong in ["p", "p0", "p100", "99", "p99.", "p99.9999", "p-1", "p1e1", "p9 9", "p.5"] {
            assert!(wrong.parse::<Percentile>().is_err(), "{wrong}");
        }
        assert_eq!(Percentile::P999.share(), 0.999);
    }
}
