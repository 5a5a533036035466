//! Datagrams from the server to a client.

use std::io::Write;
use std::net::SocketAddr;

use crate::up::{
    numbered, read_cookie, read_token, split_numbered, write_numbered, write_with_text,
};

/// The server stops.
pub const BYE: &[u8] = b"bye";

/// The client is admitted.
pub const WELCOME: &[u8] = b"^welcome^";

const FROM: &[u8] = b". from ";

/// What the server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Down<'a> {
    /// `bye`: the server stops.
    Bye,
    /// `TEXT. from IP:PORT`: somebody's text.
    Chat {
        /// What was said.
        text: &'a [u8],
        /// Who said it, as the server saw the address.
        from: SocketAddr,
    },
    /// `^hb N^`: the server's heartbeat number N, which the client answers `^ack N^`.
    Heartbeat(u32),
    /// `^ack N^`: the server has the client's `^msg N^`.
    Ack(u32),
    /// `^msg N^TEXT. from IP:PORT`: somebody's text, which wants an ack.
    Message {
        /// Its number in the sequence to this client.
        number: u32,
        /// `TEXT. from IP:PORT`.
        rest: &'a [u8],
    },
    /// `^val N^DATA`: the answer to the client's `^get N^`.
    Value {
        /// The number of the query.
        number: u32,
        /// What is known of its key.
        data: &'a [u8],
    },
    /// `^cookie HEX^`: what a client has to say to prove its address.
    Cookie(u64),
    /// `^welcome^`: the proof was right, the client is a member; `^welcome TOKEN^`: it has a
    /// session of this token.
    Welcome(Option<u64>),
    /// `^expired TOKEN^`: there is no session of this token (any more).
    Expired(u64),
    /// Something else, from a server that is not ours.
    Foreign(&'a [u8]),
}

impl<'a> Down<'a> {
    /// Reads a datagram; every sequence of bytes is some `Down`.
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

/// Puts `TEXT. from IP:PORT` into `out`, which is emptied first.
pub fn write_chat(text: &[u8], from: SocketAddr, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(text);
    out.extend_from_slice(FROM);
    write!(out, "{from}").expect("a Vec takes every write");
}

/// Puts `^hb N^` into `out`, which is emptied first.
pub fn write_heartbeat(number: u32, out: &mut Vec<u8>) {
    out.clear();
    write_numbered("hb", number, out);
}

/// Puts `^cookie HEX^` into `out`, which is emptied first; 36 bits of the cookie count: a
/// `^join^` of six bytes may be answered with eighteen.
pub fn write_cookie(cookie: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^cookie {:09x}^", cookie & 0xf_ffff_ffff).expect("a Vec takes every write");
}

/// Puts `^welcome TOKEN^` into `out`, which is emptied first.
pub fn write_welcome(token: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^welcome {token:016x}^").expect("a Vec takes every write");
}

/// Puts `^expired TOKEN^` into `out`, which is emptied first.
pub fn write_expired(token: u64, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "^expired {token:016x}^").expect("a Vec takes every write");
}

/// Puts `^ack N^` into `out`, which is emptied first.
pub fn write_ack(number: u32, out: &mut Vec<u8>) {
    out.clear();
    write_numbered("ack", number, out);
}

/// Puts `^msg N^` and what [`write_chat`] gave into `out`, which is emptied first.
pub fn write_message(number: u32, chat: &[u8], out: &mut Vec<u8>) {
    out.clear();
    write_with_text("msg", number, chat, out);
}

/// Puts `^val N^` and the value of a key into `out`, which is emptied first: the key itself, filled
/// up to `size` bytes.
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
