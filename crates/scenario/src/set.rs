//! `--set key.path=value`: changes one key of a scenario.

use std::str::FromStr;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use crate::ScenarioError;

/// A change of one key: `group.phones.up.loss=0.1`. Groups are found by name, events by number from
/// 0. The value is TOML, or else a text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Setting {
    path: Vec<String>,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) =
            text.split_once('=').ok_or_else(|| format!("expected key.path=value, got {text:?}"))?;
        let path: Vec<_> = path.split('.').map(|key| key.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("expected key.path=value, got {text:?}"));
        }
        Ok(Setting { path, value: value.trim().to_owned() })
    }
}

impl TryFrom<String> for Setting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Setting> for String {
    fn from(setting: Setting) -> String {
        setting.to_string()
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.path.join("."), self.value)
    }
}

impl Setting {
    /// Sets a key to a value, which is TOML.
    pub(crate) fn new(key: &str, value: &str) -> Self {
        Setting { path: key.split('.').map(str::to_owned).collect(), value: value.to_owned() }
    }

    /// Several settings in one line, for messages.
    pub(crate) fn list(settings: &[Setting]) -> String {
        settings.iter().map(Setting::to_string).collect::<Vec<_>>().join(" --set ")
    }

    /// The text of a scenario with all settings applied.
    pub(crate) fn apply_all(
        settings: &[Setting],
        name: &str,
        text: &str,
    ) -> Result<String, ScenarioError> {
        let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
            ScenarioError::at(name, text, e.span(), e.message().to_owned())
        })?;
        for setting in settings {
            setting
                .apply(&mut document)
                .map_err(|message| ScenarioError::whole(&format!("--set {setting}"), message))?;
        }
        Ok(document.to_string())
    }

    /// The path in a document. A key with an old name is set under the name that the document uses,
    /// so that it never has both.
    fn path_in(&self, document: &DocumentMut) -> Vec<String> {
        let mut path = self.path.clone();
        let [table, key, ..] = &mut path[..] else { return path };
        for (of, old, new) in RENAMED {
            if table == of && (key == old || key == new) {
                let in_file = document.get(of).and_then(|table| table.get(old)).is_some();
                *key = (if in_file { old } else { new }).to_owned();
            }
        }
        path
    }

    fn apply(&self, document: &mut DocumentMut) -> Result<(), String> {
        let value = self.value.parse::<Value>().unwrap_or_else(|_| Value::from(&*self.value));
        let path = self.path_in(document);
        let (last, parents) = path.split_last().expect("a path has at least one key");
        let mut table: &mut dyn TableLike = document.as_table_mut();
        let mut parents = parents.iter();
        while let Some(key) = parents.next() {
            let item = table.entry(key).or_insert_with(toml_edit::table);
            if let Item::ArrayOfTables(array) = item {
                let which = parents.next().ok_or_else(|| format!("which {key}? say its name"))?;
                let names: Vec<_> = array.iter().map(name_of).collect();
                let index = names.iter().position(|name| name == which);
                let index = index.or_else(|| which.parse().ok().filter(|i| *i < names.len()));
                table = array
                    .get_mut(index.ok_or_else(|| {
                        format!("no {key} {which:?}, expected {}", names.join(" or "))
                    })?)
                    .expect("the index was just found");
            } else {
                if item.is_array() || (item.is_table() && LISTS.contains(&&**key)) {
                    return Err(format!(
                        "expected [[{key}]] tables in the scenario to set a key of"
                    ));
                }
                // A scalar such as `loss = 0.05` on the way to a key becomes a table.
                if !item.is_table_like() {
                    *item = toml_edit::table();
                }
                table = item.as_table_like_mut().expect("it was just made one");
            }
        }
        if table.get(last).is_some_and(Item::is_array_of_tables) {
            return Err(format!("{last} is a list of tables: set one of their keys"));
        }
        table.insert(last, Item::Value(value));
        Ok(())
    }
}

/// Reads a value as in a scenario, for options of the command line: TOML, or else a text.
///
/// # Errors
/// What is wrong with it and what was expected.
pub fn read_value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Document<T> {
        value: T,
    }
    let value = text.parse::<Value>().unwrap_or_else(|_| Value::from(text));
    let document: Result<Document<T>, _> = toml::from_str(&format!("value = {value}"));
    document.map(|document| document.value).map_err(|e| e.message().replace('\n', ", "))
}

/// Keys that had another name before: their table, the old name, the new one.
const RENAMED: [(&str, &str, &str); 1] = [("server", "sweep", "eviction")];

/// The keys whose values are lists of tables.
const LISTS: [&str; 2] = ["group", "event"];

fn name_of(table: &toml_edit::Table) -> String {
    table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned()
}
