//! The schema of `[thresholds]`: its keys are the metrics and their families, as
//! [`Threshold::parse`] takes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use skipbeat_core::{Percentile, Span, Statistic};
use skipbeat_measure::{CARDS, Columns, Threshold};

use crate::thresholds::{ABORT, ABORT_AFTER, GROUP, ThresholdTable};

/// What may stand before the sign; nothing is one of them, and `p50` stands for every percentile.
const STATISTICS: [&str; 8] = ["", "mean", "p50", "max", "min", "sd", "rate", "count"];
/// How names of metrics end beyond a name that is short for them.
const ENDS: [&str; 5] = ["_s", "_mean_s", "_mean", "_per_s", "_ratio"];

/// What may be asked of a group: the metrics alone.
struct GroupThresholds;

impl JsonSchema for GroupThresholds {
    fn schema_name() -> Cow<'static, str> {
        "GroupThresholds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What the figures of a group have to be.",
            "type": "object",
            "properties": metrics(generator),
            "patternProperties": short_names(generator),
            "additionalProperties": false,
        })
    }
}

impl JsonSchema for ThresholdTable {
    fn schema_name() -> Cow<'static, str> {
        "ThresholdTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut keys = metrics(generator);
        let abort = json!({
            "description": "Whether a threshold that is not met ends the run; default `false`.",
            "type": "boolean",
        });
        let mut after = generator.subschema_for::<Span>();
        let meaning = "How much of the measured time is over before a threshold that is not met \
                       ends the run; default `\"0s\"`. It needs `abort = true`.";
        after.insert("description".to_owned(), json!(meaning));
        let group = json!({
            "description": "Thresholds of groups by their names: [thresholds.group.NAME].",
            "type": "object",
            "additionalProperties": generator.subschema_for::<GroupThresholds>(),
        });
        for (key, value) in [(ABORT, abort), (ABORT_AFTER, after.to_value()), (GROUP, group)] {
            keys.insert(key.to_owned(), value);
        }
        json_schema!({
            "description": "What the figures have to be: for each metric a condition like \
                            \">= 99 %\", or a list of them.",
            "type": "object",
            "properties": keys,
            "patternProperties": short_names(generator),
            "additionalProperties": false,
            "allOf": [{
                "if": { "required": [ABORT_AFTER] },
                "then": { "required": [ABORT], "properties": { ABORT: { "const": true } } },
            }],
        })
    }
}

/// Every metric and distribution with its conditions.
fn metrics(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let described = names().into_iter().map(|(name, meaning)| {
        let condition = defined(generator, &name);
        (name, json!({ "description": meaning, "$ref": condition }))
    });
    described.collect()
}

/// Names that are taken for those of metrics, but that no editor needs to propose: short ones, and
/// those of percentiles that are no columns unless asked for.
fn short_names(generator: &mut SchemaGenerator) -> Value {
    let names = names();
    let mut short: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in names.keys() {
        for family in ENDS.into_iter().filter_map(|end| name.strip_suffix(end)) {
            if !names.contains_key(family) && !accepted(family).is_empty() {
                short.entry(defined(generator, family)).or_default().insert(family.to_owned());
            }
        }
    }
    let of_spreads = CARDS.iter().filter(|card| !card.statistics.is_empty());
    for card in of_spreads {
        let pattern = format!("{}_{}(_s)?", card.name, Percentile::PATTERN);
        let condition = defined(generator, &format!("{}_p50_s", card.name));
        short.entry(condition).or_default().insert(pattern);
    }
    let meaning = "Short for a metric, or a percentile of a distribution.";
    let patterns = short.into_iter().map(|(condition, names)| {
        let pattern = format!("^({})$", names.into_iter().collect::<Vec<_>>().join("|"));
        (pattern, json!({ "description": meaning, "$ref": condition }))
    });
    Value::Object(patterns.collect())
}

/// Where the conditions that a key takes are defined, once for all keys that take the same.
fn defined(generator: &mut SchemaGenerator, key: &str) -> String {
    let accepted = accepted(key);
    let named = accepted.iter().map(|(unit, statistics)| {
        let statistics = statistics.iter().map(|s| if s.is_empty() { "figure" } else { s });
        let unit = unit.replace(' ', "_");
        [unit].into_iter().chain(statistics.map(str::to_owned)).collect::<Vec<_>>().join("_")
    });
    let name = ["Condition".to_owned()].into_iter().chain(named).collect::<Vec<_>>().join("_");
    let reference = format!("#/$defs/{name}");
    generator.definitions_mut().entry(name).or_insert_with(|| conditions(&accepted));
    reference
}

/// Every key and what it means: the columns, and the distributions, which need a statistic.
fn names() -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let columns = Columns::default();
    for (name, metric) in columns.iter() {
        let meaning = match metric.statistic {
            None => metric.card.meaning.to_owned(),
            Some(statistic) => format!("{}: {}", metric.card.meaning, statistic.label()),
        };
        names.insert(name.to_owned(), meaning);
    }
    for card in CARDS.iter().filter(|card| !card.statistics.is_empty()) {
        let fixed = card.statistics.iter().map(|statistic| match statistic {
            Statistic::Samples => "count".to_owned(),
            other => other.suffix(),
        });
        let all = fixed.chain(["a percentile such as p99.9".to_owned()]).collect::<Vec<_>>();
        let meaning = format!("{}; before the sign: {}", card.meaning, all.join(", "));
        names.insert(card.name.to_owned(), meaning);
    }
    names
}

/// The statistics that a key goes with, by the unit of the figure that they make.
fn accepted(key: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut accepted: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for statistic in STATISTICS {
        if let Ok(threshold) = Threshold::parse(key, &format!("{statistic} < 1")) {
            accepted.entry(threshold.metric.unit().name()).or_default().push(statistic);
        }
    }
    accepted
}

/// A condition on a metric, or a list of them.
fn conditions(accepted: &BTreeMap<&str, Vec<&str>>) -> Value {
    let condition = pattern(accepted);
    json!({
        "type": ["string", "array"],
        "pattern": condition,
        "items": { "type": "string", "pattern": condition },
        "minItems": 1,
    })
}

/// What [`Threshold::parse`] takes: a statistic, a sign, and a value of the unit.
fn pattern(accepted: &BTreeMap<&str, Vec<&str>>) -> String {
    let number = r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?";
    let of_unit = accepted.iter().map(|(unit, statistics)| {
        let value = match *unit {
            "ratio" => format!(r"{number}\s*%?"),
            "s" => format!("{number}|{}", Span::unanchored_pattern()),
            _ => number.to_owned(),
        };
        let named = statistics.iter().filter(|statistic| !statistic.is_empty());
        let named: Vec<&str> = named
            .map(|statistic| if *statistic == "p50" { Percentile::PATTERN } else { statistic })
            .collect();
        let statistic = match (named.join("|"), statistics.contains(&"")) {
            (none, _) if none.is_empty() => none,
            (named, true) => format!("({named})?"),
            (named, false) => format!("({named})"),
        };
        format!(r"^\s*{statistic}\s*(<=|>=|==|<|>)\s*({value})\s*$")
    });
    of_unit.collect::<Vec<_>>().join("|")
}
