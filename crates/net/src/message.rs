//! Messages that wait to be sent. Only ranges are kept here; the bytes are in a buffer of the
//! owner.

use std::net::{IpAddr, SocketAddr};

use skipbeat_sys::{ByteRange, Message};

#[derive(Debug)]
struct Header {
    to: SocketAddr,
    from: Option<IpAddr>,
    /// The index after its last datagram. Its first one follows the last of the message before.
    end: u32,
}

/// A queue of messages.
#[derive(Debug, Default)]
pub(crate) struct MessageQueue {
    datagrams: Vec<ByteRange>,
    headers: Vec<Header>,
    /// How many messages at the front were sent but not removed yet.
    sent: usize,
}

impl MessageQueue {
    /// Adds a message.
    #[inline]
    pub(crate) fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, datagrams: &[ByteRange]) {
        self.datagrams.extend_from_slice(datagrams);
        self.headers.push(Header { to, from, end: self.datagrams.len() as u32 });
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.headers.len() - self.sent
    }

    /// How many datagrams wait.
    pub(crate) fn datagrams(&self) -> usize {
        let first = self.sent.checked_sub(1).map_or(0, |last| self.headers[last].end);
        self.datagrams.len() - first as usize
    }

    /// The `n`-th message that waits, counted from zero.
    #[inline]
    pub(crate) fn get(&self, n: usize) -> Message<'_> {
        let n = self.sent + n;
        let start = n.checked_sub(1).map_or(0, |last| self.headers[last].end);
        let Header { to, from, end } = self.headers[n];
        Message { to, from, datagrams: &self.datagrams[start as usize..end as usize] }
    }

    /// The messages that wait, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        (0..self.len()).map(|n| self.get(n))
    }

    /// The first messages were sent.
    pub(crate) fn advance(&mut self, messages: usize) {
        self.sent += messages;
        if self.sent == self.headers.len() {
            self.datagrams.clear();
            self.headers.clear();
            self.sent = 0;
        }
    }

    /// Frees the memory of sent messages, if that is worth it.
    pub(crate) fn tidy(&mut self) {
        const MUCH: usize = 4096;
        if self.sent >= MUCH && self.sent >= self.headers.len() / 2 {
            self.remove_sent();
        }
    }

    /// Frees the memory of sent messages.
    pub(crate) fn remove_sent(&mut self) {
        let Some(last) = self.sent.checked_sub(1) else { return };
        let first = self.headers[last].end;
        self.datagrams.drain(..first as usize);
        self.headers.drain(..self.sent);
        self.headers.iter_mut().for_each(|header| header.end -= first);
        self.sent = 0;
    }

    /// Moves all ranges so that the first begins at zero, and returns by how much. The owner has to
    /// remove as many bytes from its buffer. Sent messages must have been removed before.
    pub(crate) fn rebase(&mut self) -> u32 {
        let base = self.datagrams.iter().map(|(start, _)| *start).min().unwrap_or(0);
        for (start, end) in &mut self.datagrams {
            (*start, *end) = (*start - base, *end - base);
        }
        base
    }

    /// Makes each datagram of the first message a message of its own.
    pub(crate) fn split_first(&mut self) {
        let start = self.sent.checked_sub(1).map_or(0, |last| self.headers[last].end);
        let Header { to, from, end } = self.headers[self.sent];
        let each = (start + 1..=end).map(|end| Header { to, from, end });
        self.headers.splice(self.sent..=self.sent, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_be_split_after_others_were_sent() {
        let to = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut messages = MessageQueue::default();
        messages.push(to(1), None, &[(0, 1)]);
        messages.push(to(2), None, &[(0, 1), (1, 2), (2, 3)]);
        messages.push(to(3), None, &[(3, 4)]);
        messages.advance(1);
        assert_eq!((messages.len(), messages.datagrams()), (2, 4));
        messages.split_first();
        let all: Vec<_> = (0..4).map(|n| (messages.get(n).to, messages.get(n).datagrams)).collect();
        let one = |port, range: &'static [ByteRange]| (to(port), range);
        let expected = [one(2, &[(0, 1)]), one(2, &[(1, 2)]), one(2, &[(2, 3)]), one(3, &[(3, 4)])];
        assert_eq!(all, expected);
        messages.advance(4);
        assert_eq!((messages.len(), messages.datagrams()), (0, 0));
    }

    #[test]
    fn sent_messages_are_removed_though_others_wait() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut messages = MessageQueue::default();
        for n in 0..10_000 {
            messages.push(to, None, &[(n, n + 1)]);
        }
        messages.advance(9_990);
        messages.tidy();
        assert_eq!((messages.headers.len(), messages.rebase()), (10, 9_990));
        assert_eq!(
            (messages.get(0).datagrams, messages.get(9).datagrams),
            (&[(0, 1)][..], &[(9, 10)][..])
        );
    }
}
