//! The JSON schema of a scenario, which editors use to complete and check. It is generated from the
//! types that read a scenario. `null`, which TOML does not have, is removed.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::document::Document;

/// The JSON schema (draft 2020-12) of a scenario file, read as TOML.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let settings = settings.with_transform(RecursiveTransform(as_toml));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), json!("skipbeat scenario"));
    let mut schema = schema.to_value();
    // Another crate in the same build may ask serde_json to keep the order of insertion.
    schema.sort_all_objects();
    schema
}

/// Removes what TOML does not have from a schema, and replaces formats of numbers by ranges.
fn as_toml(schema: &mut Schema) {
    without_null(schema);
    without_null_in_default(schema);
    let format = schema.remove("format");
    match format.as_ref().and_then(Value::as_str) {
        Some("uint32") if schema.get("maximum").is_none() => {
            schema.insert("maximum".to_owned(), json!(u32::MAX));
        }
        // A validator knows how to check these.
        Some(known @ ("ipv4" | "ipv6")) => {
            schema.insert("format".to_owned(), json!(known));
        }
        _ => {}
    }
}

/// Removes `null`: in TOML, a key without a value is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(forms)) = schema.get_mut("anyOf") else { return };
    forms.retain(|form| form["type"] != "null");
    if forms.len() == 1
        && let Some(Value::Array(mut only)) = schema.remove("anyOf")
        && let Some(Value::Object(form)) = only.pop()
    {
        // Keys beside the only remaining form are more specific than its own.
        let object = schema.ensure_object();
        for (key, value) in form {
            object.entry(key).or_insert(value);
        }
    }
}

/// Removes defaults of tables, which follow from their keys, and of keys without a value, which are
/// in their descriptions.
fn without_null_in_default(schema: &mut Schema) {
    if schema.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
        schema.remove("default");
    }
}
