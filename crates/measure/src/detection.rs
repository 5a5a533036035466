//! Quality of failure detection in the terms of Chen, Toueg and Aguilera, *On the Quality of
//! Service of Failure Detectors*, IEEE Trans. Computers 51(5), 2002: detection time T_D, mistake
//! rate λ_M, mistake duration T_M, query accuracy P_A. Detection time and mistakes always stand
//! together: each is easy alone.

use std::collections::BTreeMap;

use skipbeat_core::{ClientId, ClientSet, EndpointId, Life, Roster, Span, Time};

use crate::{Distribution, Window};

/// Why a client was evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvictionCause {
    /// It had crashed.
    Crash,
    /// It had left, and its `quit` was lost.
    Leave,
    /// It was alive: a mistake.
    False,
    /// It was no client: an address that one had left, or that was forged, or a hostile one's.
    Ghost,
}

impl EvictionCause {
    /// The name in `evictions.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            EvictionCause::Crash => "crash",
            EvictionCause::Leave => "leave",
            EvictionCause::False => "false",
            EvictionCause::Ghost => "ghost",
        }
    }
}

/// One eviction.
#[derive(Clone, Copy, Debug)]
pub struct Eviction {
    /// When.
    pub at: Time,
    /// Who.
    pub client: ClientId,
    /// Why.
    pub cause: EvictionCause,
    /// When it crashed or left, if it did; of a ghost, when it became one.
    pub died: Option<Time>,
    /// How long the server had not heard of it, where that is known.
    pub silence: Option<Span>,
    /// How far off `at` may be, to either side.
    pub uncertainty: Span,
}

/// What was seen in one group. Integrals are in client-seconds of the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct DetectionTally {
    live: u32,
    live_members: u32,
    stale: u32,
    pub(crate) live_time: f64,
    pub(crate) member_time: f64,
    pub(crate) stale_time: f64,
    /// Crashes in the window.
    pub(crate) crashes: u64,
    /// Leaves in the window.
    pub(crate) leaves: u64,
    /// Evictions in the window, of any cause.
    pub(crate) evictions: u64,
    /// Evictions of live clients in the window.
    pub(crate) mistakes: u64,
    /// How long mistakes lasted, of those that ended.
    pub(crate) mistake_durations: Distribution,
    /// T_D of crashes early enough in the window to be seen to their end.
    pub(crate) latency: Distribution,
    /// Of such crashes, those whose client was back before its eviction.
    pub(crate) censored: u64,
    /// Crash of the server → a client takes it for gone.
    pub(crate) server_latency: Distribution,
    /// Clients that took a live server for gone, in the window.
    pub(crate) server_mistakes: u64,
    /// Live clients that a `quit` put out which was not of their present life, in the window.
    pub(crate) expelled: u64,
    /// Changes of address in the window.
    pub(crate) rebinds: u64,
    /// Change of address in the window → a member at the new address.
    pub(crate) recoveries: Distribution,
    ghosts: u32,
    /// Integral of the number of ghosts.
    pub(crate) ghost_time: f64,
    /// Became a ghost, in the window → no member any more.
    pub(crate) ghost_durations: Distribution,
}

impl DetectionTally {
    pub(crate) fn add(&mut self, other: &DetectionTally) {
        self.live_time += other.live_time;
        self.member_time += other.member_time;
        self.stale_time += other.stale_time;
        self.crashes += other.crashes;
        self.leaves += other.leaves;
        self.evictions += other.evictions;
        self.mistakes += other.mistakes;
        self.mistake_durations.add(&other.mistake_durations);
        self.latency.add(&other.latency);
        self.censored += other.censored;
        self.server_latency.add(&other.server_latency);
        self.server_mistakes += other.server_mistakes;
        self.expelled += other.expelled;
        self.rebinds += other.rebinds;
        self.recoveries.add(&other.recoveries);
        self.ghost_time += other.ghost_time;
        self.ghost_durations.add(&other.ghost_durations);
    }
}

#[derive(Clone, Copy, Debug)]
struct Client {
    life: Life,
    /// When the present life began (up) or the last one ended (not up).
    since: Time,
    /// When and how the last life ended.
    died: Time,
    end: Life,
}

impl Client {
    /// How it was at `at`. The two sides of a real run are heard with a little delay, so this may
    /// be a moment ago: what the client did since then does not explain what happened to it.
    fn life_at(&self, at: Time) -> Life {
        match self.life {
            Life::Up if self.since > at && self.died <= at => self.end,
            Life::Crashed | Life::Left if self.since > at => Life::Up,
            life => life,
        }
    }
}

/// How a crash ended: detected, or the client was back first.
#[derive(Clone, Copy, Debug)]
struct Settled {
    group: usize,
    died: Time,
    /// Nothing where the client was back first.
    latency: Option<Span>,
}

/// Who is alive, who is a member, and how the two differ.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    window: Window,
    clients: Vec<Client>,
    /// Who is alive: the same as in `clients`, in a place that stays in the cache.
    up: ClientSet,
    members: ClientSet,
    /// Live clients that were evicted and are not back.
    mistaken: BTreeMap<ClientId, Time>,
    /// Crashed clients that were evicted; the eviction counts if it lasts until they start again.
    detected: BTreeMap<ClientId, Span>,
    settled: Vec<Settled>,
    server_crashed: Option<Time>,
    /// Clients whose address has changed and that are no members at the new one yet.
    rebound: BTreeMap<ClientId, Time>,
    /// Members that are no clients, by their address: since when.
    ghosts: BTreeMap<EndpointId, Time>,
    pub(crate) tallies: Vec<DetectionTally>,
    pub(crate) evictions: Vec<Eviction>,
}

impl Detection {
    pub(crate) fn new(roster: &Roster, window: Window) -> Self {
        let (since, died) = (Time::ZERO, Time::ZERO);
        let unborn = Client { life: Life::Left, since, died, end: Life::Left };
        Detection {
            window,
            clients: vec![unborn; roster.clients() as usize],
            up: ClientSet::with_room(roster.clients()),
            members: ClientSet::with_room(roster.clients()),
            mistaken: BTreeMap::new(),
            detected: BTreeMap::new(),
            settled: Vec::new(),
            server_crashed: None,
            rebound: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            tallies: vec![DetectionTally::default(); roster.groups()],
            evictions: Vec::new(),
        }
    }

    /// What was counted of these groups.
    pub(crate) fn tally(&self, groups: &[usize]) -> DetectionTally {
        let mut tally = DetectionTally::default();
        groups.iter().for_each(|g| tally.add(&self.tallies[*g]));
        tally
    }

    pub(crate) fn life(&mut self, at: Time, id: ClientId, group: usize, life: Life) {
        let member = self.members.contains(id);
        let client = &mut self.clients[id as usize];
        let was_up = client.life == Life::Up;
        client.life = life;
        if life == Life::Up {
            self.up.insert(id);
        } else {
            self.up.remove(id);
        }
        client.since = at;
        let tally = &mut self.tallies[group];
        let within = self.window.contains(at);
        match life {
            Life::Up if member && !was_up && client.end == Life::Crashed => {
                self.settled.push(Settled { group, died: client.died, latency: None });
            }
            Life::Up => self.settle_detection(id, group),
            Life::Crashed | Life::Left => {
                client.died = at;
                client.end = life;
                // A mistake that the client did not live to see corrected has no duration.
                self.mistaken.remove(&id);
                self.rebound.remove(&id);
                tally.crashes += u64::from(within && life == Life::Crashed);
                tally.leaves += u64::from(within && life == Life::Left);
            }
        }
        self.count(at, group, was_up, member, life == Life::Up, member);
    }

    /// The life of a client changes that is never to be a member.
    pub(crate) fn life_of_outsider(&mut self, at: Time, group: usize, life: Life) {
        let within = self.window.contains(at);
        self.tallies[group].crashes += u64::from(within && life == Life::Crashed);
        self.tallies[group].leaves += u64::from(within && life == Life::Left);
    }

    pub(crate) fn joined(&mut self, at: Time, id: ClientId, group: usize) {
        if !self.members.insert(id) {
            return;
        }
        let up = self.up.contains(id);
        self.count(at, group, up, false, up, true);
        // A late heartbeat of a dead client takes its eviction back.
        self.detected.remove(&id);
        if let Some(since) = self.mistaken.remove(&id)
            && self.window.contains(since)
        {
            self.tallies[group].mistake_durations.record(at.since(since));
        }
        if let Some(since) = self.rebound.remove(&id)
            && self.window.contains(since)
        {
            self.tallies[group].recoveries.record(at.since(since));
        }
    }

    /// The server heeds a `quit` in the name of a client.
    pub(crate) fn quit(&mut self, at: Time, id: ClientId, group: usize) {
        let alive = self.clients[id as usize].life_at(at) == Life::Up;
        let within = self.window.contains(at);
        self.tallies[group].expelled += u64::from(alive && within && self.members.contains(id));
        self.left(at, id, group);
    }

    /// The address of a client changes: its membership stays behind as a ghost.
    pub(crate) fn rebound(&mut self, at: Time, id: ClientId, group: usize, left: EndpointId) {
        self.tallies[group].rebinds += u64::from(self.window.contains(at));
        self.rebound.entry(id).or_insert(at);
        if self.members.contains(id) {
            self.left(at, id, group);
            self.ghost_joined(at, left, group);
        }
    }

    /// The server has found a member at another address; `current` says whether it is there.
    pub(crate) fn moved(
        &mut self,
        at: Time,
        id: ClientId,
        group: usize,
        [left, to]: [EndpointId; 2],
        current: bool,
    ) {
        let Some(since) = self.take_ghost(at, left, group) else { return };
        if current {
            self.joined(at, id, group);
        } else {
            self.ghost_joined(at, to, group);
            self.ghosts.insert(to, since);
        }
    }

    /// A ghost is a member from now on.
    pub(crate) fn ghost_joined(&mut self, at: Time, endpoint: EndpointId, group: usize) {
        if self.ghosts.insert(endpoint, at).is_none() {
            self.count_ghosts(at, group, 1);
        }
    }

    /// A ghost is none any more; it was evicted where the silence is known.
    pub(crate) fn ghost_gone(
        &mut self,
        at: Time,
        id: ClientId,
        group: usize,
        endpoint: EndpointId,
        silence: Option<Span>,
    ) {
        let Some(since) = self.take_ghost(at, endpoint, group) else { return };
        let tally = &mut self.tallies[group];
        if self.window.contains(since) {
            tally.ghost_durations.record(at.since(since));
        }
        if silence.is_some() {
            tally.evictions += u64::from(self.window.contains(at));
            self.evictions.push(Eviction {
                at,
                client: id,
                cause: EvictionCause::Ghost,
                died: Some(since),
                silence,
                uncertainty: Span::ZERO,
            });
        }
    }

    fn take_ghost(&mut self, at: Time, endpoint: EndpointId, group: usize) -> Option<Time> {
        let since = self.ghosts.remove(&endpoint)?;
        self.count_ghosts(at, group, -1);
        Some(since)
    }

    /// The number of ghosts changes; the change counts for the rest of the window.
    fn count_ghosts(&mut self, at: Time, group: usize, change: i32) {
        let rest = self.window.to.since(at.clip(self.window.from, self.window.to)).seconds();
        let tally = &mut self.tallies[group];
        tally.ghosts = tally.ghosts.saturating_add_signed(change);
        tally.ghost_time += f64::from(change) * rest;
    }

    fn left(&mut self, at: Time, id: ClientId, group: usize) {
        if self.members.remove(id) {
            let up = self.up.contains(id);
            self.count(at, group, up, true, up, false);
        }
    }

    /// Says whether the eviction was a mistake.
    pub(crate) fn evicted(
        &mut self,
        at: Time,
        id: ClientId,
        group: usize,
        silence: Option<Span>,
        uncertainty: Span,
    ) -> bool {
        let client = self.clients[id as usize];
        // Where only a bracket is known, a death before its end explains the eviction, and the
        // eviction came after the death.
        let latest = at + uncertainty;
        let life = client.life_at(latest);
        let (at, uncertainty) = if life == Life::Up {
            (at, uncertainty)
        } else {
            let bracket = latest.since((at - uncertainty).max(client.died));
            let half = Span::from_nanos(bracket.nanos() / 2);
            (latest - half, half)
        };
        self.left(at, id, group);
        let cause = match life {
            Life::Up => EvictionCause::False,
            Life::Crashed => EvictionCause::Crash,
            Life::Left => EvictionCause::Leave,
        };
        let died = (cause != EvictionCause::False).then_some(client.died);
        let within = self.window.contains(at);
        let tally = &mut self.tallies[group];
        tally.evictions += u64::from(within);
        if cause == EvictionCause::False {
            tally.mistakes += u64::from(within);
            self.mistaken.insert(id, at);
        }
        if cause == EvictionCause::Crash {
            self.detected.insert(id, at.since(client.died));
        }
        self.evictions.push(Eviction { at, client: id, cause, died, silence, uncertainty });
        cause == EvictionCause::False
    }

    pub(crate) fn server_crashed(&mut self, at: Time) {
        self.server_crashed = Some(at);
    }

    /// A client takes the server for gone.
    pub(crate) fn server_suspected(&mut self, at: Time, group: usize) {
        let tally = &mut self.tallies[group];
        match self.server_crashed {
            Some(crashed) if crashed <= at => tally.server_latency.record(at.since(crashed)),
            _ => tally.server_mistakes += u64::from(self.window.contains(at)),
        }
    }

    /// The run is over.
    pub(crate) fn finish(&mut self, end: Time, roster: &Roster) {
        let dead: Vec<_> = self.detected.keys().copied().collect();
        for id in dead {
            self.settle_detection(id, roster.group_of(id));
        }
        // Detection times count of crashes so early that the slow ones among them were seen too.
        let cohort_end = end - self.window.detection;
        for Settled { group, died, latency } in std::mem::take(&mut self.settled) {
            if self.window.contains(died) && died <= cohort_end {
                let tally = &mut self.tallies[group];
                match latency {
                    Some(latency) => tally.latency.record(latency),
                    None => tally.censored += 1,
                }
            }
        }
        let rest = self.window.to.since(end.clip(self.window.from, self.window.to)).seconds();
        for tally in &mut self.tallies {
            // `count` took the counts to last until the end of the window.
            tally.live_time -= f64::from(tally.live) * rest;
            tally.member_time -= f64::from(tally.live_members) * rest;
            tally.stale_time -= f64::from(tally.stale) * rest;
            tally.ghost_time -= f64::from(tally.ghosts) * rest;
        }
    }

    /// The last eviction of a crashed client lasted: its detection time counts.
    fn settle_detection(&mut self, id: ClientId, group: usize) {
        if let Some(latency) = self.detected.remove(&id) {
            let died = self.clients[id as usize].died;
            self.settled.push(Settled { group, died, latency: Some(latency) });
        }
    }

    /// A client changes from (up, member) to (up, member) at `at`. Each change counts for the rest
    /// of the window, so that the order in which changes are heard does not matter.
    fn count(&mut self, at: Time, group: usize, up: bool, member: bool, up2: bool, member2: bool) {
        let rest = self.window.to.since(at.clip(self.window.from, self.window.to)).seconds();
        let tally = &mut self.tallies[group];
        let change = |count: &mut u32, time: &mut f64, before: bool, after: bool| {
            if before != after {
                *count = if after { *count + 1 } else { *count - 1 };
                *time += if after { rest } else { -rest };
            }
        };
        change(&mut tally.live, &mut tally.live_time, up, up2);
        change(&mut tally.live_members, &mut tally.member_time, up && member, up2 && member2);
        change(&mut tally.stale, &mut tally.stale_time, !up && member, !up2 && member2);
    }
}
