//! Every message × everybody for whom it is: what became of it. A text is for every client that is
//! up when it is due; a sample is for the server, and a query for its sender, who is to get the
//! answer: these are for one.
//!
//! A message for many is four bitmaps while it is under way: who should get it, who was a member
//! when it was broadcast, who got it, for whom a link lost it. One for one is a bit of each. When
//! nothing of it is under way any more the bits are counted and their place is used again.

use std::collections::HashMap;

use skipbeat_core::{ClientId, ClientSet, MessageId, Roster, Span, Time};

/// A message under way, by its place in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MessageSlot(pub u32);

/// The delivery ledger of one group of receivers. Its identity:
/// `expected = delivered + lost_up + refused + not_member + lost_down + in_flight + kernel_up +
/// kernel_down + target + unexplained`. Duplicates and surplus stand apart.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct DeliveryTally {
    /// Text × client that was up when it was due, and samples and queries.
    pub expected: u64,
    /// Got it at least once; the server a sample, the sender the answer to a query.
    pub delivered: u64,
    /// The link towards the server lost it, for all, or changed it so that it can't be told, or the
    /// sender's connection was over before it came.
    pub lost_up: u64,
    /// The server refused it, for all.
    pub refused: u64,
    /// The server had it, but the client was no member then.
    pub not_member: u64,
    /// The link towards the client lost it, or it went to an address that the client had left, or the
    /// client's connection was over before it came.
    pub lost_down: u64,
    /// Under way when the run ended.
    pub in_flight: u64,
    /// Lost in the server's receive buffer, by that socket's own counter.
    pub kernel_up: u64,
    /// Lost in the swarm's receive buffer, by that socket's own counter.
    pub kernel_down: u64,
    /// A server that is not ours was handed it and never echoed it to anybody.
    pub target: u64,
    /// What nothing above accounts for: must be zero.
    pub unexplained: u64,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Got by clients that were not up when it was due.
    pub surplus: u64,
}

impl DeliveryTally {
    /// Adds another group's.
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

/// What share of its receivers a message reached, over messages of which nothing was under way
/// when the run ended.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Shares {
    /// Messages with at least one expected receiver.
    pub messages: u64,
    /// Messages that every expected receiver got.
    pub complete: u64,
    /// Of the shares and their squares, in units of 2⁻³²: whole numbers, so that they do not
    /// depend on the order.
    sum: u64,
    sum_of_squares: u128,
}

impl Shares {
    fn record(&mut self, delivered: u64, expected: u64) {
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
    /// Whether it is due in the measured time. Of what was due before it matters only what the server
    /// knows by it when the measured time begins.
    counts: bool,
    /// Copies that a link still carries up, or the kernel, to the server.
    up_pending: u32,
    /// The server sent them to members, no link towards a client has seen them.
    down_pending: u64,
    /// Links carry them to clients.
    down_flying: u64,
    /// Senders that will send it again until it is settled: its client, and the server for each
    /// member that acks; and streams that it is in.
    held: u32,
    broadcast: bool,
    refused: bool,
    /// The run ended with a copy on a link.
    up_in_flight: bool,
}

/// What a delivery was.
pub(crate) enum Delivery {
    /// The first copy for a client that should get it; planned and real time of sending.
    First { planned: Time, actual: Time },
    /// The first copy of one that was due before the measured time.
    Early { planned: Time },
    /// Another copy, or for a client that was not up.
    Other,
}

/// For whom a message is.
#[derive(Clone, Copy, Debug)]
enum To {
    /// For many: the number of its bitmaps.
    Many(u32),
    /// For its sender, or for the server on its behalf: a bit for each [`Bits`].
    One(u8),
}

/// What became of a message for one.
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
    /// Numbers of bitmaps that nobody uses.
    free_bits: Vec<u32>,
    /// Messages for one of which nothing is under way any more and that no reader has heard of.
    pub(crate) over: Vec<Over>,
    /// Words of one bitmap.
    width: usize,
    pub(crate) tallies: Vec<DeliveryTally>,
    pub(crate) shares: Shares,
    pub(crate) sent: Vec<u64>,
    /// Messages whose sending is accounted for that the server never had although no link lost
    /// them: the kernel's drop counter has to explain them.
    pub(crate) missing_up: u64,
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
            missing_up: 0,
        }
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<MessageSlot> {
        self.slots.get(&id).copied().map(MessageSlot)
    }

    /// A message is due, for these.
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

    /// A message is due that is for one, in the measured time or before.
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

    /// Whose message it is, and when it was due, if that was in the measured time.
    pub(crate) fn of(&self, slot: MessageSlot) -> Option<(MessageId, Time)> {
        let message = self.messages[slot.0 as usize].as_ref().filter(|message| message.counts);
        message.map(|message| (message.id, message.planned))
    }

    /// The server has a message for one: takes it, or answers it in so many datagrams.
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

    /// A link towards the server decided: it carries this many copies.
    pub(crate) fn offered_up(&mut self, slot: MessageSlot, copies: u32, roster: &Roster) {
        if let Some(message) = &mut self.messages[slot.0 as usize] {
            message.up_pending += copies;
            self.close_if_done(slot, roster);
        }
    }

    /// It left the link towards the server this much too late.
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

    /// The server sends it to its members, in `pending` datagrams that no link has seen yet; none
    /// where all of them have been on the links.
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

    /// A link towards a client decided: it carries this many copies.
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

    /// A client gets it, which may be said ahead of time: client by client, and then
    /// [`Deliveries::told`].
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

    /// A link towards a client loses it, said ahead of time.
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

    /// So many datagrams were told of ahead of time.
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

    /// The stream of a client is over, and it never came out of it there.
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

    /// The run ends: whatever was under way is put where it belongs. `flying` are the copies on
    /// links towards clients.
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
        // Copies that no link lost and no server had.
        let missing_up = message.up_pending > 0 && !message.broadcast && !message.refused;
        self.missing_up += u64::from(missing_up);
        let term = |sets: Sets| {
            // Bits of one word → the term each expected bit belongs to, first match wins.
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

    /// Sets a bit; says whether it was set.
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
            // It may reach somebody else, by a datagram that went astray.
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
