//! Every chat message × every client that is up when it is sent: what became of it.
//!
//! A message is four bitmaps while it is under way: who should get it, who was a member when it
//! was broadcast, who got it, for whom a link lost it. When nothing of it is under way any more
//! the bitmaps are counted and their place is used again.

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
    /// Message × client that was up when it was due.
    pub expected: u64,
    /// Got it at least once.
    pub delivered: u64,
    /// The link towards the server lost it, for all, or changed it so that it can't be told.
    pub lost_up: u64,
    /// The server refused it, for all.
    pub refused: u64,
    /// The server had it, but the client was no member then.
    pub not_member: u64,
    /// The link towards the client lost it, or it went to an address that the client had left.
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
    /// Copies that a link still carries up, or the kernel, to the server.
    up_pending: u32,
    /// The server sent them to members, no link towards a client has seen them.
    down_pending: u64,
    /// Links carry them to clients.
    down_flying: u64,
    /// Senders that will send it again until it is settled: its client, and the server for each
    /// member that acks.
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
    /// Another copy, or for a client that was not up.
    Other,
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

    /// A message is due.
    pub(crate) fn open(&mut self, id: MessageId, planned: Time, up: &ClientSet) {
        let message = Message {
            id,
            planned,
            actual: planned,
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
            self.bits.resize(self.messages.len() * KINDS * self.width, 0);
            self.messages.len() as u32 - 1
        });
        self.messages[slot as usize] = Some(message);
        self.slots.insert(id, slot);
        let expected = self.bitmap(slot, Bits::Expected);
        expected.fill(0);
        expected[..up.words().len()].copy_from_slice(up.words());
        for kind in [Bits::Members, Bits::Delivered, Bits::Lost] {
            self.bitmap(slot, kind).fill(0);
        }
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
        let bitmap = self.bitmap(slot.0, Bits::Members);
        for (mine, theirs) in bitmap.iter_mut().zip(members.words()) {
            *mine |= theirs;
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
        let Some(Message { planned, actual, .. }) = self.messages[slot.0 as usize] else {
            return Delivery::Other;
        };
        let expected = self.get(slot.0, Bits::Expected, client);
        let again = self.set(slot.0, Bits::Delivered, client);
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
        let settled = !message.up_in_flight && flying.is_empty() && message.held == 0;
        // Copies that no link lost and no server had.
        let missing_up = message.up_pending > 0 && !message.broadcast && !message.refused;
        self.missing_up += u64::from(missing_up);
        let mut whole = DeliveryTally::default();
        for group in 0..roster.groups() {
            let range = roster.range(group);
            let at = slot as usize * KINDS * self.width;
            let tally = count(&self.bits[at..at + KINDS * self.width], self.width, range, |sets| {
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
                    in_flight: take(
                        flying | all(!had && (message.up_in_flight || message.held > 0)),
                    ),
                    refused: take(all(!had && message.refused)),
                    kernel_up: take(all(missing_up)),
                    lost_up: take(all(!had)),
                    not_member: take(!members),
                    lost_down: take(lost),
                    kernel_down: take(u64::MAX),
                    ..DeliveryTally::default()
                }
            });
            whole.add(&tally);
            self.tallies[group].add(&tally);
        }
        if settled {
            self.shares.record(whole.delivered, whole.expected);
        }
    }

    fn bitmap(&mut self, slot: u32, kind: Bits) -> &mut [u64] {
        let at = (slot as usize * KINDS + kind as usize) * self.width;
        &mut self.bits[at..at + self.width]
    }

    #[inline]
    fn get(&self, slot: u32, kind: Bits, client: ClientId) -> bool {
        let at = (slot as usize * KINDS + kind as usize) * self.width + client as usize / 64;
        self.bits[at] >> (client % 64) & 1 == 1
    }

    /// Sets a bit; says whether it was set.
    #[inline]
    fn set(&mut self, slot: u32, kind: Bits, client: ClientId) -> bool {
        let at = (slot as usize * KINDS + kind as usize) * self.width + client as usize / 64;
        let (word, bit) = (&mut self.bits[at], 1 << (client % 64));
        let was = *word & bit != 0;
        *word |= bit;
        was
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
