//! Values of a scenario as numbers, where they are any: what a sweep varies becomes an axis.

/// A number with what it measures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Quantity {
    /// A plain number or a share.
    Plain(f64),
    /// A time in seconds.
    Seconds(f64),
}

impl Quantity {
    /// Reads `0.05`, `5 %`, `10_000`, `7500ms`, `12.5s`, `1h`; everything else is no number.
    pub(crate) fn parse(text: &str) -> Option<Quantity> {
        let text = text.trim().replace('_', "");
        let unit_at = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+'));
        let (digits, unit) = text.split_at(unit_at.unwrap_or(text.len()));
        let plain = || text.parse().ok().filter(|value: &f64| value.is_finite());
        let Ok(value) = digits.parse::<f64>() else { return plain().map(Quantity::Plain) };
        let quantity = match unit.trim() {
            "" => Quantity::Plain(value),
            "%" => Quantity::Plain(value / 100.0),
            "ns" => Quantity::Seconds(value / 1e9),
            "us" | "µs" => Quantity::Seconds(value / 1e6),
            "ms" => Quantity::Seconds(value / 1e3),
            "s" => Quantity::Seconds(value),
            "m" | "min" => Quantity::Seconds(value * 60.0),
            "h" => Quantity::Seconds(value * 3600.0),
            "d" => Quantity::Seconds(value * 86_400.0),
            // What is left is an exponent, such as that of 1e-3, or a text.
            _ => Quantity::Plain(plain()?),
        };
        Some(quantity)
    }

    /// The number alone.
    pub(crate) fn value(self) -> f64 {
        match self {
            Quantity::Plain(value) | Quantity::Seconds(value) => value,
        }
    }
}

/// All values as numbers of one kind, or nothing.
pub(crate) fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Vec<Quantity>> {
    let all: Vec<Quantity> = texts.into_iter().map(Quantity::parse).collect::<Option<_>>()?;
    let times = all.iter().filter(|one| matches!(one, Quantity::Seconds(_))).count();
    (times == 0 || times == all.len()).then_some(all)
}

/// A value of a scenario in fewer signs: a table such as `{ kind = "phi", threshold = 8.0 }` reads
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
