//! What one sender has sent to one receiver and still waits for: acks of texts, answers to queries.

use std::collections::{BTreeSet, VecDeque};

use skipbeat_core::Time;

use crate::{RetryPolicy, Rto};

/// Numbered items that wait for their answers.
///
/// The owner sends; the outbox says when to send again. It also keeps the time of the one timer
/// that it needs: [`Outbox::set_timer`] after each change, [`Outbox::timer_fired`] when it is due.
///
/// ```
/// use skipbeat_core::{Span, Time};
/// use skipbeat_protocol::{Outbox, Overdue};
///
/// let mut outbox: Outbox<&str> = Outbox::default();
/// let second = |n| Time::ZERO + Span::from_secs(n);
/// outbox.send(second(0), 0, "hello");
/// assert_eq!(outbox.set_timer(), Some(second(1)));
///
/// assert!(outbox.timer_fired(second(1)));
/// assert_eq!(outbox.overdue(second(1)), Some(Overdue::Again(0, "hello")));
/// assert_eq!(outbox.set_timer(), Some(second(3)), "the second wait is twice as long");
///
/// assert_eq!(outbox.ack(second(2), 0), Some("hello"));
/// ```
#[derive(Clone, Debug)]
pub struct Outbox<T, P = Rto> {
    /// In the order of their numbers, which may have gaps.
    waiting: VecDeque<Waiting<T>>,
    /// When each is due, by its number.
    due: BTreeSet<(Time, u32)>,
    policy: P,
    /// The time of the timer that counts; timers set for other times are out of date.
    timer: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<T> {
    number: u32,
    item: T,
    sent: Time,
    due: Time,
    tries: u32,
}

/// What to do with an item that was not answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue<T> {
    /// Send it again; it has this number.
    Again(u32, T),
    /// It was the last try: the item has left the outbox.
    GivenUp(T),
}

impl<T: Clone> Default for Outbox<T> {
    fn default() -> Self {
        Outbox::new(Rto::default())
    }
}

impl<T: Clone, P: RetryPolicy> Outbox<T, P> {
    /// An empty outbox.
    pub fn new(policy: P) -> Self {
        Outbox { waiting: VecDeque::new(), due: BTreeSet::new(), policy, timer: None }
    }

    /// Keeps an item that is sent for the first time. Numbers rise from call to call, and may wrap
    /// around. Returns the items that are given up because they are now below the window.
    pub fn send(&mut self, now: Time, number: u32, item: T) -> Vec<T> {
        let mut lost = Vec::new();
        while let Some(oldest) = self.waiting.front() {
            if number.wrapping_sub(oldest.number) < self.policy.window() {
                break;
            }
            lost.extend(self.take(0));
        }
        let due = now + self.policy.wait(1);
        self.due.insert((due, number));
        self.waiting.push_back(Waiting { number, item, sent: now, due, tries: 1 });
        lost
    }

    /// The answer to an item arrived. Returns the item, if it was still waited for.
    pub fn ack(&mut self, now: Time, number: u32) -> Option<T> {
        let index = self.find(number)?;
        let Waiting { sent, tries, .. } = self.waiting[index];
        if tries == 1 {
            self.policy.sample(now.since(sent));
        }
        self.take(index)
    }

    /// When [`Outbox::overdue`] will have something next.
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next item whose answer is overdue at `now`; call it until there is none.
    pub fn overdue(&mut self, now: Time) -> Option<Overdue<T>> {
        let (due, number) = *self.due.first().filter(|(due, _)| *due <= now)?;
        let index = self.find(number)?;
        let waiting = &mut self.waiting[index];
        if waiting.tries >= self.policy.tries() {
            return self.take(index).map(Overdue::GivenUp);
        }
        waiting.tries += 1;
        waiting.due = now + self.policy.wait(waiting.tries);
        self.due.remove(&(due, number));
        self.due.insert((waiting.due, number));
        Some(Overdue::Again(number, waiting.item.clone()))
    }

    /// The time for which the owner has to set a timer, if no timer that it has set comes in time.
    pub fn set_timer(&mut self) -> Option<Time> {
        let due = self.next_due()?;
        if self.timer.is_some_and(|timer| timer <= due) {
            return None;
        }
        self.timer = Some(due);
        Some(due)
    }

    /// A timer that was set for `at` fired: whether it counts, or was replaced by an earlier one.
    pub fn timer_fired(&mut self, at: Time) -> bool {
        let counts = self.timer == Some(at);
        if counts {
            self.timer = None;
        }
        counts
    }

    /// Gives everything up.
    pub fn abandon(&mut self) -> impl Iterator<Item = T> + use<'_, T, P> {
        self.due.clear();
        self.waiting.drain(..).map(|waiting| waiting.item)
    }

    /// The index of a number in `waiting`, whose numbers rise and may wrap around.
    fn find(&self, number: u32) -> Option<usize> {
        let oldest = self.waiting.front()?.number;
        let distance = number.wrapping_sub(oldest);
        let distance_of = |waiting: &Waiting<T>| waiting.number.wrapping_sub(oldest);
        self.waiting.binary_search_by_key(&distance, distance_of).ok()
    }

    fn take(&mut self, index: usize) -> Option<T> {
        let Waiting { number, due, item, .. } = self.waiting.remove(index)?;
        self.due.remove(&(due, number));
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use skipbeat_core::Span;

    use super::*;
    use crate::WINDOW;

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

    /// Three tries, a second apart, as a query with a fixed timer.
    #[derive(Clone, Debug)]
    struct Fixed;

    impl RetryPolicy for Fixed {
        fn wait(&self, _: u32) -> Span {
            Span::from_secs(1)
        }

        fn tries(&self) -> u32 {
            3
        }
    }

    #[test]
    fn a_policy_decides_how_often_and_when_something_is_sent() {
        let mut outbox = Outbox::new(Fixed);
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        outbox.send(at(0), 0, 'a');
        outbox.send(at(0), 5000, 'b');
        assert_eq!((outbox.ack(at(0), 5000), outbox.ack(at(0), 5000)), (Some('b'), None));
        for (second, expected) in
            [(1, Overdue::Again(0, 'a')), (2, Overdue::Again(0, 'a')), (3, Overdue::GivenUp('a'))]
        {
            assert_eq!(outbox.next_due(), Some(at(second)));
            assert_eq!(outbox.overdue(at(second)), Some(expected));
            assert_eq!(outbox.overdue(at(second)), None);
        }
        assert_eq!(outbox.next_due(), None);
    }

    #[test]
    fn one_timer_at_a_time_counts() {
        let mut outbox = Outbox::new(Fixed);
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        assert_eq!(outbox.set_timer(), None, "nothing waits");
        outbox.send(at(0), 0, 'a');
        assert_eq!((outbox.set_timer(), outbox.set_timer()), (Some(at(1)), None));
        outbox.ack(at(0), 0);
        outbox.send(at(4), 1, 'b');
        assert_eq!(outbox.set_timer(), None, "the timer at 1 s is early enough");
        assert_eq!((outbox.timer_fired(at(1)), outbox.timer_fired(at(1))), (true, false));
        assert_eq!((outbox.overdue(at(1)), outbox.set_timer()), (None, Some(at(5))));
    }
}
