//! What clients send besides heartbeats: their work, texts and queries that are repeated until they
//! are answered, the datagrams of hostile clients.

use skipbeat_core::{ClientId, MessageId, Time};
use skipbeat_protocol::{AckEnd, Outbox, Overdue, RetryPolicy, Tag};
use skipbeat_workload::{Retry, Word};

use super::{Kind, Swarm, Timer};
use crate::{Act, Datagram, SourceAddress, SwarmEffects, Transport};

/// What is needed to send a text or a query again: its tag, and its size in bytes.
pub(super) type Sent = (Tag, usize);

impl Swarm {
    /// A client does its work, and sets the time of its next.
    pub(super) fn work(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let (id, epoch) = (timer.who, timer.epoch);
        let group = &self.options.groups[self.roster.group_of(id)];
        let (Some(work), reliable) = (group.workload, group.acks.up()) else { return };
        let stream = group.transport == Transport::Tcp;
        let saying = work.saying();
        let first = self.pasts[id as usize].messages;
        let messages = first.wrapping_add(work.at_once());
        self.pasts[id as usize].messages = messages;
        let gap = work.gap(self.work.stream(id.into()), work_draw(epoch, messages));
        self.set(at + gap, Kind::Work, id, epoch);
        for seq in 0..work.at_once() {
            let message = MessageId { sender: id, seq: first.wrapping_add(seq) };
            let tag = Tag { run: self.options.run, message, planned: at };
            let size = saying.size;
            match saying.word {
                Word::Text if reliable => self.send_text(at, timer, (tag, size), out),
                Word::Text => self.say(at, id, Act::Chat { tag, size }, out),
                Word::Put => self.say(at, id, Act::Put { tag, size }, out),
                Word::Get(retry) => {
                    // A stream repairs losses by itself.
                    let retry = if stream { retry.once() } else { retry };
                    self.send_query(at, timer, (tag, size), retry, out);
                }
            }
        }
    }

    /// Sends from the client's own address, with the token of its session.
    #[inline(never)]
    pub(super) fn say(&self, at: Time, id: ClientId, act: Act, out: &mut impl SwarmEffects) {
        let session = self.tokens.get(&id).copied();
        out.send(at, id, Datagram { source: SourceAddress::Own, session, act }, &self.audience);
    }

    /// Sends a numbered text, which will be sent again until it is acked.
    fn send_text(&mut self, at: Time, timer: Timer, text: Sent, out: &mut impl SwarmEffects) {
        let (tag, size) = text;
        let lost = self.texts.entry(timer.who).or_default().send(at, tag.message.seq, text);
        self.say(at, timer.who, Act::Message { tag, size, again: false }, out);
        for (tag, _) in lost {
            out.settled(at, timer.who, tag.message, AckEnd::GivenUp);
        }
        self.set_resend(timer);
    }

    /// Sends a query, which will be sent again until it is answered.
    fn send_query(
        &mut self,
        at: Time,
        timer: Timer,
        query: Sent,
        retry: Retry,
        out: &mut impl SwarmEffects,
    ) {
        let (tag, size) = query;
        let queries = self.queries.entry(timer.who).or_insert_with(|| Outbox::new(retry));
        // It returns nothing: a retry policy without a window gives up no queries to make room.
        queries.send(at, tag.message.seq, query);
        self.say(at, timer.who, Act::Get { tag, size, again: false }, out);
        self.set_ask_again(timer);
    }

    /// Sends again the texts that were not acked in time, or gives them up.
    pub(super) fn resend_texts(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let overdue = take_overdue(self.texts.get_mut(&timer.who), at);
        let again = |(tag, size)| Act::Message { tag, size, again: true };
        self.send_again(at, timer.who, overdue, again, out);
        self.set_resend(timer);
    }

    /// Asks again the queries that were not answered in time, or gives them up.
    pub(super) fn ask_again(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let overdue = take_overdue(self.queries.get_mut(&timer.who), at);
        let again = |(tag, size)| Act::Get { tag, size, again: true };
        self.send_again(at, timer.who, overdue, again, out);
        self.set_ask_again(timer);
    }

    fn send_again(
        &self,
        at: Time,
        id: ClientId,
        overdue: Vec<Overdue<Sent>>,
        again: impl Fn(Sent) -> Act,
        out: &mut impl SwarmEffects,
    ) {
        for overdue in overdue {
            match overdue {
                Overdue::Again(_, sent) => self.say(at, id, again(sent), out),
                Overdue::GivenUp((tag, _)) => out.settled(at, id, tag.message, AckEnd::GivenUp),
            }
        }
    }

    /// Sets the timer for the next ack that may be overdue, where it is not set.
    fn set_resend(&mut self, Timer { who, epoch, .. }: Timer) {
        if let Some(due) = self.texts.get_mut(&who).and_then(Outbox::set_timer) {
            self.set(due, Kind::Resend, who, epoch);
        }
    }

    /// Sets the timer for the next answer that may be overdue, where it is not set.
    fn set_ask_again(&mut self, Timer { who, epoch, .. }: Timer) {
        if let Some(due) = self.queries.get_mut(&who).and_then(Outbox::set_timer) {
            self.set(due, Kind::AskAgain, who, epoch);
        }
    }

    /// A hostile client sends a datagram, and sets the time of its next.
    pub(super) fn attack(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
        let Some(hostile) = self.options.groups[self.roster.group_of(id)].hostile else { return };
        let past = &mut self.pasts[id as usize];
        let number = u64::from(past.messages);
        past.messages = past.messages.wrapping_add(1);
        if hostile.until.is_some_and(|until| at >= Time::ZERO + until) {
            return;
        }
        out.send(at, id, self.attackers.datagram(&hostile, id, number), &self.audience);
        self.next_attack(at, id);
    }

    pub(super) fn next_attack(&mut self, after: Time, id: ClientId) {
        let Some(hostile) = self.options.groups[self.roster.group_of(id)].hostile else { return };
        let (epoch, messages) = (self.clients[id as usize].epoch, self.pasts[id as usize].messages);
        let gap = self.attackers.gap(&hostile, id, messages.into());
        self.set(after + gap, Kind::Attack, id, epoch);
    }
}

/// The counter of a gap of work: by life and message, so that a new life has new gaps.
pub(super) fn work_draw(epoch: u16, messages: u32) -> u64 {
    u64::from(epoch) << 32 | u64::from(messages)
}

/// What is overdue in an outbox whose timer fired at `at`; nothing if that timer does not count.
fn take_overdue<P: RetryPolicy>(
    outbox: Option<&mut Outbox<Sent, P>>,
    at: Time,
) -> Vec<Overdue<Sent>> {
    let Some(outbox) = outbox else { return Vec::new() };
    if !outbox.timer_fired(at) {
        return Vec::new();
    }
    std::iter::from_fn(|| outbox.overdue(at)).collect()
}
