//! Order and losses in the stream of datagrams on one link, by the standard definitions: reordering
//! (RFC 4737), loss runs (RFC 3357), jitter (RFC 3550).
//!
//! The order that counts is that of the arrivals. A world that knows arrivals ahead of time records
//! them when the datagrams are sent. They wait here until nothing can arrive before them.
//!
//! Each observed link has a stream of its own. With up to [`OBSERVERS`] clients all links are
//! observed; with more, those of every k-th client, k a power of two, and the results say so.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Average, ClientId, Roster, Span, Time, prefetch};

/// The most links observed in each direction. Each takes 272 bytes, and more if there are texts.
const OBSERVERS: u32 = 16_384;

/// With `clients` clients, every n-th is observed for order, loss runs and jitter. Returns n, a
/// power of two.
///
/// ```
/// use skipbeat_measure::observers_every;
/// assert_eq!((observers_every(16_384), observers_every(16_385)), (1, 2));
/// ```
pub fn observers_every(clients: u32) -> u32 {
    clients.div_ceil(OBSERVERS).max(1).next_power_of_two()
}

/// Which clients are observed: those whose number is a multiple of a power of two.
#[derive(Clone, Copy, Debug)]
struct Sample {
    shift: u32,
}

impl Sample {
    fn new(clients: u32) -> Self {
        Sample { shift: observers_every(clients).ilog2() }
    }

    /// How many of `clients` clients are observed.
    fn size(self, clients: u32) -> usize {
        clients.div_ceil(1 << self.shift) as usize
    }

    /// The client at a place among the observed.
    fn client(self, place: usize) -> ClientId {
        (place as ClientId) << self.shift
    }

    /// The place of a client among the observed.
    #[inline]
    fn place(self, client: ClientId) -> Option<usize> {
        let place = client >> self.shift;
        (place << self.shift == client).then_some(place as usize)
    }
}

/// What was seen on the observed links of one direction of one group.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathTally {
    /// Datagrams that arrived, without copies.
    pub received: u64,
    /// Those of them that arrived after one that was sent later (RFC 4737, type-P-Reordered).
    pub reordered: u64,
    /// The sum of the extents of those (RFC 4737, 4.2).
    pub extent_sum: u64,
    /// Extents that are a lower bound, since they reach back beyond what is remembered.
    pub extents_clipped: u64,
    /// Runs of consecutive losses (RFC 3357 loss periods).
    pub loss_runs: u64,
    /// Losses in those runs.
    pub losses: u64,
}

impl PathTally {
    /// Adds the tally of another group or direction.
    pub fn add(&mut self, other: &PathTally) {
        self.received += other.received;
        self.reordered += other.reordered;
        self.extent_sum += other.extent_sum;
        self.extents_clipped += other.extents_clipped;
        self.loss_runs += other.loss_runs;
        self.losses += other.losses;
    }
}

/// How many new maxima of a stream are remembered, to find the extent of a late one.
const RECORDS: usize = 32;

/// The order of one stream, by RFC 4737.
#[derive(Clone, Copy, Debug)]
pub struct StreamOrder {
    /// One above the highest index that arrived (RFC 4737 `NextExp`).
    next_expected: u32,
    arrivals: u32,
    /// The last arrivals that were a new maximum: (place in order of arrival, index).
    records: [(u32, u32); RECORDS],
    /// How many new maxima there were; the last is at `(kept - 1) % RECORDS`.
    kept: u32,
}

impl StreamOrder {
    /// A stream of which nothing has arrived.
    pub const NEW: StreamOrder =
        StreamOrder { next_expected: 0, arrivals: 0, records: [(0, 0); RECORDS], kept: 0 };

    /// The datagram of this number arrives.
    #[inline]
    pub fn arrive(&mut self, index: u32, tally: &mut PathTally) {
        tally.received += 1;
        let place = self.arrivals;
        self.arrivals += 1;
        if index >= self.next_expected {
            self.next_expected = index + 1;
            self.records[self.kept as usize % RECORDS] = (place, index);
            self.kept += 1;
            return;
        }
        // Extent: the distance to the earliest arrival with a higher index. That one was a new
        // maximum when it came; maxima rise, and mostly it is one of the last.
        let oldest = self.kept.saturating_sub(RECORDS as u32);
        let mut low = self.kept;
        while low > oldest && self.records[(low - 1) as usize % RECORDS].1 > index {
            low -= 1;
        }
        tally.reordered += 1;
        tally.extent_sum += u64::from(place - self.records[low as usize % RECORDS].0);
        tally.extents_clipped += u64::from(low == oldest && oldest > 0);
    }
}

/// An arrival that is known ahead of its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// When it arrives.
    pub(crate) at: Time,
    /// Its number on its link.
    pub(crate) index: u32,
    /// How long the message in it was under way, if it is the first copy of one.
    pub(crate) transit: Option<Span>,
}

/// The observed links of one direction.
#[derive(Debug)]
pub(crate) struct Paths {
    sample: Sample,
    /// Empty until something arrives.
    orders: Vec<StreamOrder>,
    /// How many streams are observed.
    observed: usize,
    /// Consecutive losses at the end of each stream so far.
    open_runs: Vec<u32>,
    /// Future arrivals on each stream, in the order of sending; empty if none was ever recorded.
    ahead: Vec<Vec<Ahead>>,
    /// Scratch space for the arrivals that are due.
    due: Vec<u64>,
}

/// How many waiting arrivals a stream makes room for each time it is full.
const WAITING: usize = 20;
/// The bits of a sort key that hold the place of a waiting arrival; the others hold its time.
const PLACE: u32 = 16;

impl Paths {
    pub(crate) fn new(clients: u32) -> Self {
        let sample = Sample::new(clients);
        let observed = sample.size(clients);
        Paths {
            sample,
            orders: Vec::new(),
            observed,
            open_runs: vec![0; observed],
            ahead: Vec::new(),
            due: Vec::new(),
        }
    }

    /// A datagram, not a copy, is sent at `now` and will leave its link at a known time.
    #[inline(always)]
    pub(crate) fn arrive_ahead(
        &mut self,
        now: Time,
        client: ClientId,
        arrival: Ahead,
        tally: &mut PathTally,
        jitters: &mut Jitters,
    ) {
        let Some(observed) = self.sample.place(client) else { return };
        if self.ahead.len() <= observed {
            self.ahead.resize_with(self.observed, Vec::new);
        }
        if self.ahead[observed].len() == self.ahead[observed].capacity() {
            self.come(observed, now, tally, jitters);
            self.ahead[observed].reserve(WAITING);
        }
        self.ahead[observed].push(arrival);
    }

    /// Handles the arrivals on a stream up to `now`. What is sent from now on arrives later, or at
    /// the same time but after these.
    #[inline(never)]
    fn come(&mut self, observed: usize, now: Time, tally: &mut PathTally, jitters: &mut Jitters) {
        self.begin();
        let Paths { ahead, due, orders, .. } = self;
        let (ahead, order) = (&mut ahead[observed], &mut orders[observed]);
        // Sorts by time, then by order of sending. Both fit into one word, unless very many
        // arrivals wait or they are very far apart.
        let first = ahead.iter().map(|arrival| arrival.at).min().unwrap_or(now);
        let narrow = ahead.len() <= 1 << PLACE && now.since(first).nanos() >> (64 - PLACE) == 0;
        if !narrow {
            ahead.sort_by_key(|arrival| arrival.at);
        }
        for (place, arrival) in (0..).zip(ahead.iter()).filter(|(_, arrival)| arrival.at <= now) {
            let time = if narrow { arrival.at.since(first).nanos() } else { 0 };
            due.push(time << PLACE | place);
        }
        due.sort_unstable();
        let places = (1 << PLACE) - 1;
        let mut jitter = jitters.streams[observed];
        for key in due.drain(..) {
            let place = if narrow { key & places } else { key };
            let Ahead { index, transit, .. } = ahead[place as usize];
            order.arrive(index, tally);
            if let Some(transit) = transit {
                jitter.arrive(transit);
            }
        }
        jitters.streams[observed] = jitter;
        ahead.retain(|arrival| arrival.at > now);
    }

    /// Ends the run: handles all arrivals that wait. `tallies` is by group.
    pub(crate) fn finish(
        &mut self,
        roster: &Roster,
        tallies: &mut [PathTally],
        jitters: &mut Jitters,
    ) {
        for observed in 0..self.ahead.len() {
            let group = roster.group_of(self.sample.client(observed));
            self.come(observed, Time::NEVER, &mut tallies[group], jitters);
        }
    }

    /// Something arrives, so the streams are needed from now on.
    #[inline]
    fn begin(&mut self) {
        if self.orders.is_empty() {
            self.orders.resize(self.observed, StreamOrder::NEW);
        }
    }

    /// Prefetches the state of a link on which something is about to arrive.
    #[inline]
    pub(crate) fn expect(&self, soon: ClientId) {
        if let Some(observed) = self.sample.place(soon) {
            prefetch(&self.orders, observed as u32);
        }
    }

    /// A datagram enters a link, in order of its index.
    #[inline]
    pub(crate) fn offer(&mut self, client: ClientId, lost: bool, tally: &mut PathTally) {
        let Some(observed) = self.sample.place(client) else { return };
        let run = &mut self.open_runs[observed];
        if lost {
            tally.loss_runs += u64::from(*run == 0);
            tally.losses += 1;
            *run += 1;
        } else {
            *run = 0;
        }
    }

    /// A datagram, not a copy, leaves a link.
    #[inline]
    pub(crate) fn arrive(&mut self, client: ClientId, index: u32, tally: &mut PathTally) {
        if let Some(observed) = self.sample.place(client) {
            self.begin();
            self.orders[observed].arrive(index, tally);
        }
    }
}

/// RFC 3550 (6.4.1) jitter of the messages of one stream, in order of arrival:
/// `J += (|D| - J) / 16`, with `D` the difference of two successive transit times.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    messages: u32,
    /// The last transit time.
    last: Span,
    /// J in nanoseconds.
    jitter: f64,
}

impl Jitter {
    #[inline]
    fn arrive(&mut self, transit: Span) {
        if self.messages > 0 {
            let difference = self.last.nanos().abs_diff(transit.nanos());
            self.jitter += (difference as f64 - self.jitter) / 16.0;
        }
        self.messages = self.messages.saturating_add(1);
        self.last = transit;
    }
}

/// The jitter of the messages that each observed client gets.
#[derive(Debug)]
pub(crate) struct Jitters {
    sample: Sample,
    streams: Vec<Jitter>,
}

impl Jitters {
    pub(crate) fn new(clients: u32) -> Self {
        let sample = Sample::new(clients);
        Jitters { sample, streams: vec![Jitter::default(); sample.size(clients)] }
    }

    #[inline]
    pub(crate) fn arrive(&mut self, client: ClientId, transit: Span) {
        if let Some(observed) = self.sample.place(client) {
            self.streams[observed].arrive(transit);
        }
    }

    /// The jitter of the observed clients in `range` that got messages, in nanoseconds.
    pub(crate) fn average(&self, range: std::ops::Range<ClientId>) -> Average {
        let mut average = Average::default();
        let observed = range.filter_map(|client| self.sample.place(client));
        let streams = observed.map(|observed| self.streams[observed]);
        streams.filter(|stream| stream.messages > 0).for_each(|s| average.record(s.jitter));
        average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4737, appendix and text: order of arrival, reordered, extents.
    #[test]
    fn reordering_vectors_of_rfc_4737() {
        for (arrivals, reordered, extents) in [
            (&[1, 6, 7, 2, 3, 4, 5, 8][..], 4, 2 + 3 + 4 + 5),
            (&[1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], 3, 4 + 5 + 6),
            (&[1, 2, 4, 3, 5, 6], 1, 1),
            (&[2, 1, 4, 3, 6, 5], 3, 3),
        ] {
            let mut paths = Paths::new(1);
            let mut tally = PathTally::default();
            for index in arrivals {
                paths.arrive(0, *index, &mut tally);
            }
            assert_eq!(tally.received, arrivals.len() as u64);
            assert_eq!((tally.reordered, tally.extent_sum), (reordered, extents), "{arrivals:?}");
        }
    }

    #[test]
    fn an_extent_beyond_memory_is_said_to_be_a_lower_bound() {
        let mut paths = Paths::new(1);
        let mut tally = PathTally::default();
        for index in 1..100 {
            paths.arrive(0, index, &mut tally);
        }
        paths.arrive(0, 0, &mut tally);
        assert_eq!((tally.reordered, tally.extent_sum, tally.extents_clipped), (1, 32, 1));
    }

    #[test]
    fn loss_vector_of_rfc_3357() {
        let mut paths = Paths::new(1);
        let mut tally = PathTally::default();
        for bit in b"1101111100011111" {
            paths.offer(0, *bit == b'0', &mut tally);
        }
        assert_eq!((tally.losses, tally.loss_runs), (4, 2));
    }

    #[test]
    fn a_crowd_is_sampled_evenly() {
        assert_eq!(
            (observers_every(0), observers_every(16_384), observers_every(16_385)),
            (1, 1, 2)
        );
        let mut paths = Paths::new(40_000);
        let mut tally = PathTally::default();
        (0..40_000).for_each(|client| paths.arrive(client, 0, &mut tally));
        assert_eq!(tally.received, 40_000 / 4);
    }
}
