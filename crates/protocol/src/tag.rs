//! The tag in a text of a swarm. It is plain text, so that any server that passes text on can be
//! measured: `~sbRUN.CLIENT.SEQ.PLANNED~`, all in hexadecimal of fixed width. The first half of RUN
//! is a checksum of the rest, so that a damaged tag is not taken for another one.

use std::io::Write;

use skipbeat_core::{MessageId, Time, mix};

const MARK: &[u8] = b"~sb";

/// Which message a text is, and when it was due.
///
/// ```
/// use skipbeat_core::{MessageId, Time};
/// use skipbeat_protocol::Tag;
///
/// let message = MessageId { sender: 3, seq: 5 };
/// let tag = Tag { run: 1, message, planned: Time::from_nanos(9) };
/// let mut text = Vec::new();
/// tag.write(64, &mut text);
/// assert_eq!((text.len(), Tag::find(&text)), (64, Some(tag)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tag {
    /// The number of the run, which follows from its seed. It tells the datagrams of this run from
    /// those of another.
    pub run: u16,
    /// The message.
    pub message: MessageId,
    /// When the client had to send it.
    pub planned: Time,
}

impl Tag {
    /// The length of a tag in bytes. A text is at least as long.
    pub const LEN: usize = 47;

    /// Writes a text of `size` bytes with this tag into `out`, which is emptied first. The text has
    /// at least [`Tag::LEN`] bytes.
    pub fn write(&self, size: usize, out: &mut Vec<u8>) {
        out.clear();
        let Tag { run, message: MessageId { sender, seq }, planned } = self;
        let run = u32::from(self.check()) << 16 | u32::from(*run);
        write!(out, "~sb{run:08x}.{sender:08x}.{seq:08x}.{:016x}~", planned.nanos())
            .expect("a Vec takes every write");
        out.resize(size.max(Self::LEN), b'.');
    }

    /// The first tag in a text, at any position.
    pub fn find(text: &[u8]) -> Option<Tag> {
        let last = text.len().checked_sub(Self::LEN)?;
        (0..=last).filter(|at| text[*at..].starts_with(MARK)).find_map(|at| {
            let fields = &text[at + MARK.len()..at + Self::LEN];
            let separators = [fields[8], fields[17], fields[26], fields[43]];
            (separators == *b"...~").then_some(())?;
            let run = hex(&fields[..8])?;
            let tag = Tag {
                run: run as u16,
                message: MessageId {
                    sender: hex(&fields[9..17])? as u32,
                    seq: hex(&fields[18..26])? as u32,
                },
                planned: Time::from_nanos(hex(&fields[27..43])?),
            };
            (run >> 16 == u64::from(tag.check())).then_some(tag)
        })
    }

    /// The checksum of the other fields.
    fn check(&self) -> u16 {
        let Tag { run, message: MessageId { sender, seq }, planned } = *self;
        let who = u64::from(sender) << 32 | u64::from(seq);
        (mix(mix(mix(who) ^ planned.nanos()) ^ u64::from(run)) >> 48) as u16
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_is_found_in_any_surroundings(
            run: u16, sender: u32, seq: u32, planned: u64, size in 0..200usize,
            before in "[ -}]{0,20}", after: Vec<u8>,
        ) {
            let tag = Tag { run, message: MessageId { sender, seq }, planned: Time::from_nanos(planned) };
            let mut text = Vec::new();
            tag.write(size, &mut text);
            prop_assert_eq!(text.len(), size.max(Tag::LEN));
            let around = [before.as_bytes(), &text, &after].concat();
            prop_assert_eq!(Tag::find(&around), Some(tag));
        }

        #[test]
        fn a_damaged_tag_is_none(
            run: u16, sender: u32, seq: u32, planned: u64, at in 3..46usize, to in b'0'..=b'9',
        ) {
            let tag = Tag { run, message: MessageId { sender, seq }, planned: Time::from_nanos(planned) };
            let mut text = Vec::new();
            tag.write(0, &mut text);
            let was = std::mem::replace(&mut text[at], to);
            // One in 65,536 damages goes unnoticed.
            if was != to && Tag::find(&text).is_some() {
                prop_assume!(false, "it happens");
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            Tag::find(&bytes);
        }
    }
}
