//! A calendar queue (Brown, CACM 31(10), 1988): items come out in order of (time, item), at a cost
//! that does not grow with their number. Timers, deadlines and datagrams in flight all wait in one.
//!
//! Time is divided into buckets, of which a ring covers the near future. A bucket is sorted only
//! when its time has come. A caller that does not need the order takes whole buckets out unsorted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{ClientSet, Span, Time};

/// Buckets in the ring. Items that are due later than those wait in a heap.
const RING: u64 = 1 << 14;
/// A bucket spans 2²⁰ ns, about a millisecond, where nothing else is asked for.
const WIDTH: u32 = 20;
/// Entries that are stored together. A bucket is a list of such chunks, and chunks are reused, so
/// that no bucket keeps the memory that it needed once.
const CHUNK: usize = 31;
/// The index that stands for no chunk.
const NONE: u32 = u32::MAX;

/// A priority queue of `(Time, T)` for items that are mostly due soon.
///
/// ```
/// use skipbeat_core::{Calendar, Time};
///
/// let mut calendar = Calendar::new();
/// calendar.push(Time::from_nanos(20), "second");
/// calendar.push(Time::from_nanos(10), "first");
/// assert_eq!(calendar.next_at(), Some(Time::from_nanos(10)));
/// assert_eq!(calendar.pop_until(Time::from_nanos(15)), Some((Time::from_nanos(10), "first")));
/// assert_eq!(calendar.pop_until(Time::from_nanos(15)), None, "the other one is due later");
/// ```
#[derive(Debug)]
pub struct Calendar<T> {
    /// A bucket spans 2 to the power of this, in nanoseconds.
    width: u32,
    /// The open bucket, which is being emptied: latest item first, once it is sorted.
    open: Vec<Entry<T>>,
    sorted: bool,
    /// The earliest offset in the open bucket while it is not sorted.
    first: u32,
    /// Items that were pushed into the open bucket, or before it, since it was opened.
    late: BinaryHeap<Reverse<(Time, T)>>,
    /// The number of the open bucket, counted from time zero.
    cursor: u64,
    /// Buckets `cursor + 1 ..= cursor + RING - 1`, unsorted, at their number modulo `RING`.
    ring: Vec<Bucket>,
    chunks: Vec<Chunk<T>>,
    /// The first of the chunks that are not in use.
    free: u32,
    occupied: ClientSet,
    far: BinaryHeap<Reverse<(Time, T)>>,
    /// The earliest time in `ring` and `far`, and the earliest of all: cached, since they are asked
    /// for often.
    ahead: Time,
    front: Time,
    len: usize,
}

/// An item of a bucket: its time is counted from the bucket's beginning.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    offset: u32,
    item: T,
}

/// A bucket: its first chunk and how many entries that one has. The other chunks are full.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    chunk: u32,
    fill: u32,
    /// The earliest offset in it.
    first: u32,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { chunk: NONE, fill: 0, first: u32::MAX };
}

#[derive(Debug)]
struct Chunk<T> {
    entries: [Entry<T>; CHUNK],
    next: u32,
}

impl<T: Copy + Ord> Default for Calendar<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + Ord> Calendar<T> {
    /// An empty calendar.
    pub fn new() -> Self {
        Self::with_width(WIDTH)
    }

    /// An empty calendar whose buckets span `2^width` nanoseconds, `width` up to 32. The width
    /// changes the cost of the calendar, not what comes out. It is best to have a few items in each
    /// bucket, and a ring (2¹⁴ buckets) that reaches as far as most pushes go.
    pub fn with_width(width: u32) -> Self {
        assert!(width <= 32, "offsets within a bucket are 32 bits");
        Calendar {
            width,
            open: Vec::new(),
            sorted: true,
            first: u32::MAX,
            late: BinaryHeap::new(),
            cursor: 0,
            ring: vec![Bucket::EMPTY; RING as usize],
            chunks: Vec::new(),
            free: NONE,
            occupied: ClientSet::with_room(RING as u32),
            far: BinaryHeap::new(),
            ahead: Time::NEVER,
            front: Time::NEVER,
            len: 0,
        }
    }

    /// An empty calendar for items that are due within `span` and are mostly taken out many at
    /// once: it has few wide buckets, whose ends all stay in the cache.
    pub fn reaching(span: Span) -> Self {
        let bucket = (span.nanos() / (RING / 4)).max(1);
        Self::with_width((bucket.ilog2() + 1).clamp(10, 32))
    }

    /// The number of items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item that is due at `at`.
    #[inline]
    pub fn push(&mut self, at: Time, item: T) {
        self.len += 1;
        self.front = self.front.min(at);
        let bucket = self.bucket_of(at);
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

    /// When the earliest item is due; [`Time::NEVER`] if there is none.
    #[inline]
    pub const fn front(&self) -> Time {
        self.front
    }

    /// When the earliest item is due.
    #[inline]
    pub fn next_at(&self) -> Option<Time> {
        (self.len > 0).then_some(self.front)
    }

    /// Finds the earliest time of all.
    #[inline]
    fn find_front(&self) -> Time {
        let open = match self.open.last() {
            None => Time::NEVER,
            Some(last) if self.sorted => self.time_of(last),
            Some(_) => Time::from_nanos((self.cursor << self.width) + u64::from(self.first)),
        };
        let late = self.late.peek().map_or(Time::NEVER, |Reverse((at, _))| *at);
        open.min(late).min(self.ahead)
    }

    /// Takes out the earliest item, if it is due at `limit` or before.
    #[inline]
    pub fn pop_until(&mut self, limit: Time) -> Option<(Time, T)> {
        if self.len == 0 || self.front > limit {
            return None;
        }
        if self.open.is_empty() && self.late.is_empty() {
            self.open_next_bucket();
        }
        if !self.sorted && !self.late_is_first() {
            self.sort_open();
        }
        let next = self.pop_open(limit);
        self.front = self.find_front();
        next
    }

    /// Takes out all items that are due at `limit` or before, in no order, and appends them to
    /// `into`.
    pub fn drain_until(&mut self, limit: Time, into: &mut Vec<(Time, T)>) {
        let before = into.len();
        loop {
            while let Some(Reverse(next)) = self.late.peek().filter(|next| next.0.0 <= limit) {
                into.push(*next);
                self.late.pop();
            }
            self.drain_open(limit, into);
            if self.ahead > limit || self.ahead == Time::NEVER {
                break;
            }
            self.open_next_bucket();
        }
        self.len -= into.len() - before;
        self.front = self.find_front();
    }

    /// [`Calendar::drain_until`] for the open bucket.
    fn drain_open(&mut self, limit: Time, into: &mut Vec<(Time, T)>) {
        let start = self.cursor << self.width;
        let Some(due) = limit.nanos().checked_sub(start) else { return };
        let mut first = u32::MAX;
        self.open.retain(|entry| {
            let stays = u64::from(entry.offset) > due;
            if stays {
                first = first.min(entry.offset);
            } else {
                into.push((Time::from_nanos(start + u64::from(entry.offset)), entry.item));
            }
            stays
        });
        self.first = first;
    }

    /// The items of the bucket that will be opened next, as far as they are known, in no order.
    pub fn upcoming(&self) -> impl Iterator<Item = T> + '_ {
        let slot = (self.bucket_of(self.ahead) % RING) as usize;
        let Bucket { chunk, fill, .. } = self.ring[slot];
        self.entries(chunk, fill).map(|entry| entry.item)
    }

    /// The number of the open bucket: it changes when another one is opened.
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Sorts the open bucket: by time alone, which is fast, then the few items that are due at the
    /// same time.
    fn sort_open(&mut self) {
        self.open.sort_unstable_by_key(|entry| Reverse(entry.offset));
        for same in self.open.chunk_by_mut(|a, b| a.offset == b.offset) {
            if same.len() > 1 {
                same.sort_unstable_by_key(|entry| Reverse(entry.item));
            }
        }
        self.sorted = true;
    }

    /// Whether an item that was pushed late is due before everything in the open bucket.
    fn late_is_first(&self) -> bool {
        let first = (self.cursor << self.width) + u64::from(self.first);
        let late = self.late.peek().map(|Reverse((at, _))| at.nanos());
        late.is_some_and(|late| self.open.is_empty() || late < first)
    }

    /// Takes out the earliest open item. While the bucket is not sorted, only late items count.
    #[inline]
    fn pop_open(&mut self, limit: Time) -> Option<(Time, T)> {
        let open = self.open.last().filter(|_| self.sorted);
        let open = open.map(|entry| (self.time_of(entry), entry.item));
        let (next, from_late) = match (open, self.late.peek()) {
            (Some(open), Some(Reverse(late))) if *late < open => (*late, true),
            (Some(open), _) => (open, false),
            (None, Some(Reverse(late))) => (*late, true),
            (None, None) => return None,
        };
        if next.0 > limit {
            return None;
        }
        self.len -= 1;
        if from_late {
            self.late.pop();
        } else {
            self.open.pop();
        }
        Some(next)
    }

    #[inline]
    const fn bucket_of(&self, at: Time) -> u64 {
        at.nanos() >> self.width
    }

    #[inline]
    const fn time_of(&self, entry: &Entry<T>) -> Time {
        Time::from_nanos((self.cursor << self.width) + entry.offset as u64)
    }

    #[inline]
    fn put_in_ring(&mut self, bucket: u64, at: Time, item: T) {
        let slot = (bucket % RING) as usize;
        let entry = Entry { offset: (at.nanos() - (bucket << self.width)) as u32, item };
        let bucket = &mut self.ring[slot];
        bucket.first = bucket.first.min(entry.offset);
        if bucket.chunk == NONE || bucket.fill as usize == CHUNK {
            self.begin_chunk(slot, entry);
        } else {
            self.chunks[bucket.chunk as usize].entries[bucket.fill as usize] = entry;
            bucket.fill += 1;
        }
    }

    /// Puts an entry into a new chunk of a bucket.
    fn begin_chunk(&mut self, slot: usize, entry: Entry<T>) {
        let next = self.ring[slot].chunk;
        if next == NONE {
            self.occupied.insert(slot as u32);
        }
        let chunk = match self.free {
            NONE => {
                self.chunks.push(Chunk { entries: [entry; CHUNK], next });
                self.chunks.len() as u32 - 1
            }
            free => {
                let chunk = &mut self.chunks[free as usize];
                self.free = std::mem::replace(&mut chunk.next, next);
                chunk.entries[0] = entry;
                free
            }
        };
        self.ring[slot] = Bucket { chunk, fill: 1, ..self.ring[slot] };
    }

    /// Opens a bucket, and moves items into the ring that it reaches now.
    fn move_cursor(&mut self, bucket: u64) {
        self.cursor = bucket;
        while let Some(&Reverse((at, item))) = self.far.peek() {
            let bucket = self.bucket_of(at);
            if bucket - self.cursor >= RING {
                break;
            }
            self.far.pop();
            self.put_in_ring(bucket, at, item);
        }
    }

    /// Takes everything out of the cursor's bucket.
    fn empty_bucket(&mut self, mut take: impl FnMut(Entry<T>)) {
        let slot = (self.cursor % RING) as usize;
        let Bucket { mut chunk, fill, .. } = std::mem::replace(&mut self.ring[slot], Bucket::EMPTY);
        self.occupied.remove(slot as u32);
        let mut filled = fill as usize;
        while chunk != NONE {
            let Chunk { entries, next } = &mut self.chunks[chunk as usize];
            entries[..filled].iter().copied().for_each(&mut take);
            filled = CHUNK;
            let behind = std::mem::replace(next, self.free);
            self.free = chunk;
            chunk = behind;
        }
    }

    /// Opens the bucket of `ahead`. It is sorted when its order is needed.
    fn open_next_bucket(&mut self) {
        self.move_cursor(self.bucket_of(self.ahead));
        self.first = self.ring[(self.cursor % RING) as usize].first;
        self.sorted = false;
        let mut open = std::mem::take(&mut self.open);
        self.empty_bucket(|entry| open.push(entry));
        self.open = open;
        self.ahead = self.find_ahead();
    }

    /// The earliest time in the ring, or in the heap where the ring is empty.
    fn find_ahead(&self) -> Time {
        let from = (self.cursor % RING) as u32;
        let next = next_in(&self.occupied, from).or_else(|| next_in(&self.occupied, 0));
        let Some(slot) = next else {
            return self.far.peek().map_or(Time::NEVER, |Reverse((at, _))| *at);
        };
        let ahead = (u64::from(slot) + RING - u64::from(from)) % RING;
        let start = (self.cursor + ahead) << self.width;
        Time::from_nanos(start + u64::from(self.ring[slot as usize].first))
    }

    /// The entries of a bucket.
    fn entries(&self, chunk: u32, fill: u32) -> impl Iterator<Item = &Entry<T>> {
        let first = (chunk != NONE).then_some((chunk, fill as usize));
        let chunks = std::iter::successors(first, |(chunk, _)| {
            let next = self.chunks[*chunk as usize].next;
            (next != NONE).then_some((next, CHUNK))
        });
        chunks.flat_map(|(chunk, filled)| &self.chunks[chunk as usize].entries[..filled])
    }

    /// All items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Time, T)> + '_ {
        let heaps = self.late.iter().chain(&self.far).map(|Reverse(entry)| *entry);
        let open = self.open.iter().map(|entry| (self.time_of(entry), entry.item));
        let first = (self.cursor % RING) as usize;
        let ring = (0..RING as usize).flat_map(move |ahead| {
            let Bucket { chunk, fill, .. } = self.ring[(first + ahead) % RING as usize];
            let start = (self.cursor + ahead as u64) << self.width;
            self.entries(chunk, fill)
                .map(move |entry| (Time::from_nanos(start + u64::from(entry.offset)), entry.item))
        });
        open.chain(heaps).chain(ring)
    }
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
    use crate::Seed;

    /// Against a plain heap, with pushes near, far, late and simultaneous, and idle gaps; taken out
    /// one by one and, now and then, all at once.
    #[test]
    fn comes_out_in_the_order_of_a_heap() {
        for seed in 0..24 {
            let stream = Seed(seed).family("calendar").stream(0);
            let mut calendar = Calendar::with_width([20, 4, 12, 32][seed as usize % 4]);
            let mut heap = BinaryHeap::new();
            let mut now = Time::ZERO;
            for i in 0..5_000u64 {
                let far = [1 << 12, 1 << 21, 1 << 30, 1 << 36][(stream.bits(3 * i) % 4) as usize];
                let at = now + Span::from_nanos(stream.bits(3 * i + 1) % far);
                calendar.push(at, i as u32);
                heap.push(Reverse((at, i as u32)));
                assert_eq!(calendar.next_at(), heap.peek().map(|Reverse((at, _))| *at));
                let limit = now + Span::from_nanos(stream.bits(3 * i + 2) % (far + 1));
                if i % 7 == 0 {
                    let mut drained = Vec::new();
                    calendar.drain_until(limit, &mut drained);
                    drained.sort_unstable();
                    for popped in drained {
                        assert_eq!(Some(Reverse(popped)), heap.pop());
                        now = popped.0;
                    }
                }
                while let Some(popped) = calendar.pop_until(limit) {
                    assert_eq!(Some(Reverse(popped)), heap.pop());
                    now = popped.0;
                }
                assert!(heap.peek().is_none_or(|Reverse((at, _))| *at > limit));
                assert_eq!(calendar.len(), heap.len());
                now = now.max(limit);
            }
            let mut waiting: Vec<_> = calendar.iter().collect();
            waiting.sort_unstable();
            assert_eq!(waiting.len(), calendar.len());
            for expected in waiting {
                assert_eq!(calendar.pop_until(Time::NEVER), Some(expected));
                assert_eq!(heap.pop(), Some(Reverse(expected)));
            }
            assert!(heap.is_empty() && calendar.next_at().is_none());
        }
    }

    #[test]
    fn the_ring_reaches_as_far_as_asked() {
        for seconds in [1, 17, 60, 3600, 7200] {
            let mut calendar = Calendar::reaching(Span::from_secs(seconds));
            calendar.push(Time::ZERO + Span::from_secs(seconds), 0);
            assert!(calendar.far.is_empty(), "{seconds} s");
        }
    }
}
