//! Datagrams from the server to a client.

use std::io::Write;
use std::net::SocketAddr;

use crate::up::{
    numbered, read_cookie, read_token, split_numbered, write_numbered, write_with_text,
};

/// The datagram with which the server stops: `bye`.
pub const BYE: &[u8] = b"bye";

/// The datagram that admits a client: `^welcome^`.
pub const WELCOME: &[u8] = b"^welcome^";

const FROM: &[u8] = b". from ";

/// A datagram of the server.
///
/// ```
/// use skipbeat_protocol::Down;
///
/// assert_eq!(Down::parse(b"^hb 17^"), Down::Heartbeat(17));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Down<'a> {
    /// `bye`: the server stops.
    Bye,
    /// `TEXT. from IP:PORT`: a text of a client.
    Chat {
        /// The text.
        text: &'a [u8],
        /// The address of its sender, as the server saw it.
        from: SocketAddr,
    },
    /// `^hb N^`: the server's heartbeat number N, which the client answers `^ack N^`.
    Heartbeat(u32),
    /// `^ack N^`: the server received the client's `^msg N^`.
    Ack(u32),
    /// `^msg N^TEXT. from IP:PORT`: a text of a client, to be acked.
    Message {
        /// Its number in the sequence of this client.
        number: u32,
        /// `TEXT. from IP:PORT`.
        rest: &'a [u8],
    },
    /// `^val N^DATA`: the answer to the client's `^get N^`.
    Value {
        /// The number of the query.
        number: u32,
        /// The value of the key.
        data: &'a [u8],
    },
    /// `^cookie HEX^`: the cookie with which a client proves its address.
    Cookie(u64),
    /// `^welcome^`: the address is proved and the client is a member. `^welcome TOKEN^`: it is
    /// offered a session with this token.
    Welcome(Option<u64>),
    /// `^expired TOKEN^`: the server knows no session with this token.
    Expired(u64),
    /// Anything else: the server is not ours.
    Foreign(&'a [u8]),
}

impl<'a> Down<'a> {
    /// Reads a datagram. Every sequence of bytes is some `Down`.
    pub fn parse(datagram: &'a [u8]) -> Self {
        if datagram.trim_ascii() == BYE {
            return Down::Bye;
        }
        if let Some(number) = numbered(datagram.trim_ascii(), b"^hb ") {
            return Down::Heartbeat(number);
        }
        if let Some(number) = numbered(datagram.trim_ascii(), b"^ack ") {
            return Down::Ack(number);
        }
        if datagram.trim_ascii() == WELCOME {
            return Down::Welcome(None);
        }
        if let Some(token) = token_of(datagram.trim_ascii(), b"^welcome ") {
            return Down::Welcome(Some(token));
        }
        if let Some(token) = token_of(datagram.trim_ascii(), b"^expired ") {
            return Down::Expired(token);
        }
        let cookie = datagram.trim_ascii().strip_prefix(b"^cookie ");
        if let Some(cookie) = cookie.and_then(|c| read_cookie(c.strip_suffix(b"^")?)) {
            return Down::Cookie(cookie);
        }
        match split_numbered(datagram) {
            Some((b"msg", number, rest)) => return Down::Message { number, rest },
            Some((b"val", number, data)) => return Down::Value { number, data },
            _ => {}
        }
        let position = datagram.windows(FROM.len()).rposition(|window| window == FROM);
        let parts = position.map(|at| (&datagram[..at], &datagram[at + FROM.len()..]));
        let chat = parts.and_then(|(text, from)| {
            let from = std::str::from_utf8(from).ok()?.trim_end().parse().ok()?;
            Some(Down::Chat { text, from })
        });
        chat.unwrap_or(Down::Foreign(datagram))
    }
}

/// The token in `^name TOKEN^`.
fn token_of(command: &[u8], start: &[u8]) -> Option<u64> {
    read_token(command.strip_prefix(start)?.strip_suffix(b"^")?)
}

/// Writes `TEXT. from IP:PORT` into `out`, which is emptied first.
pub fn write_chat(text: &[u8], from: SocketAddr, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(text);
    out.extend_from_slice(FROM);
    write!(out, "{from}").expect("a Vec takes every write");
}

/// Writes `^hb N^` into `out`, which is emptied first.
pub fn write_heartbeat(number: u32, out: &mut Vec<u8>) {
    out.clear();
    write_numbered("hb", number, out);
}

/// Writes `^cookie HEX^` into `out`, which is emptied first. Only 36 bits of the cookie are used,
/// so that the answer to a `^join^` of six bytes has at most eighteen.
pub fn write_cookie(cookie: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^cookie {:09x}^", cookie & 0xf_ffff_ffff).expect("a Vec takes every write");
}

/// Writes `^welcome TOKEN^` into `out`, which is emptied first.
pub fn write_welcome(token: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^welcome {token:016x}^").expect("a Vec takes every write");
}

/// Writes `^expired TOKEN^` into `out`, which is emptied first.
pub fn write_expired(token: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^expired {token:016x}^").expect("a Vec takes every write");
}

/// Writes `^ack N^` into `out`, which is emptied first.
pub fn write_ack(number: u32, out: &mut Vec<u8>) {
    out.clear();
    write_numbered("ack", number, out);
}

/// Writes `^msg N^` and the text that [`write_chat`] made into `out`, which is emptied first.
pub fn write_message(number: u32, chat: &[u8], out: &mut Vec<u8>) {
    out.clear();
    write_with_text("msg", number, chat, out);
}

/// Writes `^val N^` and the value of a key into `out`, which is emptied first. The value is the key
/// itself, padded to `size` bytes.
pub fn write_value(number: u32, key: &[u8], size: usize, out: &mut Vec<u8>) {
    out.clear();
    write_with_text("val", number, key, out);
    let fill = size.saturating_sub(key.len());
    out.resize(out.len() + fill, b'.');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chat_ends_in_its_address() {
        let mut bytes = Vec::new();
        write_chat(b"hi", "127.0.0.1:4000".parse().unwrap(), &mut bytes);
        assert_eq!(bytes, b"hi. from 127.0.0.1:4000");
        assert_eq!(Down::parse(b"bye\n"), Down::Bye);
        assert_eq!(Down::parse(b"hi. from me"), Down::Foreign(b"hi. from me"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(text: Vec<u8>, ip: [u8; 4], port: u16) {
            let from = SocketAddr::from((ip, port));
            let mut bytes = Vec::new();
            write_chat(&text, from, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Chat { text: &text, from });
        }

        #[test]
        fn a_heartbeat_that_was_written_is_read(number: u32) {
            let mut bytes = Vec::new();
            write_heartbeat(number, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Heartbeat(number));
            write_ack(number, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Ack(number));
            write_cookie(u64::from(number) << 4, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Cookie(u64::from(number) << 4));
            write_welcome(u64::from(number) << 30, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Welcome(Some(u64::from(number) << 30)));
            write_expired(u64::from(number) << 30, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Expired(u64::from(number) << 30));
            write_cookie(u64::from(number) << 4, &mut bytes);
            // A stranger's `^join^` earns no more than three times its bytes.
            prop_assert!(bytes.len() <= 3 * crate::JOIN.len());
            write_message(number, b"a^b. from me", &mut bytes);
            let rest = b"a^b. from me";
            prop_assert_eq!(Down::parse(&bytes), Down::Message { number, rest });
            write_value(number, b"a^b", 5, &mut bytes);
            prop_assert_eq!(Down::parse(&bytes), Down::Value { number, data: b"a^b.." });
        }

        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            Down::parse(&bytes);
        }
    }
}
