//! Helpers for the JSON schemas of scenario values: rules that types alone do not express.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

/// What one kind of a tagged table asks for: its name, its description, the schema of its keys.
struct KindKeys<'a> {
    name: &'static str,
    description: &'a str,
    schema: &'a Map<String, Value>,
}

impl KindKeys<'_> {
    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    fn required(&self) -> Option<&Value> {
        self.schema.get("required")
    }
}

/// The kinds that can stand as a word alone: those that need no keys.
pub(crate) fn kind_words(names: &[&'static str], kinds: Vec<(&'static str, Schema)>) -> Schema {
    let words = names.iter().zip(kinds).filter(|(_, (_, schema))| schema.get("required").is_none());
    let words = words.map(|(name, (description, _))| constant(name, description));
    json_schema!({ "oneOf": words.collect::<Vec<_>>() })
}

fn constant(name: &str, description: &str) -> Value {
    let lines: Vec<_> = description.trim().lines().map(str::trim).collect();
    json!({ "type": "string", "const": name, "description": lines.join("\n") })
}

/// The schema of a tagged table. All keys stand in one list, which is what editors complete from;
/// `if` and `then` say which of them belong to which kind.
pub(crate) fn tagged(
    what: &str,
    names: &[&'static str],
    kinds: Vec<(&'static str, Schema)>,
    common: Option<Schema>,
    otherwise: Option<&str>,
) -> Schema {
    let nothing = Map::new();
    let of_kind = |(name, (description, schema)): (&&'static str, &'_ (&'static str, Schema))| {
        (*name, *description, schema.as_object().cloned().unwrap_or_default())
    };
    let kinds: Vec<_> = names.iter().zip(&kinds).map(of_kind).collect();
    let kinds: Vec<_> = (kinds.iter())
        .map(|(name, description, schema)| KindKeys { name, description, schema })
        .collect();
    let common = common.as_ref().and_then(Schema::as_object).unwrap_or(&nothing);
    let common_keys = common.get("properties").and_then(Value::as_object).unwrap_or(&nothing);

    let mut properties = common_keys.clone();
    let words: Vec<_> = kinds.iter().map(|kind| constant(kind.name, kind.description)).collect();
    let mut kind = json!({ "description": format!("The kind of {}.", bare(what)), "oneOf": words });
    if let Some(otherwise) = otherwise {
        kind["default"] = json!(otherwise);
    }
    properties.insert("kind".to_owned(), kind);
    for key in kinds.iter().flat_map(|kind| kind.properties().map(|(key, _)| key)) {
        if !properties.contains_key(key) {
            properties.insert(key.clone(), merged(key, &kinds));
        }
    }
    let mut table = json_schema!({
        "type": "object", "properties": properties, "additionalProperties": false,
    });
    let mut required: Vec<Value> =
        common.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if otherwise.is_none() {
        required.push(json!("kind"));
    }
    if !required.is_empty() {
        table.insert("required".to_owned(), json!(required));
    }
    also(&mut table, common.get("allOf").and_then(Value::as_array).into_iter().flatten().cloned());
    let rules = kinds.iter().map(|kind| {
        let mut of_kind = json!({ "properties": { "kind": { "const": kind.name } } });
        if otherwise != Some(kind.name) {
            of_kind["required"] = json!(["kind"]);
        }
        let own = kind.properties().map(|(key, _)| key.as_str());
        let keys: Vec<_> =
            ["kind"].into_iter().chain(own).chain(common_keys.keys().map(String::as_str)).collect();
        let mut then = json!({ "propertyNames": { "enum": keys } });
        if let Some(required) = kind.required() {
            then["required"] = required.clone();
        }
        if let Some(rules) = kind.schema.get("allOf") {
            then["allOf"] = rules.clone();
        }
        let differing: Map<_, _> = kind
            .properties()
            .filter(|(key, _)| !agree(key, &kinds))
            .map(|(key, value)| (key.clone(), values_of(value)))
            .collect();
        if !differing.is_empty() {
            then["properties"] = json!(differing);
        }
        json!({ "if": of_kind, "then": then })
    });
    also(&mut table, rules);
    table
}

/// "model of loss" of "a model of loss".
fn bare(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, rest)| rest)
}

/// What a key can be, apart from its description and from not being there.
fn values_of(value: &Value) -> Value {
    let mut value = value.clone();
    let Some(object) = value.as_object_mut() else { return value };
    object.remove("description");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
        forms.retain(|form| form["type"] != "null");
        if let [Value::Object(one)] = &forms[..] {
            let one = one.clone();
            object.remove("anyOf");
            object.extend(one);
        }
    }
    value
}

/// Whether a key has the same values in all kinds that have it.
fn agree(key: &str, kinds: &[KindKeys<'_>]) -> bool {
    let mut values = kinds.iter().flat_map(KindKeys::properties).filter(|(known, _)| *known == key);
    let first = values.next().map(|(_, value)| values_of(value));
    values.all(|(_, value)| Some(values_of(value)) == first)
}

/// A key of some kinds: its values where they agree, and what it means in each kind.
fn merged(key: &str, kinds: &[KindKeys<'_>]) -> Value {
    let mut meanings: Vec<(Vec<String>, &str)> = Vec::new();
    let mut values = json!({});
    for kind in kinds {
        for (_, value) in kind.properties().filter(|(known, _)| *known == key) {
            if agree(key, kinds) {
                values = values_of(value);
            }
            let meaning = value["description"].as_str().unwrap_or_default();
            let name = format!("`{}`", kind.name);
            match meanings.iter_mut().find(|(_, known)| *known == meaning) {
                Some((names, _)) => names.push(name),
                None => meanings.push((vec![name], meaning)),
            }
        }
    }
    // In the middle of a line a sentence begins small, a formula does not.
    let lower = |text: &str| {
        let mut rest = text.chars();
        let first = rest.next()?;
        let word = rest.clone().next().is_some_and(|c| c == ' ' || c.is_lowercase());
        let first = if word { first.to_lowercase().collect() } else { first.to_string() };
        Some(first + rest.as_str())
    };
    let texts = meanings.iter().map(|(names, meaning)| {
        format!("{}: {}", names.join(", "), lower(meaning).unwrap_or_default())
    });
    values["description"] = json!(texts.collect::<Vec<_>>().join("\n"));
    values
}

/// Requires exactly one of some keys.
pub fn exactly_one(schema: &mut Schema, keys: &[&str]) {
    let one = keys.iter().map(|key| json!({ "required": [key] }));
    also(schema, [json!({ "oneOf": one.collect::<Vec<_>>() })]);
}

/// Requires a key whose type would allow to leave it out.
pub fn require(schema: &mut Schema, key: &str) {
    let all = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    all.as_array_mut().expect("`required` is a list").push(json!(key));
}

/// Adds rules that a value has to satisfy.
pub fn also(schema: &mut Schema, rules: impl IntoIterator<Item = Value>) {
    let all = schema.ensure_object().entry("allOf").or_insert_with(|| json!([]));
    all.as_array_mut().expect("`allOf` is a list").extend(rules);
}

/// Requires a span of time above zero.
pub fn above_zero(schema: &mut Schema) {
    schema.insert("not".to_owned(), json!({ "pattern": r"^\s*0+(\.0*)?\s*[a-zµ]" }));
}

/// Requires a rate above zero and up to a million per second.
pub fn rate(schema: &mut Schema) {
    schema.insert("exclusiveMinimum".to_owned(), json!(0));
    schema.insert("maximum".to_owned(), json!(1_000_000));
}
