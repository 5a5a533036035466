//! Datagrams from a client to the server.

use std::io::Write;

/// A heartbeat without a number. It is not answered.
pub const HEARTBEAT: &[u8] = b"^hb^";
/// The datagram with which a client leaves.
pub const QUIT: &[u8] = b"quit";
/// The datagram with which a client asks to be a member, also after it was evicted.
pub const JOIN: &[u8] = b"^join^";

/// A datagram of a client, without the token of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Up<'a> {
    /// `^hb^`, or `^hb N^` if the server's detector needs numbers: the client joins or stays a
    /// member. Surrounding white space does not matter.
    Heartbeat(Option<u32>),
    /// `quit`: the client leaves. Surrounding white space does not matter.
    Quit,
    /// `^join^`: the client joins explicitly. With sticky rejoin it is the only way back.
    Join(Join),
    /// `^ack N^`: the answer to the server's `^hb N^` or `^msg N^`.
    Ack(u32),
    /// `^msg N^TEXT`: a text for everybody, to be acked.
    Message {
        /// Its number in the sender's sequence.
        number: u32,
        /// The text.
        text: &'a [u8],
    },
    /// `^put N^DATA`: a sample. It is not answered.
    Put {
        /// Its number in the sender's sequence.
        number: u32,
        /// The sample.
        data: &'a [u8],
    },
    /// `^get N^KEY`: a query, which is answered `^val N^DATA`.
    Get {
        /// Its number in the sender's sequence.
        number: u32,
        /// The key that is asked for.
        key: &'a [u8],
    },
    /// Anything else: a text for everybody.
    Chat(&'a [u8]),
}

/// What an explicit join asks for: `^join reliable session COOKIE^`, where each word is optional.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Join {
    /// `reliable`: the client wants numbered texts, and will ack them.
    pub reliable: bool,
    /// `session`: the client wants a token that makes its membership independent of its address.
    pub session: bool,
    /// The cookie from the server, which proves the address: 36 bits as nine hexadecimal digits.
    pub cookie: Option<u64>,
}

/// A datagram as it is sent: what a client says, after `^session TOKEN^` if it has a session.
///
/// ```
/// use skipbeat_protocol::{MAX_DATAGRAM, Packet, Up};
///
/// let packet = Packet::parse(b"^hb 3^", MAX_DATAGRAM).unwrap();
/// assert_eq!((packet.session, packet.up), (None, Up::Heartbeat(Some(3))));
///
/// let mut bytes = Vec::new();
/// packet.write(&mut bytes);
/// assert_eq!(bytes, b"^hb 3^");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// The token from the server: 64 bits as sixteen hexadecimal digits.
    pub session: Option<u64>,
    /// What the client says.
    pub up: Up<'a>,
}

const SESSION: &[u8] = b"^session ";

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// If it is longer than `max` bytes.
    pub fn parse(datagram: &'a [u8], max: usize) -> Result<Self, Refusal> {
        if datagram.len() > max {
            return Err(Refusal::TooLong);
        }
        let wrapped = datagram.trim_ascii_start().strip_prefix(SESSION).and_then(|rest| {
            let (token, rest) = rest.split_at_checked(TOKEN_DIGITS)?;
            Some((read_token(token)?, rest.strip_prefix(b"^")?))
        });
        Ok(match wrapped {
            Some((token, rest)) => Packet { session: Some(token), up: Up::read(rest) },
            None => Packet { session: None, up: Up::read(datagram) },
        })
    }

    /// Writes the bytes of this datagram into `out`, which is emptied first.
    pub fn write(self, out: &mut Vec<u8>) {
        out.clear();
        if let Some(token) = self.session {
            write!(out, "^session {token:016x}^").expect("a Vec takes every write");
        }
        self.up.append(out);
    }
}

impl<'a> From<Up<'a>> for Packet<'a> {
    fn from(up: Up<'a>) -> Self {
        Packet { session: None, up }
    }
}

/// Why a datagram is not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is longer than the server accepts.
    #[error("over-long datagram")]
    TooLong,
}

impl<'a> Up<'a> {
    /// `^join^`.
    pub const JOIN: Up<'static> = Up::Join(Join { reliable: false, session: false, cookie: None });

    /// What follows the token of a session, or stands alone. Every sequence of bytes means
    /// something.
    fn read(datagram: &'a [u8]) -> Self {
        match datagram.trim_ascii() {
            HEARTBEAT => Up::Heartbeat(None),
            QUIT => Up::Quit,
            JOIN => Up::JOIN,
            command => {
                let beat = numbered(command, b"^hb ").map(|n| Up::Heartbeat(Some(n)));
                let ack = || numbered(command, b"^ack ").map(Up::Ack);
                let with_text = || match split_numbered(datagram)? {
                    (b"msg", number, text) => Some(Up::Message { number, text }),
                    (b"put", number, data) => Some(Up::Put { number, data }),
                    (b"get", number, key) => Some(Up::Get { number, key }),
                    _ => None,
                };
                let read = beat.or_else(ack).or_else(with_text).or_else(|| read_join(command));
                read.unwrap_or(Up::Chat(datagram))
            }
        }
    }

    fn append(self, out: &mut Vec<u8>) {
        match self {
            Up::Heartbeat(None) => out.extend_from_slice(HEARTBEAT),
            Up::Heartbeat(Some(number)) => write_numbered("hb", number, out),
            Up::Ack(number) => write_numbered("ack", number, out),
            Up::Message { number, text } => write_with_text("msg", number, text, out),
            Up::Put { number, data } => write_with_text("put", number, data, out),
            Up::Get { number, key } => write_with_text("get", number, key, out),
            Up::Quit => out.extend_from_slice(QUIT),
            Up::Join(join) => write_join(join, out),
            Up::Chat(text) => out.extend_from_slice(text),
        }
    }
}

/// The number in `^name N^`: decimal digits only.
pub(crate) fn numbered(command: &[u8], start: &[u8]) -> Option<u32> {
    let digits = command.strip_prefix(start)?.strip_suffix(b"^")?;
    let decimal = digits.iter().all(u8::is_ascii_digit);
    decimal.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

fn read_join(command: &[u8]) -> Option<Up<'static>> {
    let words = command.strip_prefix(b"^join ")?.strip_suffix(b"^")?;
    let mut words = words.split(|byte| *byte == b' ').peekable();
    let reliable = words.next_if(|word| *word == b"reliable").is_some();
    let session = words.next_if(|word| *word == b"session").is_some();
    let cookie = words.next().map(|word| read_cookie(word).ok_or(())).transpose().ok()?;
    words.next().is_none().then_some(Up::Join(Join { reliable, session, cookie }))
}

fn write_join(Join { reliable, session, cookie }: Join, out: &mut Vec<u8>) {
    out.extend_from_slice(b"^join");
    for (word, said) in [(&b" reliable"[..], reliable), (b" session", session)] {
        out.extend_from_slice(if said { word } else { b"" });
    }
    if let Some(cookie) = cookie {
        write!(out, " {cookie:09x}").expect("a Vec takes every write");
    }
    out.push(b'^');
}

/// Digits of a session's token.
const TOKEN_DIGITS: usize = 16;

/// Sixteen hexadecimal digits.
pub(crate) fn read_token(digits: &[u8]) -> Option<u64> {
    read_hexadecimal(digits, TOKEN_DIGITS)
}

/// Nine hexadecimal digits.
pub(crate) fn read_cookie(digits: &[u8]) -> Option<u64> {
    read_hexadecimal(digits, 9)
}

fn read_hexadecimal(digits: &[u8], length: usize) -> Option<u64> {
    let hexadecimal = digits.len() == length && digits.iter().all(u8::is_ascii_hexdigit);
    hexadecimal.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

/// The parts of `^NAME N^TEXT`, with a name of three letters.
pub(crate) fn split_numbered(datagram: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    const START: usize = b"^msg ".len();
    let (start, rest) = datagram.split_at_checked(START)?;
    if start[0] != b'^' || start[START - 1] != b' ' {
        return None;
    }
    let end = START + rest.iter().position(|byte| *byte == b'^')?;
    let number = numbered(&datagram[..=end], start)?;
    Some((&start[1..START - 1], number, &datagram[end + 1..]))
}

/// Appends `^name N^`.
pub(crate) fn write_numbered(name: &str, number: u32, out: &mut Vec<u8>) {
    write!(out, "^{name} {number}^").expect("a Vec takes every write");
}

/// Appends `^name N^TEXT`.
pub(crate) fn write_with_text(name: &str, number: u32, text: &[u8], out: &mut Vec<u8>) {
    write_numbered(name, number, out);
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(datagram: &[u8], max: usize) -> Result<Up<'_>, Refusal> {
        Packet::parse(datagram, max).map(|packet| packet.up)
    }

    #[test]
    fn white_space_around_commands_does_not_matter() {
        assert_eq!(read(b" ^hb^\r\n", 99), Ok(Up::Heartbeat(None)));
        assert_eq!(read(b"quit\n", 99), Ok(Up::Quit));
        assert_eq!(read(b"quit it\n", 99), Ok(Up::Chat(b"quit it\n")));
        assert_eq!(read(b"", 99), Ok(Up::Chat(b"")));
    }

    #[test]
    fn numbers_are_decimal_and_fit() {
        assert_eq!(read(b"^hb 7^\n", 99), Ok(Up::Heartbeat(Some(7))));
        assert_eq!(read(b"^ack 4294967295^", 99), Ok(Up::Ack(u32::MAX)));
        for text in [&b"^ack 4294967296^"[..], b"^ack +1^", b"^ack ^", b"^hb 1", b"^hb 1 2^"] {
            assert_eq!(read(text, 99), Ok(Up::Chat(text)));
        }
    }

    #[test]
    fn text_is_bytes_and_the_limit_is_sharp() {
        assert_eq!(read(b"\xff\xfe\0", 3), Ok(Up::Chat(b"\xff\xfe\0")));
        assert_eq!(read(b"four", 3), Err(Refusal::TooLong));
    }

    #[test]
    fn what_is_no_token_is_text() {
        let wrapped = Packet { session: Some(0xab), up: Up::Quit };
        assert_eq!(Packet::parse(b"^session 00000000000000ab^ quit\n", 99), Ok(wrapped));
        assert_eq!(Packet::parse(b" \n^session 00000000000000ab^quit", 99), Ok(wrapped));
        for text in [&b"^session ab^quit"[..], b"^session 00000000000000ab quit", b"^session ^"] {
            let chat = Packet { session: None, up: Up::Chat(text) };
            assert_eq!(Packet::parse(text, 99), Ok(chat));
        }
        for text in [&b"^join session reliable^"[..], b"^join  session^", b"^join session 12^"] {
            assert_eq!(read(text, 99), Ok(Up::Chat(text)), "the words have one order");
        }
    }

    proptest! {
        #[test]
        fn writing_what_was_read_changes_no_meaning(bytes: Vec<u8>) {
            let packet = Packet::parse(&bytes, usize::MAX).unwrap();
            let mut written = Vec::new();
            packet.write(&mut written);
            prop_assert_eq!(Packet::parse(&written, usize::MAX), Ok(packet));
        }

        #[test]
        fn every_command_is_read_as_written(number: u32, token: Option<u64>, words: [bool; 3]) {
            let text = b"x^ y";
            let message = Up::Message { number, text };
            let [reliable, session, proof] = words;
            let cookie = proof.then_some(u64::from(number) << 4 | 0xa);
            for up in [
                Up::Heartbeat(Some(number)),
                Up::Ack(number),
                message,
                Up::Put { number, data: text },
                Up::Get { number, key: text },
                Up::Join(Join { reliable, session, cookie }),
                Up::Quit,
            ] {
                let packet = Packet { session: token, up };
                let mut written = Vec::new();
                packet.write(&mut written);
                prop_assert_eq!(Packet::parse(&written, usize::MAX), Ok(packet));
            }
        }
    }
}
