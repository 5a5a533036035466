//! Dialects: how clients talk to a server of another protocol. Templates say what clients send, and
//! what the answers look like.

use std::io::Write;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, ScalarOrTable};

use crate::{Act, Datagram};

/// What clients send, and how they recognise what the server sends.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// The heartbeat. `{client}` stands for the number of the client.
    pub heartbeat: Template,
    /// The datagram with which a client leaves; none where not given.
    pub leave: Option<Template>,
    /// A message. `{text}` stands for the text, which is looked for in what the server sends.
    #[serde(default = "Template::bare_text")]
    pub chat: Template,
    /// The answer of the server to a heartbeat: the whole datagram or, with a `*` at the end, its
    /// beginning.
    pub ack: Option<Template>,
    /// The byte of the server's datagrams at which the text begins; any byte where not given.
    pub tag_at: Option<usize>,
    /// Who should get a message.
    #[serde(default)]
    pub audience: Audience,
}

/// Which of the clients that are up when a message is due should get it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// All of them, with the sender: a chat.
    #[default]
    All,
    /// All but the sender: publish and subscribe.
    Others,
    /// Only the sender: an echo.
    Sender,
    /// None: the server does not pass messages on.
    Nobody,
}

/// Bytes with gaps, which are filled in for each datagram.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<String, Hex>")]
#[schemars(
    description = "A text, or { hex = \"00 01\" }; `{client}` and, in `chat` alone, `{text}` are filled in.",
    transform = pattern_of_template
)]
pub struct Template {
    parts: Vec<Part>,
    written: String,
}

#[derive(Clone, PartialEq, Eq, Debug, JsonSchema)]
enum Part {
    Bytes(Vec<u8>),
    Text,
    Client,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hex {
    /// Pairs of hexadecimal digits, with or without white space between them.
    #[schemars(regex(pattern = HEX_WITH_GAPS))]
    hex: String,
}

/// Pairs of digits with gaps; a `*` only behind digits.
const HEX_WITH_GAPS: &str = concat!(
    r"^(\s*[0-9A-Fa-f]\s*[0-9A-Fa-f])*\s*(\*\s*)?",
    r"(\{(text|client)\}(\s*[0-9A-Fa-f]\s*[0-9A-Fa-f])*\s*(\*\s*)?)*$"
);

/// The name between braces says what is filled in.
fn pattern_of_template(schema: &mut Schema) {
    if let Some(text) = schema.pointer_mut("/anyOf/0") {
        text["pattern"] = r"^([^{]|\{(text|client)\})*$".into();
    }
}

impl TryFrom<ScalarOrTable<String, Hex>> for Template {
    type Error = String;

    fn try_from(template: ScalarOrTable<String, Hex>) -> Result<Self, String> {
        let (written, hex) = match template {
            ScalarOrTable::Scalar(text) => (text, false),
            ScalarOrTable::Table(Hex { hex }) => (hex, true),
        };
        let bytes = |text: &str| if hex { unhex(text) } else { Ok(text.as_bytes().to_vec()) };
        let (mut parts, mut rest) = (Vec::new(), written.as_str());
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or("a { without its }")?;
            parts.push(Part::Bytes(bytes(before)?));
            parts.push(match name {
                "text" => Part::Text,
                "client" => Part::Client,
                other => return Err(format!("expected {{text}} or {{client}}, not {{{other}}}")),
            });
            rest = behind;
        }
        parts.push(Part::Bytes(bytes(rest)?));
        Ok(Template { parts, written })
    }
}

/// Bytes from pairs of hexadecimal digits, without white space and a `*` at the end.
fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (digits, star) = match digits.split_last() {
        Some(('*', digits)) => (digits, true),
        _ => (&digits[..], false),
    };
    let pairs = digits.chunks(2).map(|pair| {
        let digit = |n: usize| pair.get(n).and_then(|digit| digit.to_digit(16));
        let (high, low) = digit(0).zip(digit(1)).ok_or("expected pairs of hexadecimal digits")?;
        Ok((high << 4 | low) as u8)
    });
    let bytes: Result<Vec<u8>, String> = pairs.collect();
    bytes.map(|bytes| bytes.into_iter().chain(star.then_some(b'*')).collect())
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl Template {
    /// The template of only the text.
    fn bare_text() -> Self {
        Template { parts: vec![Part::Text], written: "{text}".to_owned() }
    }

    fn has_text(&self) -> bool {
        self.parts.contains(&Part::Text)
    }

    fn write(&self, client: ClientId, text: &[u8], out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
                Part::Text => out.extend_from_slice(text),
                Part::Client => write!(out, "{client}").expect("a Vec takes every write"),
            }
        }
    }

    /// Whether a datagram matches: it is equal or, if the template ends in `*`, begins with it.
    fn matches(&self, client: ClientId, datagram: &[u8]) -> bool {
        let mut expected = Vec::new();
        self.write(client, b"", &mut expected);
        match expected.split_last() {
            Some((b'*', start)) if self.written.ends_with('*') => datagram.starts_with(start),
            _ => datagram == expected,
        }
    }
}

impl Dialect {
    /// Why the templates contradict each other, if they do.
    pub fn contradiction(&self) -> Option<&'static str> {
        let others = [Some(&self.heartbeat), self.leave.as_ref(), self.ack.as_ref()];
        if !self.chat.has_text() {
            Some("`chat` needs {text}, by which a message is known when it comes back")
        } else if others.into_iter().flatten().any(Template::has_text) {
            Some("{text} is for `chat` alone")
        } else {
            None
        }
    }

    /// Whether the dialect has words for a datagram.
    pub fn says(&self, datagram: &Datagram) -> bool {
        datagram.act != Act::Quit || self.leave.is_some()
    }

    /// Writes a datagram of a client into `out`, which is emptied first.
    pub fn write(&self, client: ClientId, datagram: &Datagram, out: &mut Vec<u8>) {
        out.clear();
        match datagram.act {
            Act::Heartbeat(_) => self.heartbeat.write(client, b"", out),
            Act::Chat { tag, size } => {
                let mut text = Vec::new();
                tag.write(size, &mut text);
                self.chat.write(client, &text, out);
            }
            Act::Quit => {
                if let Some(leave) = &self.leave {
                    leave.write(client, b"", out);
                }
            }
            // In a scenario with a dialect, clients send nothing else.
            _ => datagram.write(out),
        }
    }

    /// Whether a datagram is the server's answer to the heartbeat of a client.
    pub fn is_ack(&self, client: ClientId, datagram: &[u8]) -> bool {
        self.ack.as_ref().is_some_and(|ack| ack.matches(client, datagram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        ScalarOrTable::Scalar(text.to_owned()).try_into()
    }

    fn hex(hex: &str) -> Result<Template, String> {
        ScalarOrTable::Table(Hex { hex: hex.to_owned() }).try_into()
    }

    fn written(template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        template.write(7, b"hello", &mut out);
        out
    }

    #[test]
    fn templates_are_text_or_hexadecimal_with_gaps() {
        assert_eq!(written(&template("PUB {client} {text}\n").unwrap()), b"PUB 7 hello\n");
        assert_eq!(written(&hex("00 ff {text} 0a").unwrap()), b"\x00\xffhello\n");
        for wrong in [template("{number}"), template("{text"), hex("0"), hex("zz")] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn acks_match_whole_or_by_their_beginning() {
        assert!(template("PONG {client}").unwrap().matches(7, b"PONG 7"));
        assert!(!template("PONG").unwrap().matches(7, b"PONG 7"));
        assert!(template("PONG*").unwrap().matches(7, b"PONG 7"));
        assert!(hex("01 02*").unwrap().matches(7, b"\x01\x02\x03"));
        assert!(!hex("01 2a").unwrap().matches(7, b"\x01\x02"));
    }
}
