//! A calendar queue (Brown, CACM 31(10), 1988): items come out in order of (time, item), at a cost
//! that does not grow with their number. Timers, deadlines and datagrams in flight all wait in one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{ClientSet, Time};

/// Buckets span 2²⁰ ns, about a millisecond; the ring holds 17 s of them. What lies farther ahead
/// waits in a heap. Neither number changes the order in which items come out.
const BUCKET_BITS: u32 = 20;
const RING: u64 = 1 << 14;

/// A priority queue of `(Time, T)` for items that are mostly due soon.
#[derive(Debug)]
pub struct Calendar<T> {
    /// The bucket that is being emptied, latest item first.
    open: Vec<(Time, T)>,
    /// What was pushed into the open bucket or before it since it was opened.
    late: BinaryHeap<Reverse<(Time, T)>>,
    /// Absolute number of the open bucket.
    cursor: u64,
    /// Buckets `cursor + 1 ..= cursor + RING - 1`, unsorted, at their number modulo `RING`.
    ring: Vec<Vec<(Time, T)>>,
    occupied: ClientSet,
    far: BinaryHeap<Reverse<(Time, T)>>,
    /// The earliest time in `ring` and `far`, kept so that looking costs nothing.
    ahead: Time,
    len: usize,
}

impl<T: Copy + Ord> Default for Calendar<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + Ord> Calendar<T> {
    /// An empty calendar.
    pub fn new() -> Self {
        Calendar {
            open: Vec::new(),
            late: BinaryHeap::new(),
            cursor: 0,
            ring: std::iter::repeat_with(Vec::new).take(RING as usize).collect(),
            occupied: ClientSet::with_room(RING as u32),
            far: BinaryHeap::new(),
            ahead: Time::NEVER,
            len: 0,
        }
    }

    /// How many items wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item that is due at `at`.
    #[inline]
    pub fn push(&mut self, at: Time, item: T) {
        self.len += 1;
        let bucket = bucket_of(at);
        if bucket <= self.cursor {
            self.late.push(Reverse((at, item)));
            return;
        }
        self.ahead = self.ahead.min(at);
        if bucket - self.cursor < RING {
            self.put_in_ring(bucket, at, item);
        } else {
            self.far.push(Reverse((at, item)));
        }
    }

    /// When the earliest item is due.
    #[inline]
    pub fn next_at(&self) -> Option<Time> {
        let open = self.open.last().map_or(Time::NEVER, |(at, _)| *at);
        let late = self.late.peek().map_or(Time::NEVER, |Reverse((at, _))| *at);
        let next = open.min(late).min(self.ahead);
        (self.len > 0).then_some(next)
    }

    /// Takes out the earliest item, if it is due at `limit` or before.
    #[inline]
    pub fn pop_until(&mut self, limit: Time) -> Option<(Time, T)> {
        if self.open.is_empty() && self.late.is_empty() {
            if self.len == 0 || self.ahead > limit {
                return None;
            }
            self.open_next_bucket();
        }
        let from_late = match (self.open.last(), self.late.peek()) {
            (Some(open), Some(Reverse(late))) => late < open,
            (open, _) => open.is_none(),
        };
        let next = if from_late { self.late.peek()?.0 } else { *self.open.last()? };
        if next.0 > limit {
            return None;
        }
        self.len -= 1;
        if from_late { self.late.pop().map(|Reverse(entry)| entry) } else { self.open.pop() }
    }

    fn put_in_ring(&mut self, bucket: u64, at: Time, item: T) {
        let slot = (bucket % RING) as u32;
        self.ring[slot as usize].push((at, item));
        self.occupied.insert(slot);
    }

    /// Moves the cursor to the bucket of `ahead` and sorts that bucket.
    fn open_next_bucket(&mut self) {
        self.cursor = bucket_of(self.ahead);
        while let Some(&Reverse((at, item))) = self.far.peek() {
            if bucket_of(at) - self.cursor >= RING {
                break;
            }
            self.far.pop();
            self.put_in_ring(bucket_of(at), at, item);
        }
        let slot = (self.cursor % RING) as u32;
        std::mem::swap(&mut self.open, &mut self.ring[slot as usize]);
        self.occupied.remove(slot);
        self.open.sort_unstable_by(|a, b| b.cmp(a));
        self.ahead = self.find_ahead();
    }

    /// The earliest time in the ring, or in the heap where the ring is empty.
    fn find_ahead(&self) -> Time {
        let from = (self.cursor % RING) as u32;
        let next = next_in(&self.occupied, from).or_else(|| next_in(&self.occupied, 0));
        match next {
            Some(slot) => self.ring[slot as usize].iter().map(|(at, _)| *at).min(),
            None => self.far.peek().map(|Reverse((at, _))| *at),
        }
        .unwrap_or(Time::NEVER)
    }

    /// Everything that still waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Time, T)> + '_ {
        let heaps = self.late.iter().chain(&self.far).map(|Reverse(entry)| *entry);
        self.open.iter().copied().chain(heaps).chain(self.ring.iter().flatten().copied())
    }
}

const fn bucket_of(at: Time) -> u64 {
    at.nanos() >> BUCKET_BITS
}

/// The first member at or after `from`.
fn next_in(set: &ClientSet, from: u32) -> Option<u32> {
    let words = set.words();
    let first = from as usize / 64;
    let masked = words[first] & (u64::MAX << (from % 64));
    if masked != 0 {
        return Some(first as u32 * 64 + masked.trailing_zeros());
    }
    let index = first + 1 + words[first + 1..].iter().position(|w| *w != 0)?;
    Some(index as u32 * 64 + words[index].trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seed, Span};

    /// Against a plain heap, with pushes near, far, late and simultaneous, and idle gaps.
    #[test]
    fn comes_out_in_the_order_of_a_heap() {
        for seed in 0..20 {
            let stream = Seed(seed).family("calendar").stream(0);
            let mut calendar = Calendar::new();
            let mut heap = BinaryHeap::new();
            let mut now = Time::ZERO;
            for i in 0..5_000u64 {
                let far = [1 << 12, 1 << 21, 1 << 30, 1 << 36][(stream.bits(3 * i) % 4) as usize];
                let at = now + Span::from_nanos(stream.bits(3 * i + 1) % far);
                calendar.push(at, i as u32);
                heap.push(Reverse((at, i as u32)));
                assert_eq!(calendar.next_at(), heap.peek().map(|Reverse((at, _))| *at));
                let limit = now + Span::from_nanos(stream.bits(3 * i + 2) % (far + 1));
                while let Some(popped) = calendar.pop_until(limit) {
                    assert_eq!(Some(Reverse(popped)), heap.pop());
                    now = popped.0;
                }
                assert!(heap.peek().is_none_or(|Reverse((at, _))| *at > limit));
                assert_eq!(calendar.len(), heap.len());
                now = now.max(limit);
            }
            assert_eq!(calendar.iter().count(), calendar.len());
            while let Some(popped) = calendar.pop_until(Time::NEVER) {
                assert_eq!(Some(Reverse(popped)), heap.pop());
            }
            assert!(heap.is_empty() && calendar.next_at().is_none());
        }
    }
}
