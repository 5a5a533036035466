//! The `[ramp]` table: a key that rises step by step until a threshold is not met. It is the last
//! key of a sweep, whose remaining steps are then skipped.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use skipbeat_core::schema;
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};

/// The most steps of a ramp.
const MOST_STEPS: usize = 1000;

/// One key that rises step by step until a threshold is not met.
#[derive(Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with `key`, `from` and `to`, or `key` and `values`"
)]
#[schemars(transform = either_form)]
pub(crate) struct RampTable {
    /// The key that rises, as for `--set`: `"group.room.chat.rate"`.
    #[schemars(with = "String")]
    key: Spanned<String>,
    /// The first value, above zero.
    #[schemars(with = "Option<f64>", extend("exclusiveMinimum" = 0))]
    from: Option<Spanned<f64>>,
    /// The upper bound of the values, at least `from`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    to: Option<f64>,
    /// The factor between one value and the next, above 1; default 1.5.
    #[schemars(with = "Option<f64>", extend("exclusiveMinimum" = 1))]
    factor: Option<Spanned<f64>>,
    /// The values in order, instead of `from`, `to` and `factor`.
    #[schemars(with = "Option<Vec<serde_json::Value>>", length(min = 1))]
    values: Option<Spanned<Vec<toml::Value>>>,
}

/// What [`RampTable::steps`] takes.
fn either_form(schema: &mut Schema) {
    let no_steps = json!({ "from": false, "to": false, "factor": false });
    let forms = json!([
        { "required": ["from", "to"], "properties": { "values": false } },
        { "required": ["values"], "properties": no_steps },
    ]);
    schema::also(schema, [json!({ "oneOf": forms })]);
}

impl RampTable {
    /// The key and its values in order, as TOML.
    pub(crate) fn steps(
        &self,
        report: &Reporter<'_>,
    ) -> Result<(String, Vec<String>), ScenarioError> {
        let key = self.key.get_ref().clone();
        match (&self.values, &self.from, self.to) {
            (Some(values), None, None) if self.factor.is_none() => {
                if values.get_ref().is_empty() {
                    return Err(report.at(values, "expected at least one value"));
                }
                Ok((key, values.get_ref().iter().map(ToString::to_string).collect()))
            }
            (None, Some(from), Some(to)) => {
                let factor = self.factor.as_ref().map_or(1.5, |factor| *factor.get_ref());
                if let Some(wrong) =
                    self.factor.as_ref().filter(|_| factor.is_nan() || factor <= 1.0)
                {
                    return Err(report.at(wrong, "expected a factor above 1"));
                }
                let first = *from.get_ref();
                if !(first > 0.0 && first <= to && to.is_finite()) {
                    return Err(report.at(from, "expected `from` above zero and up to `to`"));
                }
                // A ramp that begins with a whole number has whole numbers only.
                let whole = first.fract() == 0.0;
                let show = |value: f64| if whole { format!("{value:.0}") } else { decimal(value) };
                let steps = std::iter::successors(Some(first), |value| Some(value * factor));
                let mut steps: Vec<String> =
                    steps.take_while(|value| *value <= to).take(MOST_STEPS).map(show).collect();
                steps.dedup();
                Ok((key, steps))
            }
            _ => Err(report.at(&self.key, "expected `from` and `to` beside it, or `values`")),
        }
    }
}

/// Four significant digits.
fn decimal(value: f64) -> String {
    let digits = (3 - value.log10().floor() as i32).max(1) as usize;
    let text = format!("{value:.digits$}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<(String, Vec<String>), ScenarioError> {
        let table: RampTable = toml::from_str(text).expect("it is a table");
        table.steps(&Reporter { name: "t", text })
    }

    #[test]
    fn steps_rise_by_a_factor_and_whole_numbers_stay_whole() {
        let of = |text: &str| steps(text).unwrap().1;
        assert_eq!(of("key = \"a\"\nfrom = 100\nto = 350"), ["100", "150", "225", "338"]);
        assert_eq!(of("key = \"a\"\nfrom = 0.1\nto = 0.5\nfactor = 2"), ["0.1", "0.2", "0.4"]);
        assert_eq!(of("key = \"a\"\nvalues = [1, \"2s\"]"), ["1", "\"2s\""]);
        for wrong in ["from = 0\nto = 1", "from = 1", "values = []", "from = 1\nto = 2\nfactor = 1"]
        {
            assert!(steps(&format!("key = \"a\"\n{wrong}")).is_err(), "{wrong}");
        }
    }
}
