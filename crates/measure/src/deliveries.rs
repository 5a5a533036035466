//! The delivery ledger: what became of each message for each of its receivers. A text is for every
//! client that is up when it is due. A sample has one receiver, the server. A query has one too:
//! its sender, who should get the answer.
//!
//! While a text is under way it has four bitmaps of clients: who should get it, who was a member
//! when it was broadcast, who got it, and for whom a link lost it. A message with one receiver has
//! one bit of each kind. When no copy is under way, the bits are counted and their place is reused.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, ClientSet, MessageId, Roster, Span, Time};

/// A message under way, by its place in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MessageSlot(pub u32);

/// The delivery ledger of one group of receivers. Its identity: `expected = delivered + lost_up +
/// refused + not_member + lost_down + in_flight + kernel_up + kernel_down + target + unexplained`.
/// Duplicates and surplus are not part of it.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryTally {
    /// Pairs of a text and a client that was up when it was due, plus samples and queries.
    pub expected: u64,
    /// Arrived at least once: a text at the client, a sample at the server, the answer to a query
    /// at its sender.
    pub delivered: u64,
    /// Lost on the way to the server, so for all receivers: the link lost it or damaged it beyond
    /// recognition, or the sender's connection ended first.
    pub lost_up: u64,
    /// Refused by the server, so for all receivers.
    pub refused: u64,
    /// The server got it, but the client was not a member at that time.
    pub not_member: u64,
    /// Lost on the way to the client: the link lost it, it went to an address that the client had
    /// left, or the client's connection ended first.
    pub lost_down: u64,
    /// Under way when the run ended.
    pub in_flight: u64,
    /// Lost at sockets on the way to the server, by the sockets' own counters: not sent, or dropped
    /// from the server's receive buffer.
    pub kernel_up: u64,
    /// Lost at sockets on the way to the clients, by the sockets' own counters: not sent, or
    /// dropped from the swarm's receive buffer.
    pub kernel_down: u64,
    /// Handed to a foreign server, which never echoed it to anybody.
    pub target: u64,
    /// Not accounted for by any term above; must be 0.
    pub unexplained: u64,
    /// Copies after the first that a client got.
    pub duplicates: u64,
    /// First copies that reached clients that were not up when the message was due.
    pub surplus: u64,
}

/// How many of its receivers a message reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageReach {
    /// The client that sent it.
    pub sender: u32,
    /// Its number among the messages of that client.
    pub seq: u32,
    /// The number of expected receivers.
    pub expected: u64,
    /// The number of expected receivers that got it.
    pub delivered: u64,
    /// Whether something of it was still under way when the run ended.
    pub open: bool,
}

impl MessageReach {
    pub(crate) fn id(&self) -> MessageId {
        MessageId { sender: self.sender, seq: self.seq }
    }
}

impl DeliveryTally {
    /// Adds the tally of another group.
    pub fn add(&mut self, other: &DeliveryTally) {
        let DeliveryTally {
            expected,
            delivered,
            lost_up,
            refused,
            not_member,
            lost_down,
            in_flight,
            kernel_up,
            kernel_down,
            target,
            unexplained,
            duplicates,
            surplus,
        } = other;
        self.expected += expected;
        self.delivered += delivered;
        self.lost_up += lost_up;
        self.refused += refused;
        self.not_member += not_member;
        self.lost_down += lost_down;
        self.in_flight += in_flight;
        self.kernel_up += kernel_up;
        self.kernel_down += kernel_down;
        self.target += target;
        self.unexplained += unexplained;
        self.duplicates += duplicates;
        self.surplus += surplus;
    }
}

/// Sums over messages of the share of receivers that each reached. Messages with a copy under way
/// when the run ended are left out.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Messages with at least one expected receiver.
    pub messages: u64,
    /// Messages that every expected receiver got.
    pub complete: u64,
    /// Sum of the shares in units of 2⁻³², and of their squares in units of 2⁻⁶⁴. Whole numbers, so
    /// that the order of addition does not matter.
    sum: u64,
    #[serde(with = "skipbeat_core::decimal")]
    sum_of_squares: u128,
}

impl Shares {
    pub(crate) fn record(&mut self, delivered: u64, expected: u64) {
        if let Some(share) = (delivered << 32).checked_div(expected) {
            self.messages += 1;
            self.complete += u64::from(delivered == expected);
            self.sum += share;
            self.sum_of_squares += u128::from(share) * u128::from(share);
        }
    }

    /// The share of messages that every expected receiver got.
    pub fn complete_ratio(&self) -> Option<f64> {
        (self.messages > 0).then(|| self.complete as f64 / self.messages as f64)
    }

    /// The standard deviation over messages of the share of receivers reached.
    pub fn deviation(&self) -> Option<f64> {
        let n = self.messages as f64;
        let one = f64::from(2.0_f32.powi(32));
        let mean = self.sum as f64 / one / n;
        let squares = self.sum_of_squares as f64 / (one * one) / n;
        (self.messages > 0).then(|| (squares - mean * mean).max(0.0).sqrt())
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    id: MessageId,
    planned: Time,
    actual: Time,
    to: To,
    /// Whether it is due in the measured time. Earlier messages matter only for what the server
    /// knows when the measured time begins.
    counts: bool,
    /// Copies on the way to the server, on a link or in the kernel.
    up_pending: u32,
    /// Datagrams that the server sent and that no link towards a client has seen yet.
    down_pending: u64,
    /// Copies on links towards clients.
    down_flying: u64,
    /// How many senders will send it again until it is settled (its client, and the server once for
    /// each member that acks), plus how many streams it is in.
    held: u32,
    broadcast: bool,
    refused: bool,
    /// The run ended with a copy on a link.
    up_in_flight: bool,
}

/// What kind of delivery it was.
pub(crate) enum Delivery {
    /// The first copy for a client that should get it; planned and real time of sending.
    First { planned: Time, actual: Time },
    /// The first copy of a message that was due before the measured time.
    Early { planned: Time },
    /// A later copy, or a copy for a client that was not up when the message was due.
    Other,
}

/// The receivers of a message.
#[derive(Clone, Copy, Debug)]
enum To {
    /// Many clients: the number of the message's set of bitmaps.
    Many(u32),
    /// One receiver, the sender of a query or the server: a bit for each of [`Bits`].
    One(u8),
}

/// A message with one receiver of which no copy is under way, and whether it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) id: MessageId,
    pub(crate) reached: bool,
}

#[derive(Clone, Copy)]
enum Bits {
    Expected,
    Members,
    Delivered,
    Lost,
}

const KINDS: usize = 4;

/// All messages under way.
#[derive(Debug)]
pub(crate) struct Deliveries {
    messages: Vec<Option<Message>>,
    free: Vec<u32>,
    slots: HashMap<MessageId, u32>,
    bits: Vec<u64>,
    /// Numbers of bitmap sets that are free.
    free_bits: Vec<u32>,
    /// Finished messages with one receiver that the workloads have not been told about yet.
    pub(crate) over: Vec<Over>,
    /// The length of one bitmap in words.
    width: usize,
    pub(crate) tallies: Vec<DeliveryTally>,
    pub(crate) shares: Shares,
    pub(crate) sent: Vec<u64>,
    /// Messages that the server never got although no link lost them, by the group of the sender.
    /// The kernel's drop counter must explain them.
    pub(crate) missing_up: Vec<u64>,
    /// How many receivers each message reached, by the group of the receivers; `None` unless that
    /// is kept.
    pub(crate) reach: Option<Vec<Vec<MessageReach>>>,
}

impl Deliveries {
    pub(crate) fn new(roster: &Roster) -> Self {
        Deliveries {
            messages: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            bits: Vec::new(),
            free_bits: Vec::new(),
            over: Vec::new(),
            width: ClientSet::words_for(roster.clients()),
            tallies: vec![DeliveryTally::default(); roster.groups()],
            shares: Shares::default(),
            sent: vec![0; roster.groups()],
            missing_up: vec![0; roster.groups()],
            reach: None,
        }
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<MessageSlot> {
        self.slots.get(&id).copied().map(MessageSlot)
    }

    /// A text is due for these clients.
    pub(crate) fn open(&mut self, id: MessageId, planned: Time, up: &ClientSet) {
        let size = KINDS * self.width;
        let number = self.free_bits.pop().unwrap_or((self.bits.len() / size.max(1)) as u32);
        let from = number as usize * size;
        if from == self.bits.len() {
            self.bits.resize(from + size, 0);
        }
        self.bits[from..from + size].fill(0);
        self.bits[from..from + up.words().len()].copy_from_slice(up.words());
        self.put(id, planned, To::Many(number), true);
    }

    /// A message with one receiver is due. `counts` says whether that is in the measured time, not
    /// before it.
    pub(crate) fn open_for_one(&mut self, id: MessageId, planned: Time, counts: bool) {
        self.put(id, planned, To::One(1 << Bits::Expected as u8), counts);
    }

    fn put(&mut self, id: MessageId, planned: Time, to: To, counts: bool) {
        let message = Message {
            id,
            planned,
            actual: planned,
            to,
            counts,
            up_pending: 0,
            down_pending: 0,
            down_flying: 0,
            held: 0,
            broadcast: false,
            refused: false,
            up_in_flight: false,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.messages.push(None);
            self.messages.len() as u32 - 1
        });
        self.messages[slot as usize] = Some(message);
        self.slots.insert(id, slot);
    }

    /// The message and its planned time, if that is in the measured time.
    pub(crate) fn of(&self, slot: MessageSlot) -> Option<(MessageId, Time)> {
        let message = self.messages[slot.0 as usize].as_ref().filter(|message| message.counts);
        message.map(|message| (message.id, message.planned))
    }

    /// The server accepts a sample (`answers` is `None`), or answers a query with this many
    /// datagrams.
    pub(crate) fn served(
        &mut self,
        slot: MessageSlot,
        answers: Option<u32>,
        roster: &Roster,
    ) -> Option<(MessageId, Delivery)> {
        let message = self.messages[slot.0 as usize].as_mut()?;
        let id = message.id;
        message.up_pending = message.up_pending.saturating_sub(1);
        message.down_pending += u64::from(answers.unwrap_or(0));
        message.broadcast = true;
        let sender = message.id.sender;
        self.set(slot.0, Bits::Members, sender);
        let delivery = match answers {
            None => self.arrives_ahead(slot, sender, roster.group_of(sender)),
            Some(_) => Delivery::Other,
        };
        self.close_if_done(slot, roster);
        Some((id, delivery))
    }

    /// A link towards the server will carry this many copies.
    pub(crate) fn offered_up(&mut self, slot: MessageSlot, copies: u32, roster: &Roster) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.up_pending += copies;
            self.close_if_done(slot, roster);
        }
    }

    /// The message left the link towards the server this late.
    pub(crate) fn left_late(&mut self, slot: MessageSlot, late: Span) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.actual = message.planned + late;
        }
    }

    /// A sender will send it again until it is settled.
    pub(crate) fn held(&mut self, slot: MessageSlot) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.held += 1;
        }
    }

    /// A sender does not wait for its ack any more.
    pub(crate) fn settled(&mut self, slot: MessageSlot, roster: &Roster) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.held = message.held.saturating_sub(1);
            self.close_if_done(slot, roster);
        }
    }

    /// A copy reached the server, which had it already.
    pub(crate) fn repeated(&mut self, slot: MessageSlot, roster: &Roster) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.up_pending = message.up_pending.saturating_sub(1);
            self.close_if_done(slot, roster);
        }
    }

    /// The server sends it to its members in `pending` datagrams that no link has seen yet; `None`
    /// if all of them have been on the links already.
    pub(crate) fn broadcast(
        &mut self,
        slot: MessageSlot,
        members: &ClientSet,
        pending: Option<u32>,
        roster: &Roster,
    ) {
        let Some(message) = &mut self.messages[slot.0 as usize] else { return };
        message.broadcast = true;
        match pending {
            None => message.up_pending = 0,
            Some(datagrams) => {
                message.up_pending = message.up_pending.saturating_sub(1);
                message.down_pending += u64::from(datagrams);
            }
        }
        if let To::Many(number) = message.to {
            let at = self.place(number, Bits::Members);
            let bitmap = &mut self.bits[at..at + self.width];
            for (mine, theirs) in bitmap.iter_mut().zip(members.words()) {
                *mine |= theirs;
            }
        }
        self.close_if_done(slot, roster);
    }

    /// The server refused it.
    pub(crate) fn refused(&mut self, slot: MessageSlot, roster: &Roster) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.up_pending = message.up_pending.saturating_sub(1);
            message.refused = true;
            self.close_if_done(slot, roster);
        }
    }

    /// A link towards a client will carry this many copies.
    #[inline]
    pub(crate) fn offered_down(
        &mut self,
        slot: MessageSlot,
        client: ClientId,
        copies: u32,
        roster: &Roster,
    ) {
        let Some(message) = &mut self.messages[slot.0 as usize] else { return };
        message.down_pending = message.down_pending.saturating_sub(1);
        message.down_flying += u64::from(copies);
        if copies == 0 {
            self.set(slot.0, Bits::Lost, client);
            self.close_if_done(slot, roster);
        }
    }

    /// A client gets it, maybe at a future time. A caller that records future arrivals calls this
    /// for each client, and then [`Deliveries::told`].
    #[inline(always)]
    pub(crate) fn arrives_ahead(
        &mut self,
        slot: MessageSlot,
        client: ClientId,
        group: usize,
    ) -> Delivery {
        let Some(Message { planned, actual, counts, .. }) = self.messages[slot.0 as usize] else {
            return Delivery::Other;
        };
        let expected = self.get(slot.0, Bits::Expected, client);
        let again = self.set(slot.0, Bits::Delivered, client);
        if !counts {
            return if again { Delivery::Other } else { Delivery::Early { planned } };
        }
        let tally = &mut self.tallies[group];
        tally.duplicates += u64::from(again);
        tally.surplus += u64::from(!expected && !again);
        if expected && !again { Delivery::First { planned, actual } } else { Delivery::Other }
    }

    /// A link towards a client loses it. Recorded ahead of time, like
    /// [`Deliveries::arrives_ahead`].
    #[inline(always)]
    pub(crate) fn lost_ahead(&mut self, slot: MessageSlot, client: ClientId) {
        self.set(slot.0, Bits::Lost, client);
    }

    /// A link towards a client will still carry it when the run ends.
    pub(crate) fn flies(&mut self, slot: MessageSlot) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.down_flying += 1;
        }
    }

    /// This many datagrams were recorded ahead of time.
    pub(crate) fn told(&mut self, slot: MessageSlot, datagrams: u64, roster: &Roster) {
        let Some(message) = &mut self.messages[slot.0 as usize] else { return };
        message.down_pending = message.down_pending.saturating_sub(datagrams);
        self.close_if_done(slot, roster);
    }

    /// A client got it out of a stream.
    pub(crate) fn read(
        &mut self,
        slot: MessageSlot,
        client: ClientId,
        roster: &Roster,
    ) -> Delivery {
        let delivery = self.arrives_ahead(slot, client, roster.group_of(client));
        self.settled(slot, roster);
        delivery
    }

    /// The stream of a client ended before the message came out of it.
    pub(crate) fn severed_down(&mut self, slot: MessageSlot, client: ClientId, roster: &Roster) {
        self.set(slot.0, Bits::Lost, client);
        self.settled(slot, roster);
    }

    /// A client got it.
    #[inline]
    pub(crate) fn arrived(
        &mut self,
        slot: MessageSlot,
        client: ClientId,
        roster: &Roster,
    ) -> Delivery {
        let Some(message) = &mut self.messages[slot.0 as usize] else { return Delivery::Other };
        message.down_flying = message.down_flying.saturating_sub(1);
        let delivery = self.arrives_ahead(slot, client, roster.group_of(client));
        self.close_if_done(slot, roster);
        delivery
    }

    /// The run ends with a copy on a link.
    pub(crate) fn in_flight_up(&mut self, slot: MessageSlot) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.up_pending = message.up_pending.saturating_sub(1);
            message.up_in_flight = true;
        }
    }

    /// Ends the run: counts the messages that are still under way. `flying` are the copies on links
    /// towards clients.
    pub(crate) fn finish(&mut self, flying: &[(MessageSlot, ClientId)], roster: &Roster) {
        let mut flying_bits: HashMap<u32, ClientSet> = HashMap::new();
        for (slot, client) in flying {
            flying_bits.entry(slot.0).or_default().insert(*client);
        }
        for slot in 0..self.messages.len() as u32 {
            if self.messages[slot as usize].is_some() {
                let flying = flying_bits.remove(&slot).unwrap_or_default();
                self.close(slot, &flying, roster);
            }
        }
    }

    #[inline]
    fn close_if_done(&mut self, slot: MessageSlot, roster: &Roster) {
        let Some(Message { up_pending: 0, down_pending: 0, down_flying: 0, held: 0, .. }) =
            self.messages[slot.0 as usize]
        else {
            return;
        };
        self.close(slot.0, &ClientSet::new(), roster);
    }

    /// Counts a message and frees its place.
    fn close(&mut self, slot: u32, flying: &ClientSet, roster: &Roster) {
        let Some(message) = self.messages[slot as usize].take() else { return };
        self.slots.remove(&message.id);
        self.free.push(slot);
        if !message.counts {
            return;
        }
        let settled = !message.up_in_flight && flying.is_empty() && message.held == 0;
        // Copies that no link lost, but that the server never got.
        let missing_up = message.up_pending > 0 && !message.broadcast && !message.refused;
        self.missing_up[roster.group_of(message.id.sender)] += u64::from(missing_up);
        let term = |sets: Sets| {
            // Puts each expected bit of one word under a term: the first that matches.
            let Sets { expected, members, delivered, lost, word } = sets;
            let flying = flying.words().get(word).copied().unwrap_or(0);
            let mut rest = expected & !delivered;
            let mut take = |mask: u64| {
                let taken = rest & mask;
                rest &= !mask;
                u64::from(taken.count_ones())
            };
            let all = |condition: bool| if condition { u64::MAX } else { 0 };
            let had = message.broadcast;
            DeliveryTally {
                expected: u64::from(expected.count_ones()),
                delivered: u64::from((expected & delivered).count_ones()),
                in_flight: take(flying | all(!had && (message.up_in_flight || message.held > 0))),
                refused: take(all(!had && message.refused)),
                kernel_up: take(all(missing_up)),
                lost_up: take(all(!had)),
                not_member: take(!members),
                lost_down: take(lost),
                kernel_down: take(u64::MAX),
                ..DeliveryTally::default()
            }
        };
        match message.to {
            To::Many(number) => {
                self.free_bits.push(number);
                let mut whole = DeliveryTally::default();
                let at = self.place(number, Bits::Expected);
                let bits = &self.bits[at..at + KINDS * self.width];
                for group in 0..roster.groups() {
                    let tally = count(bits, self.width, roster.range(group), term);
                    whole.add(&tally);
                    self.tallies[group].add(&tally);
                    if let Some(reach) = &mut self.reach {
                        let MessageId { sender, seq } = message.id;
                        let DeliveryTally { expected, delivered, .. } = tally;
                        let open = !settled;
                        reach[group].push(MessageReach { sender, seq, expected, delivered, open });
                    }
                }
                if settled {
                    self.shares.record(whole.delivered, whole.expected);
                }
            }
            To::One(bits) => {
                let MessageId { sender, .. } = message.id;
                let of = |kind: Bits| u64::from(bits >> kind as u8 & 1) << (sender % 64);
                let tally = term(Sets {
                    expected: of(Bits::Expected),
                    members: of(Bits::Members),
                    delivered: of(Bits::Delivered),
                    lost: of(Bits::Lost),
                    word: sender as usize / 64,
                });
                self.tallies[roster.group_of(sender)].add(&tally);
                if settled {
                    self.over.push(Over { id: message.id, reached: tally.delivered > 0 });
                }
            }
        }
    }

    /// Where the bitmap of a kind begins.
    #[inline]
    fn place(&self, number: u32, kind: Bits) -> usize {
        (number as usize * KINDS + kind as usize) * self.width
    }

    #[inline]
    fn get(&self, slot: u32, kind: Bits, client: ClientId) -> bool {
        match self.messages[slot as usize] {
            Some(Message { to: To::Many(number), .. }) => {
                let at = self.place(number, kind) + client as usize / 64;
                self.bits[at] >> (client % 64) & 1 == 1
            }
            Some(Message { to: To::One(bits), id, .. }) => {
                id.sender == client && bits >> kind as u8 & 1 == 1
            }
            None => false,
        }
    }

    /// Sets a bit; returns whether it was set before.
    #[inline]
    fn set(&mut self, slot: u32, kind: Bits, client: ClientId) -> bool {
        match &mut self.messages[slot as usize] {
            Some(Message { to: To::Many(number), .. }) => {
                let number = *number;
                let at = self.place(number, kind) + client as usize / 64;
                let (word, bit) = (&mut self.bits[at], 1 << (client % 64));
                let was = *word & bit != 0;
                *word |= bit;
                was
            }
            // A stray datagram may bring it to another client, which does not count.
            Some(Message { to: To::One(bits), id, .. }) if id.sender == client => {
                let was = *bits >> kind as u8 & 1 == 1;
                *bits |= 1 << kind as u8;
                was
            }
            _ => false,
        }
    }
}

/// One word of each bitmap, cut to the group.
struct Sets {
    expected: u64,
    members: u64,
    delivered: u64,
    lost: u64,
    word: usize,
}

/// Sums `term` over the words of a group's range.
fn count(
    bits: &[u64],
    width: usize,
    range: std::ops::Range<ClientId>,
    term: impl Fn(Sets) -> DeliveryTally,
) -> DeliveryTally {
    let mut sum = DeliveryTally::default();
    if range.is_empty() {
        return sum;
    }
    for word in range.start as usize / 64..=(range.end as usize - 1) / 64 {
        let first = word as u32 * 64;
        let from = range.start.saturating_sub(first);
        let to = (range.end - first).min(64);
        let mask = (u64::MAX << from) & (u64::MAX >> (64 - to));
        let expected = bits[word] & mask;
        if expected != 0 {
            let of = |kind: Bits| bits[kind as usize * width + word];
            sum.add(&term(Sets {
                expected,
                members: of(Bits::Members),
                delivered: of(Bits::Delivered),
                lost: of(Bits::Lost),
                word,
            }));
        }
    }
    sum
}
