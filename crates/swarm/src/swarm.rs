//! The swarm: all clients of all groups, with their timers and lives. It keeps the contract of a
//! machine, which the server core states.

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

/// A timer of anything but a heartbeat. Timers of the same time fire in the order of these fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Timer {
    kind: Kind,
    /// A client, or the number of an event.
    who: u32,
    /// The epoch of the client when the timer was set. Timers of an earlier life are ignored.
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

/// What every heartbeat of a client needs: sixteen bytes, so that a cache line has four clients.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// When the next beat is due; `NEVER` if the client is not up.
    next_beat: Time,
    /// Beats so far, in all lives. It counts the draws of the jitter.
    beats: u32,
    /// Starts and ends of lives so far.
    epoch: u16,
    /// Whether this life has had no beat yet.
    fresh: bool,
}

/// The state of a client that is needed less often.
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
    /// When it last heard from the server in this life; at first the start of the life.
    last: Time,
    /// Whether it has heard from the server in this life, and not given it up since.
    connected: bool,
}

/// All virtual clients.
///
/// ```
/// use skipbeat_core::{ClientId, ClientSet, Life, MessageId, Seed, Span, Time};
/// use skipbeat_swarm::{
///     AckEnd, Acks, Churn, Datagram, GroupOptions, Heartbeat, Opinion, Swarm, SwarmEffects,
///     SwarmOptions, Transport,
/// };
///
/// /// Counts datagrams; a driver would send them.
/// #[derive(Default)]
/// struct Count(u32);
///
/// impl SwarmEffects for Count {
///     fn send(&mut self, _: Time, _: ClientId, _: Datagram, _: &ClientSet) {
///         self.0 += 1;
///     }
///     fn settled(&mut self, _: Time, _: ClientId, _: MessageId, _: AckEnd) {}
///     fn server(&mut self, _: Time, _: ClientId, _: Opinion) {}
///     fn rebind(&mut self, _: Time, _: ClientId) {}
///     fn life(&mut self, _: Time, _: ClientId, _: Life) {}
/// }
///
/// let group = GroupOptions {
///     clients: 10,
///     member: true,
///     heartbeat: Heartbeat::default(),
///     workload: None,
///     churn: Churn::default(),
///     transport: Transport::Udp,
///     acks: Acks::None,
///     session: false,
///     hostile: None,
/// };
/// let end = Time::ZERO + Span::from_secs(50);
/// let options = SwarmOptions {
///     groups: vec![group],
///     events: Vec::new(),
///     run: 1,
///     join_explicitly: false,
///     prove_address: false,
///     numbered: false,
///     clients_beat: true,
///     server_timeout: None,
///     end,
/// };
/// let (mut swarm, mut sent) = (Swarm::new(options, Seed(1)), Count::default());
/// swarm.start(&mut sent);
/// while let Some(due) = swarm.next_deadline() {
///     swarm.advance(due, &mut sent);
/// }
/// assert_eq!(sent.0, 100, "ten clients beat every 5 s for 50 s");
/// ```
#[derive(Debug)]
pub struct Swarm {
    options: SwarmOptions,
    roster: Roster,
    clients: Vec<Client>,
    pasts: Vec<Past>,
    /// By client; empty if the server sends no heartbeats.
    hearing: Vec<Hearing>,
    /// The texts that wait for their acks.
    texts: BTreeMap<ClientId, Outbox<Sent>>,
    /// The queries that wait for their answers.
    queries: BTreeMap<ClientId, Outbox<Sent, Retry>>,
    /// The last cookie that each client got.
    cookies: BTreeMap<ClientId, u64>,
    /// The token of each client that has a session.
    tokens: BTreeMap<ClientId, u64>,
    /// The number of draws for the times of rebinding, by client.
    rebinds: BTreeMap<ClientId, u32>,
    attackers: Attackers,
    up: ClientSet,
    /// The clients that are up and meant to be members: they should get what is said to everybody.
    audience: ClientSet,
    /// Heartbeats, by far the most frequent timers. Those of an earlier life are recognised by
    /// their time.
    beats: Calendar<ClientId>,
    /// Scratch space: the beats that are due, and the bare ones of them.
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
        let hostile: Vec<_> = options.groups.iter().map(|group| group.hostile).collect();
        let deaf = Hearing { last: Time::ZERO, connected: false };
        let listeners = if options.server_timeout.is_some() { clients as usize } else { 0 };
        Swarm {
            hearing: vec![deaf; listeners],
            texts: BTreeMap::new(),
            queries: BTreeMap::new(),
            cookies: BTreeMap::new(),
            tokens: BTreeMap::new(),
            rebinds: BTreeMap::new(),
            attackers: Attackers::new(&hostile, &roster, seed),
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

    /// Starts all clients at time zero, each with a random phase of its heartbeat.
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

    /// When to call [`Swarm::advance`] next. There may be nothing to do then.
    #[inline]
    pub fn next_deadline(&self) -> Option<Time> {
        let next = self.beats.front().min(self.timers.front());
        (next != Time::NEVER).then_some(next)
    }

    /// When the next timer is due that is not a heartbeat.
    pub fn next_but_beats(&self) -> Option<Time> {
        self.timers.next_at()
    }

    /// Handles all timers that are due at `now` or before, each at its planned time. At the same
    /// time, heartbeats come first.
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

    /// Handles the heartbeats that are due at `until` or before, in any order, but those of one
    /// client in order of time. Nothing else may be due before `until`, and no client may react to
    /// what it hears until then ([`SwarmOptions::may_react`]).
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

    /// The heartbeat of a client, and the time of its next; `None` if the timer is out of date, or
    /// the client need not beat.
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
        // To ask with every heartbeat needs no answer, and survives loss and eviction. With sticky
        // rejoin or numbered heartbeats only the first one of a life can ask.
        let group = &self.options.groups[self.roster.group_of(id)];
        let once = self.options.join_explicitly || self.options.numbered;
        let asks = group.acks.down() && (fresh || !once);
        let number = self.options.numbered.then_some(beats.wrapping_sub(1));
        let session = self.tokens.get(&id).copied();
        // A client with a session need not join: it is told when the session ends.
        let joins =
            session.is_none() && (join || asks || self.options.prove_address || group.session);
        let act = if joins { self.join(id) } else { Act::Heartbeat(number) };
        Some(Datagram { source: SourceAddress::Own, session, act })
    }

    /// Sets the next beat of a client.
    #[inline]
    fn set_beat(&mut self, at: Time, id: ClientId) {
        self.clients[id as usize].next_beat = at;
        if at < self.options.end {
            self.beats.push(at, id);
        }
    }

    /// Sets another timer.
    fn set(&mut self, at: Time, kind: Kind, who: ClientId, epoch: u16) {
        if at < self.options.end {
            self.timers.push(at, Timer { kind, who, epoch });
        }
    }

    /// The explicit join of a client.
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
                // The share of crashes is their rate over the sum of both rates.
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
