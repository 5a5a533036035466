//! What one sender has sent to one peer and waits to see acked. Bounded: whoever is too slow loses
//! its oldest, never others' memory.

use std::collections::{BTreeSet, VecDeque};

use skipbeat_core::Time;

use crate::{Rto, WINDOW};

/// How often something is sent before it is given up.
const TRIES: u32 = 8;

/// Numbered things that wait for their acks.
#[derive(Clone, Debug)]
pub struct Outbox<T> {
    /// In the order of their numbers, which may have gaps.
    waiting: VecDeque<Waiting<T>>,
    /// When each is due, by its number.
    due: BTreeSet<(Time, u32)>,
    rto: Rto,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<T> {
    number: u32,
    item: T,
    sent: Time,
    due: Time,
    tries: u32,
}

/// What became of something that waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue<T> {
    /// It is to be sent again.
    Again(u32, T),
    /// It was sent often enough.
    GivenUp(T),
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Outbox { waiting: VecDeque::new(), due: BTreeSet::new(), rto: Rto::default() }
    }
}

impl<T: Clone> Outbox<T> {
    /// Something is sent for the first time. What would be below the other side's window then is
    /// given up and returned, so that no more than [`WINDOW`] wait.
    pub fn send(&mut self, now: Time, number: u32, item: T) -> Vec<T> {
        let mut lost = Vec::new();
        while let Some(oldest) = self.waiting.front() {
            if number.wrapping_sub(oldest.number) < WINDOW {
                break;
            }
            lost.extend(self.take(0));
        }
        let due = now + self.rto.wait(1);
        self.due.insert((due, number));
        self.waiting.push_back(Waiting { number, item, sent: now, due, tries: 1 });
        lost
    }

    /// An ack came; gives what it is for, if that waits.
    pub fn ack(&mut self, now: Time, number: u32) -> Option<T> {
        let place = self.place(number)?;
        let Waiting { sent, tries, .. } = self.waiting[place];
        if tries == 1 {
            self.rto.sample(now.since(sent));
        }
        self.take(place)
    }

    /// When [`Outbox::overdue`] has something.
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next thing whose ack is overdue at `now`.
    pub fn overdue(&mut self, now: Time) -> Option<Overdue<T>> {
        let (due, number) = *self.due.first().filter(|(due, _)| *due <= now)?;
        let place = self.place(number)?;
        let waiting = &mut self.waiting[place];
        if waiting.tries >= TRIES {
            return self.take(place).map(Overdue::GivenUp);
        }
        waiting.tries += 1;
        waiting.due = now + self.rto.wait(waiting.tries);
        self.due.remove(&(due, number));
        self.due.insert((waiting.due, number));
        Some(Overdue::Again(number, waiting.item.clone()))
    }

    /// Gives everything up.
    pub fn abandon(&mut self) -> impl Iterator<Item = T> + use<'_, T> {
        self.due.clear();
        self.waiting.drain(..).map(|waiting| waiting.item)
    }

    /// Where a number waits. Numbers rise, and may wrap around.
    fn place(&self, number: u32) -> Option<usize> {
        let oldest = self.waiting.front()?.number;
        let distance = number.wrapping_sub(oldest);
        let distance_of = |waiting: &Waiting<T>| waiting.number.wrapping_sub(oldest);
        self.waiting.binary_search_by_key(&distance, distance_of).ok()
    }

    fn take(&mut self, place: usize) -> Option<T> {
        let Waiting { number, due, item, .. } = self.waiting.remove(place)?;
        self.due.remove(&(due, number));
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::Span;

    #[test]
    fn what_is_not_acked_is_sent_again_with_backoff_and_given_up() {
        let mut outbox = Outbox::default();
        assert!(outbox.send(Time::ZERO, 7, "hi").is_empty());
        let mut waits = Vec::new();
        let mut last = Time::ZERO;
        let given_up = loop {
            let due = outbox.next_due().unwrap();
            waits.push(due.since(last).seconds());
            last = due;
            match outbox.overdue(due) {
                Some(Overdue::Again(7, "hi")) => {}
                other => break other,
            }
        };
        assert_eq!(given_up, Some(Overdue::GivenUp("hi")));
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(outbox.next_due(), None);
    }

    #[test]
    fn an_ack_settles_and_teaches_the_timeout() {
        let mut outbox = Outbox::default();
        outbox.send(Time::ZERO, 0, 'a');
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        assert_eq!((outbox.ack(at(100), 0), outbox.ack(at(100), 0)), (Some('a'), None));
        outbox.send(at(1000), 1, 'b');
        // SRTT 100, RTTVAR 50.
        assert_eq!(outbox.next_due(), Some(at(1300)));
    }

    #[test]
    fn numbers_may_have_gaps_and_wrap_around_and_the_earliest_due_comes_first() {
        let mut outbox = Outbox::default();
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        for (millis, number) in [(0, u32::MAX - 5), (10, u32::MAX), (20, 3)] {
            assert!(outbox.send(at(millis), number, number).is_empty());
        }
        assert_eq!((outbox.ack(at(30), 2), outbox.ack(at(30), u32::MAX)), (None, Some(u32::MAX)));
        // The first ack taught an RTO of 60 ms, so 200 ms: what is sent again waits 400 ms.
        assert_eq!(outbox.overdue(at(1_000)), Some(Overdue::Again(u32::MAX - 5, u32::MAX - 5)));
        assert_eq!(outbox.next_due(), Some(at(1_020)));
        assert_eq!(outbox.overdue(at(1_020)), Some(Overdue::Again(3, 3)));
        assert_eq!((outbox.next_due(), outbox.abandon().count()), (Some(at(1_400)), 2));
        assert_eq!((outbox.next_due(), outbox.overdue(Time::NEVER)), (None, None));
    }

    #[test]
    fn without_room_the_oldest_is_given_up() {
        let mut outbox = Outbox::default();
        let lost: Vec<u32> = (0..WINDOW + 3).flat_map(|n| outbox.send(Time::ZERO, n, n)).collect();
        assert_eq!(lost, [0, 1, 2]);
    }
}
