//! What clients send: a small value, which is written out as bytes when it goes to the server.

use std::io::Write;

use skipbeat_core::{ClientId, mix};
use skipbeat_protocol::{Join, Packet, Tag, Up};

/// A datagram of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Datagram {
    /// The address that it claims to come from.
    pub source: SourceAddress,
    /// The token of the client's session, if it has one.
    pub session: Option<u64>,
    /// Its contents.
    pub act: Act,
}

/// The address that a datagram claims to come from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SourceAddress {
    /// That of the client that sends it.
    Own,
    /// That of another client.
    Of(ClientId),
    /// A forged one: its index among those of the group.
    Forged(u32),
}

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// A heartbeat, with a number if the server's detector needs one.
    Heartbeat(Option<u32>),
    /// The answer to a heartbeat or a numbered text of the server.
    Ack(u32),
    /// An explicit join.
    Join(Join),
    /// `quit`.
    Quit,
    /// A text of `size` bytes with a tag.
    Chat {
        /// The tag in the text.
        tag: Tag,
        /// The size of the text in bytes.
        size: usize,
    },
    /// A numbered text of `size` bytes with a tag, to be acked.
    Message {
        /// The tag in the text; the number of the text is `tag.message.seq`.
        tag: Tag,
        /// The size of the text in bytes, without the number before it.
        size: usize,
        /// Whether it is sent again.
        again: bool,
    },
    /// A sample of `size` bytes with a tag.
    Put {
        /// The tag in the data; the number is `tag.message.seq`.
        tag: Tag,
        /// The size of the data in bytes, without the number before it.
        size: usize,
    },
    /// A query whose key has `size` bytes with a tag.
    Get {
        /// The tag in the data; the number is `tag.message.seq`.
        tag: Tag,
        /// The size of the key in bytes, without the number before it.
        size: usize,
        /// Whether it is asked again.
        again: bool,
    },
    /// A text of this many bytes without a tag.
    Shout(usize),
    /// Random bytes.
    Noise {
        /// The random number that the bytes follow from.
        draw: u64,
        /// The number of bytes.
        size: usize,
    },
}

impl Act {
    /// Its tag, if it is a message that the delivery ledger accounts for.
    pub fn tag(self) -> Option<Tag> {
        match self {
            Act::Chat { tag, .. }
            | Act::Message { tag, .. }
            | Act::Put { tag, .. }
            | Act::Get { tag, .. } => Some(tag),
            _ => None,
        }
    }
}

impl Datagram {
    /// A heartbeat without number and session from the client's own address, as most are.
    pub const BARE_BEAT: Datagram =
        Datagram { source: SourceAddress::Own, session: None, act: Act::Heartbeat(None) };

    /// A datagram from the client's own address and without a session.
    pub fn plain(act: Act) -> Self {
        Datagram { source: SourceAddress::Own, session: None, act }
    }

    /// Whether it is [`Datagram::BARE_BEAT`].
    #[inline]
    pub fn is_bare_beat(&self) -> bool {
        matches!(
            self,
            Datagram { source: SourceAddress::Own, session: None, act: Act::Heartbeat(None) }
        )
    }

    /// Writes its bytes into `out`, which is emptied first.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        let up = match self.act {
            Act::Heartbeat(number) => Up::Heartbeat(number),
            Act::Ack(number) => Up::Ack(number),
            Act::Join(join) => Up::Join(join),
            Act::Quit => Up::Quit,
            // Most texts have no session: they are written straight into `out`.
            Act::Chat { tag, size } if self.session.is_none() => return tag.write(size, out),
            Act::Chat { tag, size } => {
                tag.write(size, &mut text);
                Up::Chat(&text)
            }
            Act::Message { tag, size, .. } => {
                tag.write(size, &mut text);
                Up::Message { number: tag.message.seq, text: &text }
            }
            Act::Put { tag, size } => {
                tag.write(size, &mut text);
                Up::Put { number: tag.message.seq, data: &text }
            }
            Act::Get { tag, size, .. } => {
                tag.write(size, &mut text);
                Up::Get { number: tag.message.seq, key: &text }
            }
            Act::Shout(size) => {
                text.resize(size, b'!');
                Up::Chat(&text)
            }
            Act::Noise { draw, size } => {
                let words = (0..).map(|n: u64| mix(draw.wrapping_add(n)));
                let words = words.take(size.div_ceil(8));
                words.for_each(|word| text.write_all(&word.to_le_bytes()).expect("room"));
                text.truncate(size);
                Up::Chat(&text)
            }
        };
        Packet { session: self.session, up }.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time_and_of_its_size() {
        let noise = Datagram::plain(Act::Noise { draw: 7, size: 13 });
        let (mut once, mut again) = (Vec::new(), Vec::new());
        noise.write(&mut once);
        noise.write(&mut again);
        assert_eq!((once.len(), &once), (13, &again));
    }
}
