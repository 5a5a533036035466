//! What the server core wants to send, until the socket takes it. A text to many members is kept
//! once. Texts are collected into rounds: those of one round go to each member together, in as few
//! messages as their lengths allow.
//!
//! When the send buffer is full, the rest of a round waits here while the server reads on, and new
//! texts are collected for the next round. The number of datagrams that may wait is limited: a text
//! beyond the limit is dropped, and each of its datagrams is counted.

use std::net::SocketAddr;
use std::ops::Range;

use skipbeat_core::ClientSet;
use skipbeat_server::PeerId;
use skipbeat_sys::ByteRange;
use tokio::net::UdpSocket;

use crate::coalesce::{arrange, runs};
use crate::message::MessageQueue;
use crate::peers::Peers;
use crate::wire::Sender;

/// Messages that are prepared for one call.
const MESSAGES_AT_ONCE: usize = 64;
/// Bytes of texts that may wait, regardless of the number of recipients.
const MOST_BYTES: usize = 64 << 20;

/// A text to many, or a datagram to one.
struct Text {
    range: ByteRange,
    /// The member that said it, if it is a text of a member.
    speaker: Option<PeerId>,
    to: Recipients,
}

#[derive(Clone, Copy)]
enum Recipients {
    /// All members of a set, by its index in the round.
    Set(usize),
    /// One peer, with the address that it had when the text was queued: by the time it is sent, the
    /// id may belong to another address.
    One(PeerId, SocketAddr),
}

/// Texts that are sent together.
#[derive(Default)]
struct Round {
    bytes: Vec<u8>,
    texts: Vec<Text>,
    /// The sets of members that texts go to. Consecutive texts to the same members share one.
    sets: Vec<ClientSet>,
}

/// A round that is being sent, peer by peer.
struct ActiveRound {
    round: Round,
    /// All peers that get something.
    recipients: ClientSet,
    /// If all texts to many go to the same members: those texts, in an order that makes few
    /// messages.
    shared: Vec<ByteRange>,
    /// How `shared` is cut into messages.
    runs: Vec<Range<usize>>,
    /// The indices of texts to many.
    to_many: Vec<usize>,
    /// The indices of texts to one peer, sorted by peer. Such a peer gets all its texts in the
    /// order in which they were queued.
    to_one: Vec<(PeerId, usize)>,
    /// The first peer that has not had its texts yet.
    next_peer: PeerId,
}

/// The queue of the server.
pub(crate) struct Outgoing {
    active: Option<ActiveRound>,
    /// The round that new texts are added to.
    collecting: Round,
    /// Messages of the active round that the socket has not taken yet.
    queue: MessageQueue,
    pub(crate) sender: Sender,
    /// Datagrams that wait and are in no message yet.
    waiting: u64,
    /// How many datagrams may wait.
    most_waiting: u64,
    /// Datagrams that were dropped because of that limit.
    pub(crate) overflowed: u64,
    /// Kept for its capacity.
    ranges: Vec<ByteRange>,
}

/// How far a flush came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flushed {
    /// Everything was sent.
    All,
    /// There is more to send, and the socket may take it.
    Some,
    /// The send buffer is full.
    Full,
}

impl Outgoing {
    pub(crate) fn new(sender: Sender, most_waiting: u64) -> Self {
        Outgoing {
            active: None,
            collecting: Round::default(),
            queue: MessageQueue::default(),
            sender,
            waiting: 0,
            most_waiting,
            overflowed: 0,
            ranges: Vec::new(),
        }
    }

    /// How many datagrams wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting + self.queue.datagrams() as u64
    }

    /// Whether a round is being sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.active.is_some()
    }

    /// Lifts the limit, for the `bye` at the end.
    pub(crate) fn lift_limit(&mut self) {
        self.most_waiting = u64::MAX;
    }

    /// How many texts are collected for the next round.
    pub(crate) fn collected(&self) -> usize {
        self.collecting.texts.len()
    }

    /// Adds a text for all peers of a set; `speaker` is the member that said it. Returns whether
    /// there was room.
    pub(crate) fn text(&mut self, payload: &[u8], speaker: Option<PeerId>, to: &ClientSet) -> bool {
        if !self.reserve(to.len().into()) {
            return false;
        }
        let Round { sets, .. } = &mut self.collecting;
        if sets.last() != Some(to) {
            sets.push(to.clone());
        }
        let to = Recipients::Set(sets.len() - 1);
        self.add(payload, speaker, to);
        true
    }

    /// Adds a datagram for one peer. Returns whether there was room.
    pub(crate) fn single(&mut self, payload: &[u8], to: PeerId, address: SocketAddr) -> bool {
        if !self.reserve(1) {
            return false;
        }
        self.add(payload, None, Recipients::One(to, address));
        true
    }

    /// Reserves room for datagrams, or counts them as overflowed. Returns whether there was room.
    /// If nothing waits there is room for any number.
    fn reserve(&mut self, datagrams: u64) -> bool {
        let room = self.waiting() == 0 || self.waiting() + datagrams <= self.most_waiting;
        let room = room && self.collecting.bytes.len() < MOST_BYTES;
        *(if room { &mut self.waiting } else { &mut self.overflowed }) += datagrams;
        room
    }

    fn add(&mut self, payload: &[u8], speaker: Option<PeerId>, to: Recipients) {
        let Round { bytes, texts, .. } = &mut self.collecting;
        let start = bytes.len() as u32;
        bytes.extend_from_slice(payload);
        texts.push(Text { range: (start, bytes.len() as u32), speaker, to });
    }

    /// Sends what waits, up to about `messages`. `count` is called with a peer and a number of
    /// datagrams when these are put into messages.
    pub(crate) fn flush(
        &mut self,
        socket: &UdpSocket,
        peers: &Peers,
        mut messages: usize,
        mut count: impl FnMut(PeerId, u64),
    ) -> Flushed {
        loop {
            let segments = self.sender.segments();
            if self.active.is_none() {
                if self.collecting.texts.is_empty() {
                    return Flushed::All;
                }
                self.active =
                    Some(ActiveRound::new(std::mem::take(&mut self.collecting), segments));
            }
            let Outgoing { active: Some(active), queue, ranges, waiting, sender, .. } = self else {
                unreachable!("there is an active round")
            };
            let more = active.fill(queue, peers, segments, ranges, |peer, datagrams| {
                *waiting -= datagrams;
                count(peer, datagrams);
            });
            let before = queue.len();
            if !sender.send(socket, &active.round.bytes, queue) {
                queue.tidy();
                return Flushed::Full;
            }
            if !more {
                let Some(ActiveRound { round, .. }) = self.active.take() else { continue };
                // Its buffers are used again.
                if self.collecting.texts.is_empty() {
                    self.collecting = round;
                    self.collecting.clear();
                }
            }
            messages = messages.saturating_sub(before);
            if messages == 0 && self.waiting() > 0 {
                return Flushed::Some;
            }
        }
    }

    /// Discards what waits. Returns how many datagrams that were. `count` is called with each peer
    /// and its number of datagrams.
    pub(crate) fn give_up(&mut self, mut count: impl FnMut(PeerId, u64)) -> u64 {
        let all = self.waiting();
        let collected = ActiveRound::new(std::mem::take(&mut self.collecting), 1);
        for round in self.active.take().into_iter().chain([collected]) {
            round.count_rest(&mut count);
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

impl ActiveRound {
    fn new(round: Round, segments: usize) -> Self {
        let mut recipients = ClientSet::new();
        for set in &round.sets {
            recipients.add(set);
        }
        let (mut to_many, mut to_one) = (Vec::new(), Vec::new());
        for (index, text) in round.texts.iter().enumerate() {
            match text.to {
                Recipients::Set(_) => to_many.push(index),
                Recipients::One(peer, _) => {
                    to_one.push((peer, index));
                    recipients.insert(peer);
                }
            }
        }
        to_one.sort_unstable();
        let (shared, cuts) = (Vec::new(), Vec::new());
        let mut active =
            ActiveRound { round, recipients, shared, runs: cuts, to_many, to_one, next_peer: 0 };
        if active.round.sets.len() == 1 {
            let mut shared = Vec::new();
            active.arrange(active.to_many.iter().copied(), &mut shared);
            active.runs = runs(&shared, segments).collect();
            active.shared = shared;
        }
        active
    }

    /// Makes messages until there are enough for a call. Returns whether there are more to make.
    fn fill(
        &mut self,
        queue: &mut MessageQueue,
        peers: &Peers,
        segments: usize,
        ranges: &mut Vec<ByteRange>,
        mut count: impl FnMut(PeerId, u64),
    ) -> bool {
        while queue.len() < MESSAGES_AT_ONCE {
            let Some(peer) = self.recipients.first_from(self.next_peer) else { return false };
            self.next_peer = peer + 1;
            let to = peers.address(peer);
            let own = self.own_texts(peer);
            if own.is_empty() && self.round.sets.len() == 1 {
                for run in &self.runs {
                    queue.push(to, None, &self.shared[run.clone()]);
                }
                count(peer, self.shared.len() as u64);
                continue;
            }
            let mut datagrams = 0;
            for (_, index) in own {
                let Text { range, to: Recipients::One(_, address), .. } = self.round.texts[*index]
                else {
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
        self.recipients.first_from(self.next_peer).is_some()
    }

    /// Collects what a peer at this address gets, where not all get the same. `own` are the indices
    /// of texts to it alone.
    fn collect(
        &self,
        peer: PeerId,
        address: SocketAddr,
        own: &[(PeerId, usize)],
        ranges: &mut Vec<ByteRange>,
    ) {
        let gets = |index: &usize| match self.round.texts[*index].to {
            Recipients::Set(set) => self.round.sets[set].contains(peer),
            Recipients::One(_, to) => to == address,
        };
        let with_others = self.to_many.iter().copied().filter(gets);
        if own.is_empty() {
            self.arrange(with_others, ranges);
            return;
        }
        let own = own.iter().map(|(_, index)| *index).filter(gets);
        let mut indices: Vec<usize> = with_others.chain(own).collect();
        indices.sort_unstable();
        ranges.extend(indices.into_iter().map(|index| self.round.texts[index].range));
    }

    /// Puts these texts into an order that makes few messages.
    fn arrange(&self, indices: impl Iterator<Item = usize>, ranges: &mut Vec<ByteRange>) {
        let texts: Vec<&Text> = indices.map(|index| &self.round.texts[index]).collect();
        let lengths: Vec<_> = (texts.iter())
            .map(|Text { range: (start, end), speaker, .. }| (*speaker, (end - start) as usize))
            .collect();
        ranges.extend(arrange(&lengths).into_iter().map(|n| texts[n].range));
    }

    /// The entries of a peer in `to_one`.
    fn own_texts(&self, peer: PeerId) -> &[(PeerId, usize)] {
        let start = self.to_one.partition_point(|(one, _)| *one < peer);
        let own = &self.to_one[start..];
        &own[..own.iter().take_while(|(one, _)| *one == peer).count()]
    }

    /// Calls `count` with each peer and the number of datagrams that it has not had yet.
    fn count_rest(&self, mut count: impl FnMut(PeerId, u64)) {
        let mut next = self.next_peer;
        while let Some(peer) = self.recipients.first_from(next) {
            next = peer + 1;
            let shared = self.to_many.iter().filter(|index| match self.round.texts[**index].to {
                Recipients::Set(set) => self.round.sets[set].contains(peer),
                Recipients::One(..) => false,
            });
            count(peer, (shared.count() + self.own_texts(peer).len()) as u64);
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

    /// What the core wants to send: a text of a member to a set, or a datagram to one peer.
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
        /// For each member: every datagram comes once and unchanged; the texts of one speaker are
        /// in order; and all are in order if one of them was for this member alone.
        #[test]
        fn members_get_the_same_as_from_a_server_that_sends_at_once(
            wishes in wishes(), segments in 1..=64usize,
        ) {
            let plan = AddressPlan { first: AddressPlan::LOOPBACK, port: 9 };
            let peers = Peers::new(Known::Planned(Spread::new(vec![plan], PEERS), PEERS));
            let mut round = Round::default();
            // The speaker and the text.
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
                        (*length, Some(*speaker), Recipients::Set(round.sets.len() - 1))
                    }
                    Wish::Single { length, to } => {
                        let bytes = vec![number as u8; *length];
                        expected.entry(*to).or_default().push((None, bytes));
                        (*length, None, Recipients::One(*to, peers.address(*to)))
                    }
                };
                let start = round.bytes.len() as u32;
                round.bytes.resize(start as usize + length, number as u8);
                let range = (start, round.bytes.len() as u32);
                round.texts.push(Text { range, speaker, to });
            }
            let mut active = ActiveRound::new(round, segments);
            let mut queue = MessageQueue::default();
            let mut counted: BTreeMap<PeerId, u64> = BTreeMap::new();
            let mut got: BTreeMap<PeerId, Vec<Vec<u8>>> = BTreeMap::new();
            loop {
                let more = active.fill(&mut queue, &peers, segments, &mut Vec::new(), |peer, n| {
                    *counted.entry(peer).or_default() += n;
                });
                for n in 0..queue.len() {
                    let message = queue.get(n);
                    prop_assert!(message.datagrams.len() <= segments);
                    let peer = plan.endpoint(message.to.ip()).unwrap();
                    let datagrams = message.datagrams.iter().map(|(start, end)| {
                        active.round.bytes[*start as usize..*end as usize].to_vec()
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
