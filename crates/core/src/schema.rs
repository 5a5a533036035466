//! What JSON schemas of scenario values have in common beyond what their types say.

use schemars::Schema;
use serde_json::{Value, json};

/// The keys of a table with a `kind`.
#[derive(Clone, Copy, Debug)]
pub struct KindKeys {
    /// The word.
    pub kind: &'static str,
    /// What it can't be without.
    pub needs: &'static [&'static str],
    /// What it may have beside that.
    pub may_have: &'static [&'static str],
}

/// Says which keys belong to which kind of a table. The properties stay in one list, which is what
/// editors complete from; `if` and `then` are only looked at when a table is checked. A table
/// without `kind` is of the kind `otherwise`; where there is none, it has to have one.
pub fn keys_by_kind(schema: &mut Schema, kinds: &[KindKeys], otherwise: Option<&str>) {
    let rules = kinds.iter().map(|KindKeys { kind, needs, may_have }| {
        let mut of_kind = json!({ "properties": { "kind": { "const": kind } } });
        if otherwise != Some(kind) {
            of_kind["required"] = json!(["kind"]);
        }
        let keys: Vec<_> = ["kind"].iter().chain(*needs).chain(*may_have).collect();
        let mut then = json!({ "propertyNames": { "enum": keys } });
        if !needs.is_empty() {
            then["required"] = json!(needs);
        }
        json!({ "if": of_kind, "then": then })
    });
    also(schema, rules);
}

/// Says that exactly one of some keys is there.
pub fn exactly_one(schema: &mut Schema, keys: &[&str]) {
    let one = keys.iter().map(|key| json!({ "required": [key] }));
    also(schema, [json!({ "oneOf": one.collect::<Vec<_>>() })]);
}

/// Says that a key can't be left out, where its type would allow it.
pub fn require(schema: &mut Schema, key: &str) {
    let all = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    all.as_array_mut().expect("`required` is a list").push(json!(key));
}

/// Adds to what a value has to be.
pub fn also(schema: &mut Schema, rules: impl IntoIterator<Item = Value>) {
    let all = schema.ensure_object().entry("allOf").or_insert_with(|| json!([]));
    all.as_array_mut().expect("`allOf` is a list").extend(rules);
}

/// Says that a span of time is not zero.
pub fn above_zero(schema: &mut Schema) {
    schema.insert("not".to_owned(), json!({ "pattern": r"^\s*0+(\.0*)?\s*[a-zµ]" }));
}

/// Says that a rate is above zero and up to a million per second.
pub fn rate(schema: &mut Schema) {
    schema.insert("exclusiveMinimum".to_owned(), json!(0));
    schema.insert("maximum".to_owned(), json!(1_000_000));
}
