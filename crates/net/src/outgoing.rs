//! What the server wants sent, until the socket takes it. Texts to all members are kept once. What
//! came in one moment goes to each member together, in as few messages as its lengths allow.
//!
//! Who sends more than the network takes must not forget to listen: when the send buffer is full the
//! rest waits here, and what comes meanwhile waits behind it, where it finds company. So much may
//! wait; a text beyond that goes to nobody, and each datagram of it is counted.

use std::net::SocketAddr;
use std::ops::Range;

use skipbeat_core::ClientSet;
use skipbeat_server::PeerId;
use tokio::net::UdpSocket;

use crate::coalesce::{arrange, runs};
use crate::message::MessageQueue;
use crate::peers::Peers;
use crate::wire::Sender;
use skipbeat_sys::ByteRange;

/// Messages that are put together before the socket is asked.
const MESSAGES_AT_ONCE: usize = 64;
/// Bytes of texts that may wait, however few they go to.
const MOST_BYTES: usize = 64 << 20;

/// A text to many, or a datagram to one.
struct Text {
    range: ByteRange,
    /// Who said it, where it is a text of a member.
    speaker: Option<PeerId>,
    to: To,
}

#[derive(Clone, Copy)]
enum To {
    /// Everybody in a set of the round.
    Set(usize),
    /// One, who is at this address now: the number may be another's before it is sent.
    One(PeerId, SocketAddr),
}

/// What goes out together.
#[derive(Default)]
struct Round {
    bytes: Vec<u8>,
    texts: Vec<Text>,
    /// Different sets of members, in the order in which they came up.
    sets: Vec<ClientSet>,
}

/// A round that is being sent.
struct Going {
    round: Round,
    /// Everybody who gets something.
    all: ClientSet,
    /// The texts to all, arranged, if all of them go to the same members.
    same: Vec<ByteRange>,
    runs: Vec<Range<usize>>,
    /// The places of texts to many.
    to_many: Vec<usize>,
    /// The places of what goes to one, by whom: those get everything in the order in which it came.
    singles: Vec<(PeerId, usize)>,
    /// Who is next.
    next: PeerId,
}

/// The queue.
pub(crate) struct Outgoing {
    going: Option<Going>,
    coming: Round,
    queue: MessageQueue,
    pub(crate) sender: Sender,
    /// Datagrams in `coming`, and those of `going` that are in no message yet.
    waiting: u64,
    /// How many may wait.
    most_waiting: u64,
    /// Datagrams beyond that.
    pub(crate) overflowed: u64,
    ranges: Vec<ByteRange>,
}

/// How far a flush came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flushed {
    /// Nothing waits.
    All,
    /// The socket would take more, but others have their turn.
    Some,
    /// The send buffer is full.
    Full,
}

impl Outgoing {
    pub(crate) fn new(sender: Sender, most_waiting: u64) -> Self {
        Outgoing {
            going: None,
            coming: Round::default(),
            queue: MessageQueue::default(),
            sender,
            waiting: 0,
            most_waiting,
            overflowed: 0,
            ranges: Vec::new(),
        }
    }

    /// Datagrams that wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting + self.queue.datagrams() as u64
    }

    /// Whether part of what waits may be gone already.
    pub(crate) fn is_going(&self) -> bool {
        self.going.is_some()
    }

    /// The last text that comes may wait, however much does.
    pub(crate) fn take_the_last(&mut self) {
        self.most_waiting = u64::MAX;
    }

    /// Texts that no message has been made of.
    pub(crate) fn coming(&self) -> usize {
        self.coming.texts.len()
    }

    /// A text for all of a set; `speaker` is the member who says it. Says whether there is room.
    pub(crate) fn text(&mut self, payload: &[u8], speaker: Option<PeerId>, to: &ClientSet) -> bool {
        if !self.has_room(to.len().into()) {
            return false;
        }
        let Round { sets, .. } = &mut self.coming;
        if sets.last() != Some(to) {
            sets.push(to.clone());
        }
        let to = To::Set(sets.len() - 1);
        self.add(payload, speaker, to);
        true
    }

    /// A datagram for one. Says whether there is room.
    pub(crate) fn single(&mut self, payload: &[u8], to: PeerId, address: SocketAddr) -> bool {
        if !self.has_room(1) {
            return false;
        }
        self.add(payload, None, To::One(to, address));
        true
    }

    /// Whether so many datagrams more may wait. Where none waits any number may.
    fn has_room(&mut self, datagrams: u64) -> bool {
        let room = self.waiting() == 0 || self.waiting() + datagrams <= self.most_waiting;
        let room = room && self.coming.bytes.len() < MOST_BYTES;
        *(if room { &mut self.waiting } else { &mut self.overflowed }) += datagrams;
        room
    }

    fn add(&mut self, payload: &[u8], speaker: Option<PeerId>, to: To) {
        let Round { bytes, texts, .. } = &mut self.coming;
        let start = bytes.len() as u32;
        bytes.extend_from_slice(payload);
        texts.push(Text { range: (start, bytes.len() as u32), speaker, to });
    }

    /// Sends what waits, up to `messages`; `count` is told who gets how many datagrams, as they are
    /// put into messages.
    pub(crate) fn flush(
        &mut self,
        socket: &UdpSocket,
        peers: &Peers,
        mut messages: usize,
        mut count: impl FnMut(PeerId, u64),
    ) -> Flushed {
        loop {
            let segments = self.sender.segments();
            if self.going.is_none() {
                if self.coming.texts.is_empty() {
                    return Flushed::All;
                }
                self.going = Some(Going::new(std::mem::take(&mut self.coming), segments));
            }
            let Outgoing { going: Some(going), queue, ranges, waiting, sender, .. } = self else {
                unreachable!("there is a round")
            };
            let more = going.fill(queue, peers, segments, ranges, |peer, datagrams| {
                *waiting -= datagrams;
                count(peer, datagrams);
            });
            let before = queue.len();
            if !sender.send(socket, &going.round.bytes, queue) {
                queue.tidy();
                return Flushed::Full;
            }
            if !more {
                let Some(Going { round, .. }) = self.going.take() else { continue };
                // Its room is used again.
                if self.coming.texts.is_empty() {
                    self.coming = round;
                    self.coming.clear();
                }
            }
            messages = messages.saturating_sub(before);
            if messages == 0 && self.waiting() > 0 {
                return Flushed::Some;
            }
        }
    }

    /// Gives up what waits; gives how many datagrams that were. `count` is told whose they are.
    pub(crate) fn give_up(&mut self, mut count: impl FnMut(PeerId, u64)) -> u64 {
        let all = self.waiting();
        let coming = Going::new(std::mem::take(&mut self.coming), 1);
        for going in self.going.take().into_iter().chain([coming]) {
            going.each(&mut count);
        }
        (self.waiting, self.queue) = (0, MessageQueue::default());
        all
    }
}

impl Round {
    fn clear(&mut self) {
        self.bytes.clear();
        self.texts.clear();
        self.sets.clear();
    }
}

impl Going {
    fn new(round: Round, segments: usize) -> Self {
        let mut all = ClientSet::new();
        for set in &round.sets {
            all.add(set);
        }
        let (mut to_many, mut singles) = (Vec::new(), Vec::new());
        for (place, text) in round.texts.iter().enumerate() {
            match text.to {
                To::Set(_) => to_many.push(place),
                To::One(peer, _) => {
                    singles.push((peer, place));
                    all.insert(peer);
                }
            }
        }
        singles.sort_unstable();
        let mut going =
            Going { round, all, same: Vec::new(), runs: Vec::new(), to_many, singles, next: 0 };
        if going.round.sets.len() == 1 {
            let mut same = Vec::new();
            going.arrange(going.to_many.iter().copied(), &mut same);
            going.runs = runs(&same, segments).collect();
            going.same = same;
        }
        going
    }

    /// Makes messages until there are enough for a batch; says whether there are more to make.
    fn fill(
        &mut self,
        queue: &mut MessageQueue,
        peers: &Peers,
        segments: usize,
        ranges: &mut Vec<ByteRange>,
        mut count: impl FnMut(PeerId, u64),
    ) -> bool {
        while queue.len() < MESSAGES_AT_ONCE {
            let Some(peer) = self.all.first_from(self.next) else { return false };
            self.next = peer + 1;
            let to = peers.address(peer);
            let own = self.singles_of(peer);
            if own.is_empty() && self.round.sets.len() == 1 {
                for run in &self.runs {
                    queue.push(to, None, &self.same[run.clone()]);
                }
                count(peer, self.same.len() as u64);
                continue;
            }
            let mut datagrams = 0;
            for (_, place) in own {
                let Text { range, to: To::One(_, address), .. } = self.round.texts[*place] else {
                    continue;
                };
                if address != to {
                    queue.push(address, None, &[range]);
                    datagrams += 1;
                }
            }
            ranges.clear();
            self.collect(peer, to, own, ranges);
            for run in runs(ranges, segments) {
                queue.push(to, None, &ranges[run]);
            }
            count(peer, datagrams + ranges.len() as u64);
        }
        self.all.first_from(self.next).is_some()
    }

    /// What a member at this address gets where not all get the same; `own` are the places of what
    /// goes to it alone.
    fn collect(
        &self,
        peer: PeerId,
        address: SocketAddr,
        own: &[(PeerId, usize)],
        ranges: &mut Vec<ByteRange>,
    ) {
        let gets = |place: &usize| match self.round.texts[*place].to {
            To::Set(set) => self.round.sets[set].contains(peer),
            To::One(_, to) => to == address,
        };
        let of_all = self.to_many.iter().copied().filter(gets);
        if own.is_empty() {
            self.arrange(of_all, ranges);
            return;
        }
        let own = own.iter().map(|(_, place)| *place).filter(gets);
        let mut places: Vec<usize> = of_all.chain(own).collect();
        places.sort_unstable();
        ranges.extend(places.into_iter().map(|place| self.round.texts[place].range));
    }

    /// The texts at these places in an order that makes few messages.
    fn arrange(&self, places: impl Iterator<Item = usize>, ranges: &mut Vec<ByteRange>) {
        let texts: Vec<&Text> = places.map(|place| &self.round.texts[place]).collect();
        let lengths: Vec<_> = (texts.iter())
            .map(|Text { range: (start, end), speaker, .. }| (*speaker, (end - start) as usize))
            .collect();
        ranges.extend(arrange(&lengths).into_iter().map(|n| texts[n].range));
    }

    fn singles_of(&self, peer: PeerId) -> &[(PeerId, usize)] {
        let start = self.singles.partition_point(|(one, _)| *one < peer);
        let own = &self.singles[start..];
        &own[..own.iter().take_while(|(one, _)| *one == peer).count()]
    }

    /// Tells how many datagrams are left for each.
    fn each(&self, mut tell: impl FnMut(PeerId, u64)) {
        let mut next = self.next;
        while let Some(peer) = self.all.first_from(next) {
            next = peer + 1;
            let of_all = self.to_many.iter().filter(|place| match self.round.texts[**place].to {
                To::Set(set) => self.round.sets[set].contains(peer),
                To::One(..) => false,
            });
            tell(peer, (of_all.count() + self.singles_of(peer).len()) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use skipbeat_core::AddressPlan;

    use super::*;
    use crate::peers::Known;
    use crate::spread::Spread;

    const PEERS: u32 = 6;

    /// What the core wants sent: a text of a member to a set, or a datagram to one.
    #[derive(Clone, Debug)]
    enum Wish {
        Text { speaker: PeerId, length: usize, to: Vec<PeerId> },
        Single { length: usize, to: PeerId },
    }

    fn wishes() -> impl Strategy<Value = Vec<Wish>> {
        let sets = prop::sample::subsequence((0..PEERS).collect::<Vec<_>>(), 0..=PEERS as usize);
        // Most texts go to the same members, as in a room where few come and go.
        let to = prop_oneof![4 => Just((0..PEERS).collect::<Vec<_>>()), 1 => sets];
        let text = (0..PEERS, 58..62usize, to).prop_map(|(speaker, length, to)| Wish::Text {
            speaker,
            length,
            to,
        });
        let single = (0..PEERS, 1..60usize).prop_map(|(to, length)| Wish::Single { length, to });
        prop::collection::vec(prop_oneof![6 => text, 1 => single], 1..80)
    }

    proptest! {
        /// By member: every datagram once with every byte the same; the texts of one member in
        /// order; and all in order for whoever got something for itself.
        #[test]
        fn members_get_the_same_as_from_a_server_that_sends_at_once(
            wishes in wishes(), segments in 1..=64usize,
        ) {
            let plan = AddressPlan { first: AddressPlan::LOOPBACK, port: 9 };
            let peers = Peers::new(Known::Planned(Spread::new(vec![plan], PEERS), PEERS));
            let mut round = Round::default();
            // Who said it, and what.
            type Said = (Option<PeerId>, Vec<u8>);
            let mut expected: BTreeMap<PeerId, Vec<Said>> = BTreeMap::new();
            for (number, wish) in wishes.iter().enumerate() {
                let (length, speaker, to) = match wish {
                    Wish::Text { speaker, length, to } => {
                        let set: ClientSet = to.iter().copied().collect();
                        if round.sets.last() != Some(&set) {
                            round.sets.push(set);
                        }
                        to.iter().for_each(|peer| {
                            let bytes = vec![number as u8; *length];
                            expected.entry(*peer).or_default().push((Some(*speaker), bytes));
                        });
                        (*length, Some(*speaker), To::Set(round.sets.len() - 1))
                    }
                    Wish::Single { length, to } => {
                        let bytes = vec![number as u8; *length];
                        expected.entry(*to).or_default().push((None, bytes));
                        (*length, None, To::One(*to, peers.address(*to)))
                    }
                };
                let start = round.bytes.len() as u32;
                round.bytes.resize(start as usize + length, number as u8);
                let range = (start, round.bytes.len() as u32);
                round.texts.push(Text { range, speaker, to });
            }
            let (mut going, mut queue) = (Going::new(round, segments), MessageQueue::default());
            let mut counted: BTreeMap<PeerId, u64> = BTreeMap::new();
            let mut got: BTreeMap<PeerId, Vec<Vec<u8>>> = BTreeMap::new();
            loop {
                let more = going.fill(&mut queue, &peers, segments, &mut Vec::new(), |peer, n| {
                    *counted.entry(peer).or_default() += n;
                });
                for n in 0..queue.len() {
                    let message = queue.get(n);
                    prop_assert!(message.datagrams.len() <= segments);
                    let peer = plan.endpoint(message.to.ip()).unwrap();
                    let datagrams = message.datagrams.iter().map(|(start, end)| {
                        going.round.bytes[*start as usize..*end as usize].to_vec()
                    });
                    got.entry(peer).or_default().extend(datagrams);
                }
                queue.advance(queue.len());
                if !more {
                    break;
                }
            }
            for peer in 0..PEERS {
                let expected = expected.remove(&peer).unwrap_or_default();
                let got = got.remove(&peer).unwrap_or_default();
                prop_assert_eq!(got.len() as u64, counted.remove(&peer).unwrap_or(0));
                let mut sorted = [got.clone(), expected.iter().map(|(_, b)| b.clone()).collect()];
                sorted.iter_mut().for_each(|datagrams| datagrams.sort());
                prop_assert_eq!(&sorted[0], &sorted[1]);
                if expected.iter().any(|(speaker, _)| speaker.is_none()) {
                    prop_assert!(got.iter().eq(expected.iter().map(|(_, bytes)| bytes)));
                }
                for speaker in 0..PEERS {
                    let of = expected.iter().filter(|(s, _)| *s == Some(speaker));
                    let of: Vec<_> = of.map(|(_, bytes)| bytes).collect();
                    let mut heard = got.iter().filter(|bytes| of.contains(bytes));
                    prop_assert!(of.iter().all(|bytes| heard.next() == Some(*bytes)));
                }
            }
        }
    }
}
