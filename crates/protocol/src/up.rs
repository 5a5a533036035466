//! Datagrams from a client to the server.

use std::io::Write;

/// A sign of life that is not answered.
pub const HEARTBEAT: &[u8] = b"^hb^";
/// The client leaves.
pub const QUIT: &[u8] = b"quit";
/// The client asks to be a member, also after it was evicted.
pub const JOIN: &[u8] = b"^join^";

/// What a client says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Up<'a> {
    /// `^hb^`, or `^hb N^` where the server's detector wants numbers: joins or refreshes;
    /// surrounding white space does not matter.
    Heartbeat(Option<u32>),
    /// `quit`: leaves; surrounding white space does not matter.
    Quit,
    /// `^join^`: joins explicitly, the only way back in where rejoining is sticky. With
    /// `reliable` it asks for numbered texts, which it will ack; with a cookie it proves its
    /// address: `^join reliable^`, `^join COOKIE^`, `^join reliable COOKIE^`.
    Join {
        /// Whether numbered texts are wanted.
        reliable: bool,
        /// The cookie that the server gave, 36 bits as nine hexadecimal digits.
        cookie: Option<u64>,
    },
    /// `^ack N^`: the answer to the server's `^hb N^` or `^msg N^`.
    Ack(u32),
    /// `^msg N^TEXT`: a text that wants an ack.
    Message {
        /// Its number in the sender's sequence.
        number: u32,
        /// What is said.
        text: &'a [u8],
    },
    /// Anything else: text for everybody.
    Chat(&'a [u8]),
}

/// Why a datagram is not read. The server's state is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is longer than the server takes.
    #[error("over-long datagram")]
    TooLong,
}

impl<'a> Up<'a> {
    /// `^join^`.
    pub const JOIN: Up<'static> = Up::Join { reliable: false, cookie: None };

    /// Reads a datagram of at most `max` bytes.
    pub fn parse(datagram: &'a [u8], max: usize) -> Result<Self, Refusal> {
        if datagram.len() > max {
            return Err(Refusal::TooLong);
        }
        Ok(match datagram.trim_ascii() {
            HEARTBEAT => Up::Heartbeat(None),
            QUIT => Up::Quit,
            JOIN => Up::JOIN,
            command => {
                let beat = numbered(command, b"^hb ").map(|n| Up::Heartbeat(Some(n)));
                let ack = || numbered(command, b"^ack ").map(Up::Ack);
                let message = || {
                    let (number, text) = split_message(datagram)?;
                    Some(Up::Message { number, text })
                };
                let read = beat.or_else(ack).or_else(message).or_else(|| read_join(command));
                read.unwrap_or(Up::Chat(datagram))
            }
        })
    }

    /// Puts the bytes of this datagram into `out`, which is emptied first.
    pub fn write(self, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Up::Heartbeat(None) => out.extend_from_slice(HEARTBEAT),
            Up::Heartbeat(Some(number)) => write_numbered("hb", number, out),
            Up::Ack(number) => write_numbered("ack", number, out),
            Up::Message { number, text } => {
                write_numbered("msg", number, out);
                out.extend_from_slice(text);
            }
            Up::Quit => out.extend_from_slice(QUIT),
            Up::Join { reliable, cookie } => write_join(reliable, cookie, out),
            Up::Chat(text) => out.extend_from_slice(text),
        }
    }
}

/// The number in `^name N^`: decimal digits alone.
pub(crate) fn numbered(command: &[u8], start: &[u8]) -> Option<u32> {
    let digits = command.strip_prefix(start)?.strip_suffix(b"^")?;
    let decimal = digits.iter().all(u8::is_ascii_digit);
    decimal.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

fn read_join(command: &[u8]) -> Option<Up<'static>> {
    let rest = command.strip_prefix(b"^join ")?.strip_suffix(b"^")?;
    let (reliable, cookie) = match rest.strip_prefix(b"reliable") {
        Some(b"") => return Some(Up::Join { reliable: true, cookie: None }),
        Some(rest) => (true, rest.strip_prefix(b" ")?),
        None => (false, rest),
    };
    Some(Up::Join { reliable, cookie: Some(read_cookie(cookie)?) })
}

fn write_join(reliable: bool, cookie: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(if reliable { b"^join reliable" } else { b"^join" });
    if let Some(cookie) = cookie {
        write!(out, " {cookie:09x}").expect("a Vec takes every write");
    }
    out.push(b'^');
}

/// Nine hexadecimal digits.
pub(crate) fn read_cookie(digits: &[u8]) -> Option<u64> {
    let hexadecimal = digits.len() == 9 && digits.iter().all(u8::is_ascii_hexdigit);
    hexadecimal.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

/// The parts of `^msg N^TEXT`.
pub(crate) fn split_message(datagram: &[u8]) -> Option<(u32, &[u8])> {
    const START: &[u8] = b"^msg ";
    let end = START.len() + datagram.strip_prefix(START)?.iter().position(|b| *b == b'^')?;
    Some((numbered(&datagram[..=end], START)?, &datagram[end + 1..]))
}

/// Appends `^name N^`.
pub(crate) fn write_numbered(name: &str, number: u32, out: &mut Vec<u8>) {
    write!(out, "^{name} {number}^").expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_around_commands_does_not_matter() {
        assert_eq!(Up::parse(b" ^hb^\r\n", 99), Ok(Up::Heartbeat(None)));
        assert_eq!(Up::parse(b"quit\n", 99), Ok(Up::Quit));
        assert_eq!(Up::parse(b"quit it\n", 99), Ok(Up::Chat(b"quit it\n")));
        assert_eq!(Up::parse(b"", 99), Ok(Up::Chat(b"")));
    }

    #[test]
    fn numbers_are_decimal_and_fit() {
        assert_eq!(Up::parse(b"^hb 7^\n", 99), Ok(Up::Heartbeat(Some(7))));
        assert_eq!(Up::parse(b"^ack 4294967295^", 99), Ok(Up::Ack(u32::MAX)));
        for text in [&b"^ack 4294967296^"[..], b"^ack +1^", b"^ack ^", b"^hb 1", b"^hb 1 2^"] {
            assert_eq!(Up::parse(text, 99), Ok(Up::Chat(text)));
        }
    }

    #[test]
    fn text_is_bytes_and_the_limit_is_sharp() {
        assert_eq!(Up::parse(b"\xff\xfe\0", 3), Ok(Up::Chat(b"\xff\xfe\0")));
        assert_eq!(Up::parse(b"four", 3), Err(Refusal::TooLong));
    }

    proptest! {
        #[test]
        fn writing_what_was_read_changes_no_meaning(bytes: Vec<u8>) {
            let up = Up::parse(&bytes, usize::MAX).unwrap();
            let mut written = Vec::new();
            up.write(&mut written);
            prop_assert_eq!(Up::parse(&written, usize::MAX), Ok(up));
        }

        #[test]
        fn every_numbered_command_is_read_as_written(number: u32) {
            let text = b"x^ y";
            let message = Up::Message { number, text };
            let join = |reliable, cookie| Up::Join { reliable, cookie };
            let cookie = Some(u64::from(number) << 4 | 0xa);
            for up in [
                Up::Heartbeat(Some(number)),
                Up::Ack(number),
                message,
                Up::JOIN,
                join(true, None),
                join(false, cookie),
                join(true, cookie),
            ] {
                let mut written = Vec::new();
                up.write(&mut written);
                prop_assert_eq!(Up::parse(&written, usize::MAX), Ok(up));
            }
        }
    }
}
