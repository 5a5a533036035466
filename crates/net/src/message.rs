//! Messages on their way to a socket: each goes to one address and is one datagram, or several of
//! which all but the last have the same length. Their bytes are kept elsewhere, once.

use std::net::{IpAddr, SocketAddr};

use skipbeat_sys::{ByteRange, Message};

#[derive(Debug)]
struct Head {
    to: SocketAddr,
    from: Option<IpAddr>,
    /// One past its last datagram; its first follows the last of the one before.
    end: u32,
}

/// Messages in the order in which they are sent.
#[derive(Debug, Default)]
pub(crate) struct MessageQueue {
    datagrams: Vec<ByteRange>,
    heads: Vec<Head>,
    /// How many are gone.
    gone: usize,
}

impl MessageQueue {
    /// Adds a message.
    #[inline]
    pub(crate) fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, datagrams: &[ByteRange]) {
        self.datagrams.extend_from_slice(datagrams);
        self.heads.push(Head { to, from, end: self.datagrams.len() as u32 });
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.heads.len() - self.gone
    }

    /// Datagrams in those that wait.
    pub(crate) fn datagrams(&self) -> usize {
        let first = self.gone.checked_sub(1).map_or(0, |last| self.heads[last].end);
        self.datagrams.len() - first as usize
    }

    /// The `n`-th of those that wait.
    #[inline]
    pub(crate) fn get(&self, n: usize) -> Message<'_> {
        let n = self.gone + n;
        let start = n.checked_sub(1).map_or(0, |last| self.heads[last].end);
        let Head { to, from, end } = self.heads[n];
        Message { to, from, datagrams: &self.datagrams[start as usize..end as usize] }
    }

    /// Those that wait, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        (0..self.len()).map(|n| self.get(n))
    }

    /// The first so many are gone.
    pub(crate) fn advance(&mut self, messages: usize) {
        self.gone += messages;
        if self.gone == self.heads.len() {
            self.datagrams.clear();
            self.heads.clear();
            self.gone = 0;
        }
    }

    /// Forgets what is gone, if that is much.
    pub(crate) fn tidy(&mut self) {
        const MUCH: usize = 4096;
        if self.gone >= MUCH && self.gone >= self.heads.len() / 2 {
            self.forget_gone();
        }
    }

    /// Forgets what is gone.
    pub(crate) fn forget_gone(&mut self) {
        let Some(last) = self.gone.checked_sub(1) else { return };
        let first = self.heads[last].end;
        self.datagrams.drain(..first as usize);
        self.heads.drain(..self.gone);
        self.heads.iter_mut().for_each(|head| head.end -= first);
        self.gone = 0;
    }

    /// Where the first byte of those that wait is; from now on it is at zero. Nothing may be gone but
    /// not forgotten.
    pub(crate) fn rebase(&mut self) -> u32 {
        let base = self.datagrams.iter().map(|(start, _)| *start).min().unwrap_or(0);
        for (start, end) in &mut self.datagrams {
            (*start, *end) = (*start - base, *end - base);
        }
        base
    }

    /// Makes each datagram of the first a message of its own.
    pub(crate) fn split_first(&mut self) {
        let start = self.gone.checked_sub(1).map_or(0, |last| self.heads[last].end);
        let Head { to, from, end } = self.heads[self.gone];
        let each = (start + 1..=end).map(|end| Head { to, from, end });
        self.heads.splice(self.gone..=self.gone, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_be_split_while_others_are_gone() {
        let to = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut messages = MessageQueue::default();
        messages.push(to(1), None, &[(0, 1)]);
        messages.push(to(2), None, &[(0, 1), (1, 2), (2, 3)]);
        messages.push(to(3), None, &[(3, 4)]);
        messages.advance(1);
        assert_eq!((messages.len(), messages.datagrams()), (2, 4));
        messages.split_first();
        let all: Vec<_> = (0..4).map(|n| (messages.get(n).to, messages.get(n).datagrams)).collect();
        let one = |port, piece: &'static [ByteRange]| (to(port), piece);
        let expected = [one(2, &[(0, 1)]), one(2, &[(1, 2)]), one(2, &[(2, 3)]), one(3, &[(3, 4)])];
        assert_eq!(all, expected);
        messages.advance(4);
        assert_eq!((messages.len(), messages.datagrams()), (0, 0));
    }

    #[test]
    fn what_is_gone_is_forgotten_though_something_always_waits() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut messages = MessageQueue::default();
        for n in 0..10_000 {
            messages.push(to, None, &[(n, n + 1)]);
        }
        messages.advance(9_990);
        messages.tidy();
        assert_eq!((messages.heads.len(), messages.rebase()), (10, 9_990));
        assert_eq!(
            (messages.get(0).datagrams, messages.get(9).datagrams),
            (&[(0, 1)][..], &[(9, 10)][..])
        );
    }
}
