//! The schema of `[thresholds]`: its keys are the metrics and their families, as
//! [`Threshold::parse`] takes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use skipbeat_core::Span;
use skipbeat_measure::{METRICS, Threshold};

use crate::thresholds::{ABORT, ABORT_AFTER, GROUP, ThresholdTable};

/// The statistics of a family of metrics; none is one too.
const STATISTICS: [&str; 9] = ["", "mean", "p50", "p99", "max", "min", "sd", "rate", "count"];
/// How names of metrics end beyond the name of their family.
const ENDS: [&str; 13] = [
    "_s", "_mean_s", "_mean", "_p50_s", "_p99_s", "_max_s", "_max", "_min_s", "_sd_s", "_sd",
    "_per_s", "_ratio", "_samples",
];

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

/// Every metric and family with its conditions.
fn metrics(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let described = names().into_iter().map(|(name, meaning)| {
        let condition = defined(generator, &statistics(&name));
        (name, json!({ "description": meaning, "$ref": condition }))
    });
    described.collect()
}

/// The names that are taken for those of metrics, but that no editor needs to propose.
fn short_names(generator: &mut SchemaGenerator) -> Value {
    let families = METRICS.iter().flat_map(|metric| families(metric.name));
    let names: BTreeSet<_> = families.filter(|family| statistics(family) == [""]).collect();
    let pattern = format!("^({})$", names.into_iter().collect::<Vec<_>>().join("|"));
    let meaning = "Short for a metric, whose name has its unit behind this.";
    json!({ pattern: { "description": meaning, "$ref": defined(generator, &[""]) } })
}

/// Where the conditions with some statistics are defined, once for all metrics.
fn defined(generator: &mut SchemaGenerator, statistics: &[&str]) -> String {
    let named = statistics.iter().map(|s| if s.is_empty() { "figure" } else { s });
    let set: Vec<_> = ["Condition"].into_iter().chain(named).collect();
    let set = set.join("_");
    let pointer = format!("#/$defs/{set}");
    generator.definitions_mut().entry(set).or_insert_with(|| conditions(statistics));
    pointer
}

/// What the name of a metric is without its end.
fn families(metric: &str) -> impl Iterator<Item = &str> {
    ENDS.into_iter().filter_map(move |end| metric.strip_suffix(end))
}

/// Every key and what it means: the metrics, and the families that are no metrics themselves.
fn names() -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut before = "";
    for metric in METRICS.iter() {
        // Some meanings are those of the metric before, but for what is behind the last comma.
        let meaning = match metric.meaning.strip_prefix("the same, ") {
            Some(rest) => format!("{before}, {rest}"),
            None => {
                before = metric.meaning.rsplit_once(", ").map_or(metric.meaning, |(base, _)| base);
                metric.meaning.to_owned()
            }
        };
        for family in families(metric.name) {
            let statistics = statistics(family);
            let named: Vec<_> = statistics.into_iter().filter(|s| !s.is_empty()).collect();
            if !named.is_empty() {
                let meaning =
                    format!("a family of metrics: {} before the sign", named.join(" or "));
                names.entry(family.to_owned()).or_insert(meaning);
            }
        }
        names.insert(metric.name.to_owned(), meaning);
    }
    names
}

/// The statistics that a key goes with.
fn statistics(name: &str) -> Vec<&'static str> {
    let goes = |statistic: &&str| Threshold::parse(name, &format!("{statistic} < 1")).is_ok();
    STATISTICS.into_iter().filter(goes).collect()
}

/// A condition on a metric, or a list of them.
fn conditions(statistics: &[&str]) -> Value {
    let condition = pattern(statistics);
    json!({
        "type": ["string", "array"],
        "pattern": condition,
        "items": { "type": "string", "pattern": condition },
    })
}

/// What [`Threshold::parse`] takes: a statistic, a sign, and a number, percentage or span.
fn pattern(statistics: &[&str]) -> String {
    let number = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*%?";
    let span = Span::unanchored_pattern();
    let named: Vec<_> = statistics.iter().copied().filter(|s| !s.is_empty()).collect();
    let statistic = match (named.join("|"), statistics.contains(&"")) {
        (none, _) if none.is_empty() => none,
        (named, true) => format!("({named})?"),
        (named, false) => format!("({named})"),
    };
    format!(r"^\s*{statistic}\s*(<=|>=|==|<|>)\s*({number}|{span})\s*$")
}
