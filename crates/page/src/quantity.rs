//! Reads values of a scenario as numbers, so that a key that a sweep varies can become an axis.

use skipbeat_core::Span;

/// A number with what it measures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Quantity {
    /// A plain number or a share.
    Plain(f64),
    /// A time in seconds.
    Seconds(f64),
}

impl Quantity {
    /// Reads values such as `0.05`, `5 %`, `10_000`, `7500ms`, `12.5s` and `1h`; `None` for others.
    pub(crate) fn parse(text: &str) -> Option<Quantity> {
        if let Ok(span) = text.parse::<Span>() {
            return Some(Quantity::Seconds(span.seconds()));
        }
        let text = text.trim().replace('_', "");
        let (digits, size) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), 100.0),
            None => (text.as_str(), 1.0),
        };
        let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
        value.map(|value| Quantity::Plain(value / size))
    }

    /// The number alone.
    pub(crate) fn value(self) -> f64 {
        match self {
            Quantity::Plain(value) | Quantity::Seconds(value) => value,
        }
    }
}

/// All values as numbers of one kind; `None` if one is no number or if kinds differ.
pub(crate) fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Vec<Quantity>> {
    let all: Vec<Quantity> = texts.into_iter().map(Quantity::parse).collect::<Option<_>>()?;
    let times = all.iter().filter(|one| matches!(one, Quantity::Seconds(_))).count();
    (times == 0 || times == all.len()).then_some(all)
}

/// A value of a scenario in short form: a table such as `{ kind = "phi", threshold = 8.0 }` becomes
/// `phi, threshold 8.0`.
pub(crate) fn plain(value: &str) -> String {
    let inner = value.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else { return value.to_owned() };
    inner.trim().replace("kind = ", "").replace(" = ", " ").replace('"', "")
}

/// The end of a key, which tells it from the others in most sweeps.
pub(crate) fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_shares_and_times_are_read() {
        let cases = [
            ("7500ms", Quantity::Seconds(7.5)),
            ("12.5s", Quantity::Seconds(12.5)),
            ("30m", Quantity::Seconds(1800.0)),
            ("0.05", Quantity::Plain(0.05)),
            ("5 %", Quantity::Plain(0.05)),
            ("10_000", Quantity::Plain(10_000.0)),
            ("1e-3", Quantity::Plain(0.001)),
            ("-2", Quantity::Plain(-2.0)),
        ];
        for (text, quantity) in cases {
            assert_eq!(Quantity::parse(text), Some(quantity), "{text}");
        }
    }

    #[test]
    fn texts_are_no_numbers() {
        for text in ["", "lazy", "open", "10 apples", "{ kind = \"phi\" }", "NaN", "inf", "s", "."]
        {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_and_numbers_do_not_share_an_axis() {
        assert!(parse_all(["1s", "500ms"]).is_some());
        assert!(parse_all(["1s", "500"]).is_none());
        assert!(parse_all(["1s", "lazy"]).is_none());
    }

    #[test]
    fn a_table_is_shown_without_its_punctuation() {
        let table = r#"{ kind = "phi", threshold = 8.0, every = "1s" }"#;
        assert_eq!(plain(table), "phi, threshold 8.0, every 1s");
        assert_eq!(plain("timeout"), "timeout");
    }
}
