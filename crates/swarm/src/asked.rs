//! The queries of a client that wait for their answers, and when it asks again.

use std::collections::BTreeMap;

use skipbeat_core::Time;
use skipbeat_protocol::Tag;
use skipbeat_workload::Retry;

/// A query without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) tag: Tag,
    pub(crate) size: usize,
    retry: Retry,
    /// How often it was asked.
    tries: u32,
    /// When its answer is overdue.
    due: Time,
}

/// The queries of a client, by their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    waiting: BTreeMap<u32, Query>,
    /// When its timer is due; there is one at a time that counts.
    pub(crate) armed: Option<Time>,
}

/// What becomes of a query whose answer is overdue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Overdue {
    /// It is asked again.
    Again(Query),
    /// It was asked often enough.
    GivenUp(Query),
}

impl Asked {
    /// A query is asked for the first time.
    pub(crate) fn ask(&mut self, now: Time, tag: Tag, size: usize, retry: Retry) {
        let due = now + retry.wait(1);
        self.waiting.insert(tag.message.seq, Query { tag, size, retry, tries: 1, due });
    }

    /// An answer of this number came: gives the query, if it waits.
    pub(crate) fn answer(&mut self, number: u32) -> Option<Query> {
        self.waiting.remove(&number)
    }

    /// When the next answer is overdue.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.waiting.values().map(|query| query.due).min()
    }

    /// Those whose answers are overdue at `now`.
    pub(crate) fn overdue(&mut self, now: Time) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        self.waiting.retain(|_, query| {
            if query.due > now {
                return true;
            }
            if query.tries >= query.retry.tries {
                overdue.push(Overdue::GivenUp(*query));
                return false;
            }
            query.tries += 1;
            query.due = now + query.retry.wait(query.tries);
            overdue.push(Overdue::Again(*query));
            true
        });
        overdue
    }

    /// Nothing is waited for any more.
    pub(crate) fn abandon(self) -> impl Iterator<Item = Query> {
        self.waiting.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::{MessageId, Span};

    #[test]
    fn a_query_is_asked_so_often_and_then_given_up() {
        let timeout = Span::from_secs(1);
        let retry = Retry { timeout, backoff: 2.0, longest: Span::from_secs(9), tries: 3 };
        let mut asked = Asked::default();
        let tag = |seq| {
            let message = MessageId { sender: 0, seq };
            Tag { run: 0, message, planned: Time::ZERO }
        };
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        asked.ask(at(0), tag(0), 64, retry);
        asked.ask(at(0), tag(1), 64, retry);
        assert!(asked.overdue(at(0)).is_empty() && asked.answer(1).is_some());
        assert!(asked.answer(1).is_none(), "it waits no more");
        for (due, given_up) in [(1, false), (3, false), (7, true)] {
            assert_eq!(asked.next_due(), Some(at(due)));
            let overdue = asked.overdue(at(due));
            assert!(matches!(overdue[..], [Overdue::GivenUp(_)]) == given_up, "{overdue:?}");
        }
        assert_eq!(asked.next_due(), None);
    }
}
