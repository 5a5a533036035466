//! The machine: all clients of all groups, their timers, their lives. It keeps the contract of a
//! machine that the server core states.

mod hearing;
mod lives;
mod work;

use std::collections::BTreeMap;

use skipbeat_core::{
    Calendar, ClientId, ClientSet, Family, Life, PREFETCH, Roster, Seed, Time, prefetch,
};
use skipbeat_protocol::{Join, Outbox};
use skipbeat_workload::Retry;

use self::work::Sent;
use crate::hostile::Attackers;
use crate::{Act, Datagram, SourceAddress, SwarmEffects, SwarmOptions};

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

    /// The explicit join of a client, with all that it wants and knows.
    fn join(&self, id: ClientId) -> Act {
        let group = &self.options.groups[self.roster.group_of(id)];
        let (reliable, session) = (group.acks.down(), group.session);
        Act::Join(Join { reliable, session, cookie: self.cookies.get(&id).copied() })
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
}
