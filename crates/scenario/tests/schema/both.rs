//! Compares what the parser and the schema say about one text.

use jsonschema::Validator;
use skipbeat_scenario::{Plan, schema};

/// A scenario that both accept, and to which tables can be added.
pub(crate) const GOOD: &str = r#"
name = "t"
duration = "10s"

[[group]]
name = "g"
clients = 3
"#;

/// The schema, and the texts on which it differed from the parser.
pub(crate) struct Both {
    validator: Validator,
    differing: Vec<String>,
}

impl Both {
    pub(crate) fn new() -> Self {
        let validator = jsonschema::draft202012::new(&schema()).expect("it is a schema");
        Both { validator, differing: Vec::new() }
    }

    /// The complaints of the schema about a text: none if it is valid.
    pub(crate) fn complaints(&self, text: &str) -> Vec<String> {
        let json = toml::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"));
        self.validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect()
    }

    /// Whether the parser accepts a text. If the schema disagrees, [`Both::agree`] will fail.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        // A missing file is no mistake in the text.
        let parser = match Plan::parse("t.toml", text, &[]) {
            Err(e) if !e.message.contains("can't read") => Err(e.message),
            _ => Ok(()),
        };
        let complaints = self.complaints(text);
        if parser.is_ok() != complaints.is_empty() {
            let extra = text.trim_start_matches(GOOD);
            self.differing.push(format!("{extra}  parser: {parser:?}\n  schema: {complaints:?}"));
        }
        parser.is_ok()
    }

    pub(crate) fn agree(self) {
        let differing = &self.differing;
        assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    }
}
