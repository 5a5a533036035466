//! The machine: all clients of all groups, their timers, their lives. It keeps the contract of a
//! machine that the server core states.

use std::collections::BTreeMap;

use skipbeat_core::{
    Calendar, ClientId, ClientSet, Family, Life, MessageId, PREFETCH, Roster, Seed, Span, Time,
    prefetch,
};
use skipbeat_protocol::{AckEnd, Join, Outbox, Overdue, RetryPolicy, Tag};
use skipbeat_workload::{Retry, Word};

use crate::hostile::Attackers;
use crate::{
    Acks, Act, Churn, ClientEvent, Datagram, GroupOptions, SourceAddress, TimedEvent, Transport,
};

/// Where the effects of the swarm go.
pub trait SwarmEffects {
    /// A client sends. `planned` is when it had to, and `audience` are the clients that should get
    /// what is said to everybody at that time: those that are up and meant to be members.
    fn send(&mut self, planned: Time, client: ClientId, datagram: Datagram, audience: &ClientSet);
    /// A client does not wait any more for the ack of a text or the answer to a query.
    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: AckEnd);
    /// A client concludes that the server is gone, or hears from it again.
    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion);
    /// The address of a client changes.
    fn rebind(&mut self, at: Time, client: ClientId);
    /// A client starts, crashes or leaves.
    fn life(&mut self, at: Time, client: ClientId, life: Life);
    /// Clients send a [`Datagram::BARE_BEAT`] each, at times that may be out of order, but for those
    /// of one client.
    fn beat(&mut self, beats: &[(Time, ClientId)], audience: &ClientSet) {
        for (planned, client) in beats {
            self.send(*planned, *client, Datagram::BARE_BEAT, audience);
        }
    }
}

/// What a client hears that it has to heed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Heard {
    /// The server's heartbeat of this number.
    Heartbeat(u32),
    /// A text of this number, which wants an ack.
    Message(u32),
    /// The ack of the client's text of this number.
    Ack(u32),
    /// The answer to the client's query of this number.
    Value(u32),
    /// What the client has to say to prove its address.
    Cookie(u64),
    /// The token of its session.
    Welcome(u64),
    /// The session of this token is over.
    Expired(u64),
}

/// What a client thinks of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opinion {
    /// It has been silent for too long.
    Gone,
    /// It is there after all.
    Back,
}

/// A swarm as the plan asks for it.
#[derive(Clone, Debug)]
pub struct SwarmOptions {
    /// The groups in order.
    pub groups: Vec<GroupOptions>,
    /// What happens when.
    pub events: Vec<TimedEvent>,
    /// The number in every tag.
    pub run: u16,
    /// Whether clients that start again join explicitly (the server's rejoin is sticky).
    pub join_explicitly: bool,
    /// Whether the server demands proof of the address: heartbeats are then joins with a cookie.
    pub prove_address: bool,
    /// Whether heartbeats are numbered.
    pub numbered: bool,
    /// Whether clients beat all the time, or only while they do not hear from the server.
    pub clients_beat: bool,
    /// Where the server beats: how long a client hears nothing until it takes the server for gone.
    pub server_timeout: Option<Span>,
    /// When the run ends: nothing is planned for then or later.
    pub end: Time,
}

impl SwarmOptions {
    /// Whether what clients send may depend on what they hear.
    pub fn heeds(&self) -> bool {
        let heeds = |group: &GroupOptions| {
            let stream = group.transport == Transport::Tcp;
            stream || group.session || group.acks != Acks::None || group.asks()
        };
        self.server_timeout.is_some() || self.prove_address || self.groups.iter().any(heeds)
    }
}

/// A timer of anything but a heartbeat: the order of the fields is the order in which simultaneous
/// timers fire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Timer {
    kind: Kind,
    /// A client, or the number of an event.
    who: u32,
    /// The client's epoch when the timer was set: timers of an earlier life are ignored.
    epoch: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Event,
    Churn,
    Start,
    Work,
    /// The server may have been silent for too long.
    Silence,
    /// Acks may be overdue.
    Resend,
    /// Answers may be overdue.
    AskAgain,
    /// The address changes.
    Rebind,
    /// A hostile client sends something.
    Attack,
}

/// What every beat of a client needs: sixteen bytes, of which four clients fill a cache line.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// When the next beat is due; `NEVER` in whoever is not up.
    next_beat: Time,
    /// Beats so far, in all lives; counts the draws of the jitter.
    beats: u32,
    /// Lives and deaths so far.
    epoch: u16,
    /// Whether it has not beaten in this life.
    fresh: bool,
}

/// What is needed of a client now and then.
#[derive(Clone, Copy, Debug)]
struct Past {
    /// The origin of the heartbeat grid of this life.
    anchor: Time,
    /// Beats before this life.
    beats: u32,
    /// Messages so far, in all lives.
    messages: u32,
}

/// What a client knows of a server that beats.
#[derive(Clone, Copy, Debug)]
struct Hearing {
    /// When it last heard from the server in this life; its start where it has not.
    last: Time,
    /// Whether it has heard in this life and not given the server up since.
    connected: bool,
}

/// A text or a query, as far as it takes to send it again: its tag, and its size in bytes.
type Sent = (Tag, usize);

/// All virtual clients.
#[derive(Debug)]
pub struct Swarm {
    options: SwarmOptions,
    roster: Roster,
    clients: Vec<Client>,
    pasts: Vec<Past>,
    /// By client, where the server beats.
    hearing: Vec<Hearing>,
    /// The texts that wait for their acks.
    texts: BTreeMap<ClientId, Outbox<Sent>>,
    /// The queries that wait for their answers.
    queries: BTreeMap<ClientId, Outbox<Sent, Retry>>,
    /// The last cookie of each client, where the server demands one.
    cookies: BTreeMap<ClientId, u64>,
    /// The token of each client that has a session.
    tokens: BTreeMap<ClientId, u64>,
    /// Draws of the times of rebinding so far, of those clients that do.
    rebinds: BTreeMap<ClientId, u32>,
    attackers: Attackers,
    up: ClientSet,
    /// The clients that are up and meant to be members: they should get what is said to everybody.
    audience: ClientSet,
    /// Heartbeats: by far the most of all that is due. An entry of an earlier life is known by its
    /// time.
    beats: Calendar<ClientId>,
    /// Scratch space: beats that are due, and those of them that are bare.
    batch: Vec<(Time, ClientId)>,
    bare: Vec<(Time, ClientId)>,
    timers: Calendar<Timer>,
    beat: Family,
    phase: Family,
    work: Family,
    churn: Family,
    victims: Family,
    rebind: Family,
}

impl Swarm {
    /// A swarm whose clients have not started yet; see [`Swarm::start`].
    pub fn new(options: SwarmOptions, seed: Seed) -> Self {
        let roster = Roster::new(options.groups.iter().map(|group| group.clients));
        let clients = roster.clients();
        let unborn = Client { next_beat: Time::NEVER, beats: 0, epoch: 0, fresh: true };
        let past = Past { anchor: Time::ZERO, beats: 0, messages: 0 };
        let periods = options.groups.iter().map(|group| group.heartbeat.every);
        let longest = periods.max().unwrap_or_default() * 2;
        let mut timers = Calendar::new();
        for (number, event) in options.events.iter().enumerate() {
            let timer = Timer { kind: Kind::Event, who: number as u32, epoch: 0 };
            timers.push(Time::ZERO + event.at, timer);
        }
        let deaf = Hearing { last: Time::ZERO, connected: false };
        let listeners = if options.server_timeout.is_some() { clients as usize } else { 0 };
        Swarm {
            hearing: vec![deaf; listeners],
            texts: BTreeMap::new(),
            queries: BTreeMap::new(),
            cookies: BTreeMap::new(),
            tokens: BTreeMap::new(),
            rebinds: BTreeMap::new(),
            attackers: Attackers::new(&options.groups, &roster, seed),
            options,
            roster,
            clients: vec![unborn; clients as usize],
            pasts: vec![past; clients as usize],
            up: ClientSet::with_room(clients),
            audience: ClientSet::with_room(clients),
            beats: Calendar::reaching(longest),
            batch: Vec::new(),
            bare: Vec::new(),
            timers,
            beat: seed.family("swarm.beat"),
            phase: seed.family("swarm.phase"),
            work: seed.family("swarm.chat"),
            churn: seed.family("swarm.churn"),
            victims: seed.family("swarm.victims"),
            rebind: seed.family("swarm.rebind"),
        }
    }

    /// Starts every client at time zero, each with a random phase of its heartbeat.
    pub fn start(&mut self, out: &mut impl SwarmEffects) {
        for client in 0..self.roster.clients() {
            let group = &self.options.groups[self.roster.group_of(client)];
            if let Some(hostile) = group.hostile {
                self.next_attack(Time::ZERO + hostile.from, client);
                continue;
            }
            self.begin_life(Time::ZERO, client, out);
            let group = &self.options.groups[self.roster.group_of(client)];
            if !group.member {
                continue;
            }
            let stream = self.beat.stream(client.into());
            let phase = self.phase.stream(client.into()).unit(0);
            let (anchor, first) = group.heartbeat.first(Time::ZERO, phase, stream, 0);
            self.pasts[client as usize].anchor = anchor;
            self.set_beat(first, client);
        }
    }

    /// When [`Swarm::advance`] has something to do. It may turn out to be nothing.
    #[inline]
    pub fn next_deadline(&self) -> Option<Time> {
        let next = self.beats.front().min(self.timers.front());
        (next != Time::NEVER).then_some(next)
    }

    /// When something else than a heartbeat is due.
    pub fn next_but_beats(&self) -> Option<Time> {
        self.timers.next_at()
    }

    /// Does what is due at `now` or before, each thing at its planned time; heartbeats before what
    /// is due at the same moment.
    pub fn advance(&mut self, now: Time, out: &mut impl SwarmEffects) {
        loop {
            let timer = self.timers.next_at().unwrap_or(Time::NEVER);
            if let Some((at, id)) = self.beats.pop_until(timer.min(now)) {
                if let Some(datagram) = self.beat(at, id) {
                    out.send(at, id, datagram, &self.audience);
                }
            } else if let Some((at, timer)) = self.timers.pop_until(now) {
                if timer.kind == Kind::Event {
                    self.happen(at, timer.who, out);
                } else if self.clients[timer.who as usize].epoch == timer.epoch {
                    self.fire(at, timer, out);
                }
            } else {
                return;
            }
        }
    }

    /// Does the heartbeats that are due at `until` or before, in whatever order is quick, but those
    /// of one client in order of time. Nothing else may be due before `until`, and no client may
    /// hear anything that it heeds ([`SwarmOptions::heeds`]).
    pub fn advance_beats(&mut self, until: Time, out: &mut impl SwarmEffects) {
        debug_assert!(self.timers.next_at().is_none_or(|at| at >= until));
        let mut batch = std::mem::take(&mut self.batch);
        let mut bare = std::mem::take(&mut self.bare);
        loop {
            self.beats.drain_until(until, &mut batch);
            if batch.is_empty() {
                break;
            }
            for (n, (at, id)) in batch.iter().enumerate() {
                if let Some((_, soon)) = batch.get(n + PREFETCH) {
                    prefetch(&self.clients, *soon);
                }
                match self.beat(*at, *id) {
                    Some(datagram) if datagram.is_bare_beat() => bare.push((*at, *id)),
                    Some(datagram) => {
                        out.beat(&bare, &self.audience);
                        bare.clear();
                        out.send(*at, *id, datagram, &self.audience);
                    }
                    None => {}
                }
            }
            out.beat(&bare, &self.audience);
            bare.clear();
            batch.clear();
        }
        (self.batch, self.bare) = (batch, bare);
    }

    /// What a client says that beats; nothing if it is not the one any more that was to.
    #[inline]
    fn beat(&mut self, at: Time, id: ClientId) -> Option<Datagram> {
        let client = &mut self.clients[id as usize];
        if client.next_beat != at {
            return None;
        }
        let group = &self.options.groups[self.roster.group_of(id)];
        let fresh = std::mem::replace(&mut client.fresh, false);
        let join = fresh && client.epoch > 1 && self.options.join_explicitly;
        client.beats = client.beats.wrapping_add(1);
        let beats = client.beats;
        let past = &self.pasts[id as usize];
        let grid = || (past.anchor, u64::from(beats.wrapping_sub(past.beats)));
        let stream = self.beat.stream(id.into());
        let next = group.heartbeat.next(at, grid, stream, beats.into());
        self.set_beat(next, id);
        let connected = self.hearing.get(id as usize).is_some_and(|h| h.connected);
        if !self.options.clients_beat && connected {
            return None;
        }
        // Asking again and again needs no answer, and survives loss and eviction; sticky rejoin and
        // numbered heartbeats allow it once a life.
        let group = &self.options.groups[self.roster.group_of(id)];
        let once = self.options.join_explicitly || self.options.numbered;
        let asks = group.acks.down() && (fresh || !once);
        let number = self.options.numbered.then_some(beats.wrapping_sub(1));
        let session = self.tokens.get(&id).copied();
        // Whoever has a session is told when it is over.
        let joins =
            session.is_none() && (join || asks || self.options.prove_address || group.session);
        let act = if joins { self.join(id) } else { Act::Heartbeat(number) };
        Some(Datagram { source: SourceAddress::Own, session, act })
    }

    /// Plans the next beat of a client.
    #[inline]
    fn set_beat(&mut self, at: Time, id: ClientId) {
        self.clients[id as usize].next_beat = at;
        if at < self.options.end {
            self.beats.push(at, id);
        }
    }

    /// Plans something else.
    fn set(&mut self, at: Time, kind: Kind, who: ClientId, epoch: u16) {
        if at < self.options.end {
            self.timers.push(at, Timer { kind, who, epoch });
        }
    }

    fn fire(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let id = timer.who;
        let group = &self.options.groups[self.roster.group_of(id)];
        let client = &mut self.clients[id as usize];
        match timer.kind {
            Kind::Event => unreachable!("events have no client"),
            Kind::Silence => self.doubt_the_server(at, timer, out),
            Kind::Work => self.work(at, timer, out),
            Kind::AskAgain => self.ask_again(at, timer, out),
            Kind::Resend => self.resend_texts(at, timer, out),
            Kind::Churn => {
                // The crash's share of all ends: its rate over the sum of rates.
                let share = group.churn.crash / (group.churn.crash + group.churn.leave);
                let draw = 2 * u64::from(client.epoch) + 1;
                let crash = self.churn.stream(id.into()).unit(draw) < share;
                self.end_life(at, id, if crash { Life::Crashed } else { Life::Left }, out);
            }
            Kind::Start => self.start_again(at, id, out),
            Kind::Rebind => {
                self.set_rebind(at, id, timer.epoch, group.churn.rebind);
                out.rebind(at, id);
            }
            Kind::Attack => self.attack(at, id, out),
        }
    }

    /// A client does its work, and sets the time of its next.
    fn work(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
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
                // A stream asks again by itself.
                Word::Get(retry) => {
                    // A stream repeats by itself what is lost.
                    let retry = if stream { retry.once() } else { retry };
                    self.send_query(at, timer, (tag, size), retry, out);
                }
            }
        }
    }

    /// Sends something in a client's own name, with the token of its session.
    #[inline(never)]
    fn say(&self, at: Time, id: ClientId, act: Act, out: &mut impl SwarmEffects) {
        let session = self.tokens.get(&id).copied();
        out.send(at, id, Datagram { source: SourceAddress::Own, session, act }, &self.audience);
    }

    /// The explicit join of a client, with all that it wants and knows.
    fn join(&self, id: ClientId) -> Act {
        let group = &self.options.groups[self.roster.group_of(id)];
        let (reliable, session) = (group.acks.down(), group.session);
        Act::Join(Join { reliable, session, cookie: self.cookies.get(&id).copied() })
    }

    /// Sets the time at which the address of a client changes next.
    fn set_rebind(&mut self, at: Time, id: ClientId, epoch: u16, rate: f64) {
        let draws = self.rebinds.entry(id).or_default();
        let wait = self.rebind.stream(id.into()).exponential((*draws).into()) / rate;
        *draws = draws.wrapping_add(1);
        self.set(at + Span::from_seconds(wait), Kind::Rebind, id, epoch);
    }

    /// A hostile client sends something, and sets the time of its next datagram.
    fn attack(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
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

    fn next_attack(&mut self, after: Time, id: ClientId) {
        let Some(hostile) = self.options.groups[self.roster.group_of(id)].hostile else { return };
        let (epoch, messages) = (self.clients[id as usize].epoch, self.pasts[id as usize].messages);
        let gap = self.attackers.gap(&hostile, id, messages.into());
        self.set(after + gap, Kind::Attack, id, epoch);
    }

    /// Something that a client has to heed reached it; it does so if it lives.
    pub fn hear(&mut self, now: Time, id: ClientId, heard: Heard, out: &mut impl SwarmEffects) {
        if !self.up.contains(id) {
            return;
        }
        match heard {
            Heard::Heartbeat(number) => self.hear_heartbeat(now, id, number, out),
            Heard::Cookie(cookie) => {
                self.cookies.insert(id, cookie);
                self.say(now, id, self.join(id), out);
            }
            Heard::Welcome(token) => {
                // A token that is used at once can't be anybody else's chance.
                if self.tokens.insert(id, token) != Some(token) {
                    self.say(now, id, Act::Heartbeat(None), out);
                }
            }
            // It may be of an earlier session, or forged.
            Heard::Expired(token) if self.tokens.get(&id) != Some(&token) => {}
            Heard::Expired(_) => {
                self.tokens.remove(&id);
                self.say(now, id, self.join(id), out);
            }
            Heard::Message(number) => self.say(now, id, Act::Ack(number), out),
            Heard::Ack(number) => {
                let text = self.texts.get_mut(&id).and_then(|texts| texts.ack(now, number));
                if let Some((tag, _)) = text {
                    out.settled(now, id, tag.message, AckEnd::Acked);
                }
            }
            Heard::Value(number) => {
                let query = self.queries.get_mut(&id).and_then(|queries| queries.ack(now, number));
                if let Some((tag, _)) = query {
                    out.settled(now, id, tag.message, AckEnd::Acked);
                }
            }
        }
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
        // A policy without a window never gives anything up to make room.
        queries.send(at, tag.message.seq, query);
        self.say(at, timer.who, Act::Get { tag, size, again: false }, out);
        self.set_ask_again(timer);
    }

    /// Sends again the texts that were not acked in time, or gives them up.
    fn resend_texts(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let overdue = take_overdue(self.texts.get_mut(&timer.who), at);
        let again = |(tag, size)| Act::Message { tag, size, again: true };
        self.send_again(at, timer.who, overdue, again, out);
        self.set_resend(timer);
    }

    /// Asks again the queries that were not answered in time, or gives them up.
    fn ask_again(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
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

    /// The server's heartbeat reached a client.
    fn hear_heartbeat(
        &mut self,
        now: Time,
        id: ClientId,
        number: u32,
        out: &mut impl SwarmEffects,
    ) {
        let Some(timeout) = self.options.server_timeout else { return };
        let epoch = self.clients[id as usize].epoch;
        let hearing = &mut self.hearing[id as usize];
        hearing.last = now;
        if !std::mem::replace(&mut hearing.connected, true) {
            self.set(first_moment_too_late(now, timeout), Kind::Silence, id, epoch);
            out.server(now, id, Opinion::Back);
        }
        self.say(now, id, Act::Ack(number), out);
    }

    /// A client that is connected looks how long it has not heard from the server.
    fn doubt_the_server(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let Some(timeout) = self.options.server_timeout else { return };
        let hearing = &mut self.hearing[timer.who as usize];
        let due = first_moment_too_late(hearing.last, timeout);
        if at < due {
            self.set(due, Kind::Silence, timer.who, timer.epoch);
        } else {
            hearing.connected = false;
            out.server(at, timer.who, Opinion::Gone);
        }
    }

    /// A timed event of the scenario.
    fn happen(&mut self, at: Time, number: u32, out: &mut impl SwarmEffects) {
        let event = self.options.events[number as usize];
        let wanted = event.happening != ClientEvent::Join;
        let candidates: Vec<ClientId> = (self.roster.range(event.group))
            .filter(|client| self.up.contains(*client) == wanted)
            .collect();
        let amount = event.amount.of(candidates.len() as u32) as usize;
        let mut draws = self.victims.stream(number.into()).draws();
        let mut chosen = rand::seq::index::sample(&mut draws, candidates.len(), amount).into_vec();
        chosen.sort_unstable();
        for client in chosen.into_iter().map(|index| candidates[index]) {
            match event.happening {
                ClientEvent::Crash => self.end_life(at, client, Life::Crashed, out),
                ClientEvent::Leave => self.end_life(at, client, Life::Left, out),
                ClientEvent::Join => self.start_again(at, client, out),
                ClientEvent::Rebind => out.rebind(at, client),
            }
        }
    }

    fn start_again(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
        self.begin_life(at, id, out);
        // A member that comes back says so at once; the period counts from there.
        if self.options.groups[self.roster.group_of(id)].member {
            self.set_beat(at, id);
        }
    }

    /// What every start has in common: work and churn are set, the beat is the caller's.
    fn begin_life(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
        let group = &self.options.groups[self.roster.group_of(id)];
        let client = &mut self.clients[id as usize];
        client.epoch = client.epoch.wrapping_add(1);
        client.fresh = true;
        let past = &mut self.pasts[id as usize];
        past.anchor = at;
        past.beats = client.beats;
        let state = *client;
        self.up.insert(id);
        if group.member {
            self.audience.insert(id);
        }
        if let Some(hearing) = self.hearing.get_mut(id as usize) {
            *hearing = Hearing { last: at, connected: false };
        }
        let messages = self.pasts[id as usize].messages;
        let rank = id - self.roster.range(self.roster.group_of(id)).start;
        let first = group.workload.filter(|work| rank < work.talkers()).map(|work| {
            work.first_gap(self.work.stream(id.into()), work_draw(state.epoch, messages))
        });
        let Churn { crash, leave, rebind, .. } = group.churn;
        if let Some(gap) = first {
            self.set(at + gap, Kind::Work, id, state.epoch);
        }
        if crash + leave > 0.0 {
            let draw = self.churn.stream(id.into()).exponential(2 * u64::from(state.epoch));
            let end = at + Span::from_seconds(draw / (crash + leave));
            self.set(end, Kind::Churn, id, state.epoch);
        }
        if rebind > 0.0 {
            self.set_rebind(at, id, state.epoch, rebind);
        }
        out.life(at, id, Life::Up);
    }

    fn end_life(&mut self, at: Time, id: ClientId, life: Life, out: &mut impl SwarmEffects) {
        let GroupOptions { churn, member, .. } = self.options.groups[self.roster.group_of(id)];
        let client = &mut self.clients[id as usize];
        client.epoch = client.epoch.wrapping_add(1);
        client.next_beat = Time::NEVER;
        let epoch = client.epoch;
        self.up.remove(id);
        self.audience.remove(id);
        for (tag, _) in self.texts.remove(&id).iter_mut().flat_map(Outbox::abandon) {
            out.settled(at, id, tag.message, AckEnd::GivenUp);
        }
        for (tag, _) in self.queries.remove(&id).iter_mut().flat_map(Outbox::abandon) {
            out.settled(at, id, tag.message, AckEnd::GivenUp);
        }
        if let Some(after) = churn.rejoin_after {
            self.set(at + after, Kind::Start, id, epoch);
        }
        if life == Life::Left && member {
            self.say(at, id, Act::Quit, out);
            self.attackers.overhear_quit(id, self.tokens.get(&id).copied());
        }
        self.tokens.remove(&id);
        out.life(at, id, life);
    }
}

/// Silence is too long when it is strictly greater than the timeout.
fn first_moment_too_late(last: Time, timeout: Span) -> Time {
    last + timeout + Span::from_nanos(1)
}

/// The gaps of work are drawn by life and message, so that a new life has fresh ones.
fn work_draw(epoch: u16, messages: u32) -> u64 {
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
