//! The JSON schema of scenarios: the committed file is current, it describes every key, and every
//! scenario and example of this repository is valid. `agrees` compares it with the parser.

use std::path::{Path, PathBuf};

use both::{Both, GOOD};
use serde_json::Value;
use skipbeat_scenario::schema;

mod agrees;
mod both;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Adds the scenarios in a folder and all folders below it.
fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path = root().join("schemas/scenario.schema.json");
    let current = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(file == current, "UPDATE_SCHEMAS=1 cargo test -p skipbeat-scenario --test schema");
}

#[test]
fn every_shipped_scenario_is_valid() {
    let (both, mut found) = (Both::new(), Vec::new());
    scenarios(&root().join("scenarios"), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let complaints = both.complaints(&text);
        assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    }
}

/// An example is a whole scenario or some of its tables.
#[test]
fn every_example_in_the_documents_is_valid() {
    let both = Both::new();
    let mut seen = 0;
    for document in ["docs/scenario.md", "docs/your-own-server.md", "docs/ci.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for example in text.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            let whole = if example.contains("duration =") {
                example.to_owned()
            } else {
                let thresholds = "[thresholds]\nclients = \"> 1\"\n";
                let target = "[server]\ntarget = \"127.0.0.1:9\"\n";
                let ramp = if example.contains("[ramp]") { thresholds } else { "" };
                let dialect = if example.contains("[dialect]") { target } else { "" };
                format!("{GOOD}{ramp}{dialect}{example}")
            };
            let complaints = both.complaints(&whole);
            assert!(complaints.is_empty(), "{document}: {example}{complaints:#?}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

/// The description is at the property itself or at the definition that it refers to.
#[test]
fn every_key_has_a_description() {
    fn look(schema: &Value, whole: &Value, path: &str) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(keys)) = object.get("properties") {
                    for (key, value) in keys {
                        let in_rule = path.contains("/then")
                            || path.contains("/if")
                            || path.contains("/allOf");
                        let there = value["$ref"].as_str().and_then(|r| whole.pointer(&r[1..]));
                        let described = [Some(value), there]
                            .iter()
                            .flatten()
                            .any(|v| v["description"].is_string());
                        assert!(described || in_rule, "{path}/{key} has no description");
                    }
                }
                for (key, value) in object {
                    look(value, whole, &format!("{path}/{key}"));
                }
            }
            Value::Array(list) => list.iter().for_each(|value| look(value, whole, path)),
            _ => {}
        }
    }
    let schema = schema();
    look(&schema, &schema, "");
    assert_eq!(schema["title"], "skipbeat scenario");
    assert!(!schema.to_string().contains("null"), "TOML has none");
}
