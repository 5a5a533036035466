//! Compact notation of links, for the command line: `loss=5%,delay=exp(min=10ms,mean=30ms)`,
//! `@wifi`, `@lte,loss=ge(p=.01,r=.1)`. It is the TOML of a scenario with fewer quotes.

use std::fmt::Write;

use skipbeat_core::{Direction, Tagged};

use crate::{LinkOptions, LinkPreset, LinkTable, LossModel};

/// Short names of kinds.
const SHORT: [(&str, &str); 4] = [
    ("ge", "gilbert-elliott"),
    ("get", "gilbert-elliott-time"),
    ("exp", "exponential"),
    ("list", "list"),
];

/// Reads a link in compact notation, on top of `base`. Presets may differ by direction.
///
/// # Errors
/// What is wrong and what was expected.
pub fn read_compact(
    text: &str,
    direction: Direction,
    base: LinkOptions,
) -> Result<LinkOptions, String> {
    let (mut base, mut rest) = (base, Vec::new());
    for part in split(text)? {
        match part.strip_prefix('@') {
            Some("none") => base = LinkOptions::default(),
            Some(name) => {
                let preset = LinkPreset::named(name).ok_or_else(|| {
                    let known = LinkPreset::ALL.map(|(name, _)| name).join(", ");
                    format!("unknown link {name:?}, expected {known}")
                })?;
                base = preset.options(direction);
            }
            None => rest.push(part),
        }
    }
    Ok(read_table(&rest.join(","))?.over(base))
}

impl LinkPreset {
    /// Its options for one direction.
    pub fn options(self, direction: Direction) -> LinkOptions {
        let table = read_table(self.text(direction));
        table.expect("presets are tested").over(LinkOptions::default())
    }
}

/// Reads a table in compact notation, without presets.
pub(crate) fn read_table(text: &str) -> Result<LinkTable, String> {
    let mut toml = String::new();
    for part in split(text)? {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) if !key.contains('(') => (key.trim(), to_toml(value)?),
            _ => {
                let value = to_toml(part)?;
                // A model of loss may stand without its key.
                let is_loss = |kind: &&str| value.starts_with(&format!("{{ kind = {kind:?}"));
                if !LossModel::KINDS.iter().any(is_loss) {
                    return Err(format!("expected key=value, got {part:?}"));
                }
                ("loss", value)
            }
        };
        let _ = writeln!(toml, "{key} = {value}");
    }
    toml::from_str(&toml).map_err(|e| e.message().replace('\n', ", "))
}

/// One value as TOML: `name(key=value,…)` is a table of that kind, `(key=value,…)` one without.
fn to_toml(value: &str) -> Result<String, String> {
    let value = value.trim().trim_matches('"');
    if let Some((name, arguments)) = value.split_once('(') {
        let arguments =
            arguments.strip_suffix(')').ok_or_else(|| format!("expected ')' in {value:?}"))?;
        let kind = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        let mut keys = Vec::new();
        if !kind.is_empty() {
            keys.push(format!("kind = {kind:?}"));
        }
        for part in split(arguments)? {
            let (key, value) =
                part.split_once('=').ok_or_else(|| format!("expected key=value, got {part:?}"))?;
            keys.push(format!("{} = {}", key.trim(), to_toml(value)?));
        }
        return Ok(format!("{{ {} }}", keys.join(", ")));
    }
    let number = if value.starts_with('.') { format!("0{value}") } else { value.to_owned() };
    let is_number = number.parse::<f64>().is_ok_and(f64::is_finite);
    Ok(if is_number || value.starts_with('[') || value == "true" || value == "false" {
        number
    } else if let Some(percent) = value.strip_suffix('%') {
        let percent = percent.trim();
        let zero = if percent.starts_with('.') { "0" } else { "" };
        format!("\"{zero}{percent} %\"")
    } else {
        format!("{value:?}")
    })
}

/// The parts between commas outside of brackets.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return Err(format!("a bracket too many in {text:?}"));
        }
    }
    if depth > 0 {
        return Err(format!("a bracket is missing in {text:?}"));
    }
    parts.push(&text[start..]);
    Ok(parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect())
}

/// A TOML value in compact notation: `{ kind = "phi", pause = "3s" }` is `phi(pause=3s)`.
pub fn compact(value: &str) -> String {
    let plain = |value: &str| {
        value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value).to_owned()
    };
    let Some(table) = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return plain(value);
    };
    let plainly: String = table.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    match plainly.split_once(',') {
        Some((kind, rest)) if kind.starts_with("kind=") => {
            format!("{}({})", &kind["kind=".len()..], rest.trim_end_matches(','))
        }
        _ => format!("({plainly})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DelayOrder, Loss};
    use skipbeat_core::Span;

    fn read(text: &str) -> Result<LinkOptions, String> {
        read_compact(text, Direction::Up, LinkOptions::default())
    }

    #[test]
    fn links_can_be_written_in_one_line() {
        let options = read("loss=5%,delay=30ms").unwrap();
        assert_eq!(options.loss.model.mean(), Some(0.05));
        assert_eq!(options.delay.mean(), Span::from_millis(30));
        let ge = read("ge(p=.01, r=.1)").unwrap().loss.model;
        assert!(matches!(ge, LossModel::GilbertElliott(model) if model.p.get() == 0.01));
        let wifi = read("@wifi,loss=.2").unwrap();
        assert_eq!(wifi.delay, LinkPreset::Wifi.options(Direction::Up).delay);
        assert_eq!(wifi.loss.model.mean(), Some(0.2));
        let list = read("loss=list(indices=[3,1]),mtu=1400").unwrap();
        assert!(matches!(list.loss.model, LossModel::List(list) if list.indices == [1, 3]));
        assert_eq!((list.mtu, read("").unwrap().loss), (Some(1400), Loss::NONE));
        // What was on can be switched off.
        let on = read("@lte,corrupt=5%,mtu=99,reorder=early(every=5)").unwrap();
        assert!(on.rate.is_some() && on.corrupt.is_some() && on.reorder.is_some());
        let off = "rate=none,corrupt=none,mtu=none,reorder=none,loss=0,delay=0s";
        let off = read_compact(off, Direction::Up, on.clone()).unwrap();
        assert_eq!(off, LinkOptions::default());
        assert_eq!(read_compact("@none", Direction::Up, on).unwrap(), LinkOptions::default());
        assert_eq!(
            read("delay=exp(mean=3ms,order=\"preserve\")").unwrap().delay.order,
            DelayOrder::Preserve
        );
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (text, expected) in [
            ("lag=3ms", "unknown field `lag`"),
            ("loss=7", "probability"),
            ("loss=ge(p=.1", "bracket is missing"),
            ("@dsl", "bufferbloat"),
            ("mtu=-1", "1 to 65507 bytes"),
            ("rate=1Mbit", "bandwidth"),
            ("reorder=5%", "a table with `kind`"),
            ("loss=markov4(p13=.1)", "never left"),
            ("delay", "expected key=value"),
            ("loss=ge(p=.1,r=.2,n=3)", "does not belong"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn values_are_readable() {
        assert_eq!(compact("\"open\""), "open");
        assert_eq!(compact("{ kind = \"phi\", pause = \"3s\" }"), "phi(pause=3s)");
        assert_eq!(compact("{ rate = 1, burst = 5 }"), "(rate=1,burst=5)");
    }
}
