//! Quality of failure detection in the terms of Chen, Toueg and Aguilera, *On the Quality of
//! Service of Failure Detectors*, IEEE Trans. Computers 51(5), 2002: detection time T_D, mistake
//! rate λ_M, mistake duration T_M, query accuracy P_A. Detection time and mistakes are always shown
//! together: keeping one of them low is easy if the other doesn't matter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, ClientSet, Distribution, EndpointId, Life, Roster, Span, Time};

use crate::Window;

/// Why a client was evicted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvictionCause {
    /// It had crashed.
    Crash,
    /// It had left, and its `quit` was lost.
    Leave,
    /// It was alive: a mistake.
    False,
    /// It was a ghost: an address that a client had left, a forged one, or that of a hostile
    /// client.
    Ghost,
}

impl EvictionCause {
    /// Every cause.
    pub const ALL: [EvictionCause; 4] =
        [EvictionCause::Crash, EvictionCause::Leave, EvictionCause::False, EvictionCause::Ghost];

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
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eviction {
    /// The time of the eviction.
    pub at: Time,
    /// The client.
    pub client: ClientId,
    /// The cause.
    pub cause: EvictionCause,
    /// When the client crashed or left, if it did; for a ghost, when it became one.
    pub died: Option<Time>,
    /// The time since the server last heard from it, if that is known.
    pub silence: Option<Span>,
    /// How far off `at` may be, to either side.
    pub uncertainty: Span,
}

/// What was seen in one group. Fields that end in `_ns` are times within the window, summed over
/// clients, in nanoseconds: whole numbers, so that the order of addition does not matter.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionTally {
    /// Time that clients were up.
    #[serde(with = "skipbeat_core::decimal")]
    pub live_ns: i128,
    /// Time that they were up and members.
    #[serde(with = "skipbeat_core::decimal")]
    pub member_ns: i128,
    /// Time that they were members and not up.
    #[serde(with = "skipbeat_core::decimal")]
    pub stale_ns: i128,
    /// Crashes in the window.
    pub crashes: u64,
    /// Leaves in the window.
    pub leaves: u64,
    /// Evictions in the window, of any cause.
    pub evictions: u64,
    /// Evictions of live clients in the window.
    pub mistakes: u64,
    /// T_M: how long mistakes lasted, of those that ended.
    pub mistake_durations: Distribution,
    /// T_D: the times from a crash to its eviction. Only for crashes early enough that a slow
    /// eviction would be seen too.
    pub latency: Distribution,
    /// Of these crashes, those whose client was back before it was evicted.
    pub censored: u64,
    /// The times from the crash of the server until a client considers it gone.
    pub server_latency: Distribution,
    /// How often a client considered a live server gone, in the window.
    pub server_mistakes: u64,
    /// Live clients that were removed in the window by a `quit` that is not from their present
    /// life.
    pub expelled: u64,
    /// Changes of address in the window.
    pub rebinds: u64,
    /// The times from a change of address in the window until the client is a member at the new
    /// address.
    pub recoveries: Distribution,
    /// Time that ghosts were members.
    #[serde(with = "skipbeat_core::decimal")]
    pub ghost_ns: i128,
    /// How long ghosts were members, of those that became one in the window.
    pub ghost_durations: Distribution,
}

impl DetectionTally {
    /// Adds the tally of another group, or of another part of the run.
    pub fn add(&mut self, other: &DetectionTally) {
        self.live_ns += other.live_ns;
        self.member_ns += other.member_ns;
        self.stale_ns += other.stale_ns;
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
        self.ghost_ns += other.ghost_ns;
        self.ghost_durations.add(&other.ghost_durations);
    }
}

/// How many clients of a group are in each state now.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    live: u32,
    live_members: u32,
    stale: u32,
    ghosts: u32,
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
    /// Its state at `at`. In a real run, the events of the two sides are recorded with a little
    /// delay, so `at` may be a moment ago. What the client did after `at` is not the cause of what
    /// happened then.
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
    /// `None` if the client was back first.
    latency: Option<Span>,
}

/// Who is alive, who is a member, and how the two differ.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    window: Window,
    clients: Vec<Client>,
    /// Who is up. `clients` says so too, but this set stays in the cache.
    up: ClientSet,
    members: ClientSet,
    /// Live clients that were evicted and are not back.
    mistaken: BTreeMap<ClientId, Time>,
    /// Crashed clients that were evicted; the eviction counts if it lasts until they start again.
    detected: BTreeMap<ClientId, Span>,
    settled: Vec<Settled>,
    server_crashed: Option<Time>,
    /// Clients whose address has changed and that are not yet members at the new one: since when.
    rebound: BTreeMap<ClientId, Time>,
    /// Ghosts by their address: since when.
    ghosts: BTreeMap<EndpointId, Time>,
    /// By group.
    standing: Vec<Standing>,
    pub(crate) tallies: Vec<DetectionTally>,
    pub(crate) evictions: Vec<Vec<Eviction>>,
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
            standing: vec![Standing::default(); roster.groups()],
            tallies: vec![DetectionTally::default(); roster.groups()],
            evictions: vec![Vec::new(); roster.groups()],
        }
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
                // A mistake has no duration if the client goes away before it is a member again.
                self.mistaken.remove(&id);
                self.rebound.remove(&id);
                tally.crashes += u64::from(within && life == Life::Crashed);
                tally.leaves += u64::from(within && life == Life::Left);
            }
        }
        self.count(at, group, was_up, member, life == Life::Up, member);
    }

    /// Records a change in the life of a client that should never be a member.
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
        // A late heartbeat of a dead client undoes its eviction.
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

    /// The server accepts a `quit` in the name of a client.
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

    /// The server knows a member by a new address now; `current` says whether the client is there.
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

    /// A ghost is no longer a member. It was evicted if the silence is known.
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
            self.evictions[group].push(Eviction {
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
        let rest = self.rest_of_window(at);
        let ghosts = &mut self.standing[group].ghosts;
        *ghosts = ghosts.saturating_add_signed(change);
        self.tallies[group].ghost_ns += i128::from(change) * rest;
    }

    fn left(&mut self, at: Time, id: ClientId, group: usize) {
        if self.members.remove(id) {
            let up = self.up.contains(id);
            self.count(at, group, up, true, up, false);
        }
    }

    /// Records an eviction; returns whether it was a mistake.
    pub(crate) fn evicted(
        &mut self,
        at: Time,
        id: ClientId,
        group: usize,
        silence: Option<Span>,
        uncertainty: Span,
    ) -> bool {
        let client = self.clients[id as usize];
        // If the eviction is only known to lie in an interval, a death before the end of the
        // interval explains it, and the eviction came after the death.
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
        self.evictions[group].push(Eviction { at, client: id, cause, died, silence, uncertainty });
        cause == EvictionCause::False
    }

    pub(crate) fn server_crashed(&mut self, at: Time) {
        self.server_crashed = Some(at);
    }

    /// A client considers the server gone.
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
        // Only crashes early enough that slow detections would be seen too count for the detection
        // time.
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
        let rest = self.rest_of_window(end);
        for (tally, standing) in self.tallies.iter_mut().zip(&self.standing) {
            // `count` assumed that the counts last until the end of the window.
            let Standing { live, live_members, stale, ghosts } = *standing;
            tally.live_ns -= i128::from(live) * rest;
            tally.member_ns -= i128::from(live_members) * rest;
            tally.stale_ns -= i128::from(stale) * rest;
            tally.ghost_ns -= i128::from(ghosts) * rest;
        }
    }

    /// The nanoseconds from a moment to the end of the window.
    fn rest_of_window(&self, at: Time) -> i128 {
        let Window { from, to, .. } = self.window;
        to.since(at.clip(from, to)).nanos().into()
    }

    /// The last eviction of a crashed client lasted: its detection time counts.
    fn settle_detection(&mut self, id: ClientId, group: usize) {
        if let Some(latency) = self.detected.remove(&id) {
            let died = self.clients[id as usize].died;
            self.settled.push(Settled { group, died, latency: Some(latency) });
        }
    }

    /// A client changes from (up, member) to (up2, member2) at `at`. Each change counts for the
    /// rest of the window, so that the order in which changes are recorded does not matter.
    fn count(&mut self, at: Time, group: usize, up: bool, member: bool, up2: bool, member2: bool) {
        let rest = self.rest_of_window(at);
        let (tally, standing) = (&mut self.tallies[group], &mut self.standing[group]);
        let change = |count: &mut u32, time: &mut i128, before: bool, after: bool| {
            if before != after {
                *count = if after { *count + 1 } else { *count - 1 };
                *time += if after { rest } else { -rest };
            }
        };
        change(&mut standing.live, &mut tally.live_ns, up, up2);
        let members = (up && member, up2 && member2);
        change(&mut standing.live_members, &mut tally.member_ns, members.0, members.1);
        change(&mut standing.stale, &mut tally.stale_ns, !up && member, !up2 && member2);
    }
}
