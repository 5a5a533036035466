//! All links of one direction: their options over time, their state, the pipeline of stages.

use serde::Serialize;
use skipbeat_core::{
    ClientId, Direction, Family, Probability, Roster, Seed, Span, Stream, Time, prefetch,
};

use crate::delay::DelayState;
use crate::loss::LossState;
use crate::rate::Queue;
use crate::{Besides, Cause, How, LinkOptions, Outage, OutageKind, PacketInfo, Transit, Verdict};

/// The options of the links of a group over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkSchedule {
    /// The options from the beginning.
    pub options: LinkOptions,
    /// Later options and when they begin to apply, in order of time.
    pub changes: Vec<(Span, LinkOptions)>,
    /// Times in which the links carry nothing.
    pub outages: Vec<Outage>,
}

impl LinkSchedule {
    /// The delay that all but one in 10⁴ datagrams stay below, without outages and queues.
    pub fn nearly_longest(&self) -> Span {
        let later = self.changes.iter().map(|(_, options)| options.nearly_longest());
        later.fold(self.options.nearly_longest(), Span::max)
    }

    /// The delay that no datagram undercuts.
    pub fn shortest(&self) -> Span {
        let later = self.changes.iter().map(|(_, options)| options.shortest());
        later.fold(self.options.shortest(), Span::min)
    }

    /// Whether the links ever make copies.
    pub fn copies(&self) -> bool {
        let copies = |options: &LinkOptions| !options.duplicate.probability.is_zero();
        copies(&self.options) || self.changes.iter().any(|(_, options)| copies(options))
    }

    /// Whether the links never do anything.
    pub fn is_nothing(&self) -> bool {
        *self == LinkSchedule::default()
    }

    /// Whether the links only ever lose and delay datagrams, each independently of the others.
    pub fn is_plain(&self) -> bool {
        self.is_steady() && self.outages.is_empty() && self.options.plain_loss().is_some()
    }

    /// Whether the options never change; there may be outages.
    pub fn is_steady(&self) -> bool {
        self.changes.is_empty()
    }
}

impl From<LinkOptions> for LinkSchedule {
    fn from(options: LinkOptions) -> Self {
        LinkSchedule { options, ..LinkSchedule::default() }
    }
}

/// The links of all clients in one direction.
///
/// ```
/// use skipbeat_core::{Direction, Roster, Seed, Span, Time};
/// use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, read_compact};
///
/// let options = read_compact("loss=5%,delay=30ms", Direction::Up, LinkOptions::default()).unwrap();
/// let mut links = Links::new(Seed(1), Direction::Up, [options.into()], &Roster::new([10]));
///
/// let packet = PacketInfo { bytes: 64, class: Class::Chat };
/// let verdict = links.judge(Time::ZERO, 0, 7, packet);
/// match verdict.arrival {
///     Ok(at) => assert_eq!(at, Time::ZERO + Span::from_millis(30)),
///     Err(cause) => println!("lost: {}", cause.name()),
/// }
/// ```
#[derive(Debug)]
pub struct Links {
    groups: Vec<Group>,
    /// How many datagrams each link has seen.
    seen: Vec<u32>,
    /// The streams of loss and delay of each link, if there are so few links that a table of them
    /// is faster than computing them.
    streams: Vec<[Stream; 2]>,
    /// The state of links for stages that need it; empty if none does.
    loss_states: Vec<LossState>,
    queues: Vec<Queue>,
    delay_states: Vec<DelayState>,
    loss: Family,
    delay: Family,
    reorder: Family,
    duplicate: Family,
    corrupt: Family,
}

/// The most links whose streams are kept in a table: its 64 kB stay in the cache.
const FEW: u32 = 4096;

/// The options of the links of a group, now and later.
#[derive(Debug)]
struct Group {
    options: LinkOptions,
    changes: std::vec::IntoIter<(Span, LinkOptions)>,
    next_change: Option<(Span, LinkOptions)>,
    outages: Vec<Outage>,
    /// The loss, if the links only lose and delay datagrams independently, as most do. Then a
    /// verdict takes two draws.
    plain: Option<Probability>,
    /// The clients of the group.
    clients: std::ops::Range<ClientId>,
}

impl Group {
    /// Recomputes whether the links are plain.
    fn look(&mut self) {
        self.plain = self.options.plain_loss().filter(|_| self.outages.is_empty());
    }
}

/// The state of the link of a client, which begins as the default.
#[inline]
fn of<T: Clone + Default>(states: &mut Vec<T>, client: ClientId) -> &mut T {
    let index = client as usize;
    if index >= states.len() {
        states.resize(index + 1, T::default());
    }
    &mut states[index]
}

/// The streams of loss and delay of a link.
#[inline(always)]
fn streams(known: &[[Stream; 2]], families: [Family; 2], client: ClientId) -> [Stream; 2] {
    match known.get(client as usize) {
        Some(streams) => *streams,
        None => families.map(|family| family.stream(client.into())),
    }
}

impl Links {
    /// New links for the clients of a roster. There is a schedule for each group.
    pub fn new(
        seed: Seed,
        direction: Direction,
        schedules: impl IntoIterator<Item = LinkSchedule>,
        roster: &Roster,
    ) -> Self {
        let family = |stage: &str| seed.family(&format!("link.{}.{stage}", direction.name()));
        let groups = schedules.into_iter().enumerate().map(|(number, schedule)| {
            let mut changes = schedule.changes.into_iter();
            let mut group = Group {
                options: schedule.options,
                next_change: changes.next(),
                changes,
                outages: schedule.outages,
                plain: None,
                clients: roster.range(number),
            };
            group.look();
            group
        });
        let (loss, delay) = (family("loss"), family("delay"));
        let few = if roster.clients() <= FEW { roster.clients() } else { 0 };
        let streams = (0..u64::from(few)).map(|link| [loss, delay].map(|f| f.stream(link)));
        Links {
            groups: groups.collect(),
            seen: vec![0; roster.clients() as usize],
            streams: streams.collect(),
            loss_states: Vec::new(),
            queues: Vec::new(),
            delay_states: Vec::new(),
            loss,
            delay,
            reorder: family("reorder"),
            duplicate: family("duplicate"),
            corrupt: family("corrupt"),
        }
    }

    /// Changes the options of the links of a group.
    pub fn set(&mut self, group: usize, options: LinkOptions) {
        let old = std::mem::replace(&mut self.groups[group].options, options);
        self.groups[group].look();
        let new = &self.groups[group].options;
        // The state of a model that is gone is dropped. The queue goes on draining, and datagrams
        // that must not be overtaken are not.
        let only_group = self.groups.len() == 1;
        let clients = &self.groups[group].clients;
        let mine = |client: usize| only_group || clients.contains(&(client as ClientId));
        if old.loss != new.loss {
            let states = self.loss_states.iter_mut().enumerate();
            states.filter(|(client, _)| mine(*client)).for_each(|(_, state)| state.forget());
        }
        if (&old.delay.model, old.delay.correlation) != (&new.delay.model, new.delay.correlation) {
            let states = self.delay_states.iter_mut().enumerate();
            states.filter(|(client, _)| mine(*client)).for_each(|(_, state)| state.forget());
        }
    }

    /// The present options of the links of a group.
    pub fn options(&self, group: usize) -> &LinkOptions {
        &self.groups[group].options
    }

    /// Adds an outage to the links of a group.
    pub fn interrupt(&mut self, group: usize, outage: Outage) {
        self.groups[group].outages.push(outage);
        self.groups[group].look();
    }

    /// Ends all outages. Datagrams that a clog has kept arrive when it was planned to end; new ones
    /// do not queue behind them.
    pub fn heal(&mut self) {
        for group in &mut self.groups {
            group.outages.clear();
            group.look();
        }
        self.queues.clear();
    }

    /// Judges the next datagram on the link of `client`, a client of `group`, that enters the link
    /// at `now`. The result depends only on the seed, the link, the index of the datagram on it,
    /// and the datagrams before.
    #[inline(always)]
    pub fn judge(
        &mut self,
        now: Time,
        group: usize,
        client: ClientId,
        packet: PacketInfo,
    ) -> Verdict {
        let seen = of(&mut self.seen, client);
        let index = *seen;
        *seen = seen.wrapping_add(1);
        let due = |(at, _): &(Span, LinkOptions)| Time::ZERO + *at <= now;
        while self.groups[group].next_change.as_ref().is_some_and(due) {
            self.change(group);
        }
        match self.groups[group].plain {
            Some(loss) => self.plain(now, group, client, index, loss),
            None => self.pipeline(now, group, client, packet, index),
        }
    }

    /// Judges many datagrams at once on links that are plain ([`LinkSchedule::is_plain`]): `sent`
    /// says when each enters the link of which client. The results are those of [`Links::judge`].
    /// `soon` are clients whose state is prefetched. Loss comes first and delay second, in two
    /// short loops without unpredictable branches.
    pub fn fly(
        &mut self,
        sent: impl Iterator<Item = (Time, ClientId)>,
        mut soon: impl Iterator<Item = ClientId>,
        roster: &Roster,
        transits: &mut Vec<Transit>,
    ) {
        transits.clear();
        transits.extend(sent.map(|(at, client)| {
            if let Some(client) = soon.next() {
                prefetch(&self.seen, client);
            }
            let seen = of(&mut self.seen, client);
            let index = *seen;
            *seen = seen.wrapping_add(1);
            let [losses, _] = streams(&self.streams, [self.loss, self.delay], client);
            let plain = self.groups[roster.group_of(client)].plain;
            debug_assert!(plain.is_some(), "all links are plain");
            let loss = plain.unwrap_or(Probability::ZERO);
            let lost = loss.decides(losses.bits(index.into()));
            Transit { client, index, arrival: if lost { Time::NEVER } else { at } }
        }));
        for Transit { client, index, arrival } in transits {
            if *arrival != Time::NEVER {
                let [_, delays] = streams(&self.streams, [self.loss, self.delay], *client);
                let options = &self.groups[roster.group_of(*client)].options;
                *arrival += options.delay.draw(delays, (*index).into());
            }
        }
    }

    /// The verdict of a plain link: two draws decide.
    #[inline(always)]
    fn plain(
        &self,
        now: Time,
        group: usize,
        client: ClientId,
        index: u32,
        loss: Probability,
    ) -> Verdict {
        let [losses, delays] = streams(&self.streams, [self.loss, self.delay], client);
        if loss.decides(losses.bits(index.into())) {
            return Verdict::lost(index, Cause::Loss);
        }
        let delay = self.groups[group].options.delay.draw(delays, index.into());
        Verdict::arrives(index, now + delay)
    }

    /// The verdict of any other link: all stages, one after the other.
    #[inline(never)]
    fn pipeline(
        &mut self,
        now: Time,
        group: usize,
        client: ClientId,
        packet: PacketInfo,
        index: u32,
    ) -> Verdict {
        let Group { options, outages, .. } = &self.groups[group];
        let (link, number) = (u64::from(client), u64::from(index));

        let mut at = now;
        for outage in outages {
            if outage.contains(at) {
                match outage.kind {
                    OutageKind::Partition => return Verdict::lost(index, Cause::Partition),
                    OutageKind::Clog => at = Time::ZERO + outage.to,
                }
            }
        }
        if !options.loss.is_none() && options.loss.applies_to(packet.class) {
            let stream = self.loss.stream(link);
            let lost = match options.loss.independent() {
                Some(probability) => probability.decides(stream.bits(number)),
                None => options.loss.takes(of(&mut self.loss_states, client), stream, number, at),
            };
            if lost {
                return Verdict::lost(index, Cause::Loss);
            }
        }
        if options.mtu.is_some_and(|mtu| packet.bytes > mtu) {
            return Verdict::lost(index, Cause::Mtu);
        }
        if let Some(rate) = &options.rate {
            match rate.pass(of(&mut self.queues, client), at, packet.bytes) {
                Ok(departure) => at = departure,
                Err(cause) => return Verdict::lost(index, cause),
            }
        }
        let waited = at.since(now);
        let chosen = options.reorder.and_then(|r| r.choose(self.reorder.stream(link), number));
        let stream = self.delay.stream(link);
        let mut arrival = match chosen {
            Some(How::Early) => at,
            _ if options.delay.remembers() => {
                options.delay.arrival(of(&mut self.delay_states, client), stream, number, at)
            }
            _ => at + options.delay.draw(stream, number),
        };
        if let Some(How::Hold(extra)) = chosen {
            arrival += extra;
        }
        let copy = options.duplicate.copy(self.duplicate.stream(link), number, arrival);
        let change = |copied: bool| {
            let corrupt = options.corrupt?;
            corrupt.change(self.corrupt.stream(link), number, copied)
        };
        let besides = Besides {
            waited,
            held: chosen.is_some(),
            change: change(false),
            copy,
            copy_change: copy.and_then(|_| change(true)),
        };
        let besides = (besides != Besides::default()).then_some(besides);
        Verdict { index, arrival: Ok(arrival), besides }
    }

    /// Applies the next change of a group.
    fn change(&mut self, number: usize) {
        let group = &mut self.groups[number];
        let next = group.changes.next();
        if let Some((_, options)) = std::mem::replace(&mut group.next_change, next) {
            self.set(number, options);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Chosen, Class, Corrupt, Damage, Delay, DelayModel, Duplicate, Loss, Reorder, delay,
    };

    const TEXT: PacketInfo = PacketInfo { bytes: 100, class: Class::Chat };

    fn verdicts(options: LinkOptions, n: u64) -> Vec<Verdict> {
        let mut links = Links::new(Seed(3), Direction::Up, [options.into()], &Roster::new([1]));
        (0..n).map(|i| links.judge(Time::from_nanos(i * 1_000_000), 0, 0, TEXT)).collect()
    }

    fn exponential() -> DelayModel {
        DelayModel::Exponential(delay::Exponential {
            min: Span::from_millis(1),
            mean: Span::from_millis(5),
        })
    }

    fn all_on() -> LinkOptions {
        let p = |p| Probability::new(p).unwrap();
        LinkOptions {
            loss: Loss::bernoulli(p(0.1)),
            delay: exponential().into(),
            reorder: Some(Reorder {
                chosen: Chosen::Probability(p(0.2)),
                how: How::Hold(Span::from_millis(30)),
            }),
            duplicate: Duplicate { probability: p(0.3), within: Span::from_millis(4) },
            ..LinkOptions::default()
        }
    }

    #[test]
    fn switching_a_stage_off_shifts_no_other() {
        let all = verdicts(all_on(), 2_000);
        let no_loss = verdicts(LinkOptions { loss: Loss::NONE, ..all_on() }, 2_000);
        let no_reorder = verdicts(LinkOptions { reorder: None, ..all_on() }, 2_000);
        for ((a, b), c) in all.iter().zip(&no_loss).zip(&no_reorder) {
            assert_eq!(a.arrival.is_err(), c.arrival.is_err());
            if let (Ok(with), Ok(without)) = (a.arrival, c.arrival) {
                assert_eq!(a, b);
                let extra = if a.held() { Span::from_millis(30) } else { Span::ZERO };
                assert_eq!(with, without + extra);
                assert_eq!(a.copy(), c.copy().map(|at| at + extra));
            }
        }
    }

    #[test]
    fn many_at_once_get_the_verdicts_that_each_gets() {
        let roster = Roster::new([5, 5000]);
        for (loss, delay) in [(0.0, Delay::NONE.model), (0.3, exponential())] {
            let loss = Loss::bernoulli(Probability::new(loss).unwrap());
            let options = LinkOptions { loss, delay: delay.into(), ..LinkOptions::default() };
            let schedules = || [options.clone().into(), options.clone().into()];
            let mut one = Links::new(Seed(4), Direction::Down, schedules(), &roster);
            let mut many = Links::new(Seed(4), Direction::Down, schedules(), &roster);
            let mut transits = Vec::new();
            for now in (0..5).map(|n| Time::from_nanos(n * 1_000_000)) {
                let sent = (0..5005).step_by(7).map(|client| (now, client));
                many.fly(sent.clone(), std::iter::empty(), &roster, &mut transits);
                let alone = sent.map(|(at, c)| one.judge(at, roster.group_of(c), c, TEXT));
                assert!(alone.eq(transits.iter().map(Transit::verdict)));
            }
        }
    }

    /// Every stage together with every other: verdicts differ only in what the stage itself does.
    #[test]
    fn no_stage_shifts_another() {
        let full = || LinkOptions {
            mtu: Some(1000),
            rate: crate::text::read_table("rate=(bandwidth=100Mbit,packets=50)")
                .map(|table| table.over(LinkOptions::default()).rate)
                .unwrap(),
            corrupt: Some(Corrupt {
                probability: Probability::new(0.2).unwrap(),
                how: Damage::Bits(2),
            }),
            ..all_on()
        };
        let all = verdicts(full(), 2_000);
        let without: [fn(&mut LinkOptions); 6] = [
            |o| o.loss = Loss::NONE,
            |o| o.rate = None,
            |o| o.delay = Delay::NONE,
            |o| o.reorder = None,
            |o| o.duplicate = Duplicate::NONE,
            |o| o.corrupt = None,
        ];
        for (number, switch_off) in without.into_iter().enumerate() {
            let mut options = full();
            switch_off(&mut options);
            for (a, b) in all.iter().zip(&verdicts(options, 2_000)) {
                let (Ok(with), Ok(without)) = (a.arrival, b.arrival) else {
                    assert!(number == 0 || a.arrival.is_err() == b.arrival.is_err());
                    continue;
                };
                // What each of the others drew is the same.
                assert!(number == 3 || a.held() == b.held());
                assert!(number == 4 || a.copy().is_some() == b.copy().is_some());
                assert!(number == 5 || a.changes()[0] == b.changes()[0]);
                let travel = |v: &Verdict, at: Time| at - v.waited();
                assert!(matches!(number, 2 | 3) || travel(a, with) == travel(b, without));
            }
        }
    }

    #[test]
    fn outages_lose_or_keep_and_changes_come_at_their_time() {
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let ms = Span::from_millis;
        let outage = |kind, from, to| Outage { kind, from: ms(from), to: ms(to) };
        let schedule = LinkSchedule {
            options: LinkOptions::default(),
            changes: vec![(ms(50), LinkOptions { mtu: Some(10), ..LinkOptions::default() })],
            outages: vec![outage(OutageKind::Partition, 10, 20), outage(OutageKind::Clog, 30, 40)],
        };
        let mut links = Links::new(Seed(1), Direction::Down, [schedule], &Roster::new([1]));
        let mut arrival = |millis| links.judge(at(millis), 0, 0, TEXT).arrival;
        assert_eq!((arrival(9), arrival(10)), (Ok(at(9)), Err(Cause::Partition)));
        assert_eq!((arrival(19), arrival(20)), (Err(Cause::Partition), Ok(at(20))));
        assert_eq!((arrival(30), arrival(39), arrival(40)), (Ok(at(40)), Ok(at(40)), Ok(at(40))));
        assert_eq!((arrival(49), arrival(50)), (Ok(at(49)), Err(Cause::Mtu)));
    }

    #[test]
    fn loss_of_one_class_lets_the_others_pass() {
        let loss = Loss { only: vec![Class::Heartbeat], ..Loss::bernoulli(Probability::ONE) };
        let options = LinkOptions { loss, ..LinkOptions::default() };
        let mut links = Links::new(Seed(1), Direction::Up, [options.into()], &Roster::new([1]));
        let mut arrives =
            |class| links.judge(Time::ZERO, 0, 0, PacketInfo { bytes: 1, class }).arrival.is_ok();
        assert!(!arrives(Class::Heartbeat) && arrives(Class::Chat) && arrives(Class::Ack));
    }

    #[test]
    fn realised_figures_are_those_asked_for() {
        let n = 100_000.0;
        let all = verdicts(all_on(), n as u64);
        let arrived: Vec<_> = all.iter().filter(|v| v.arrival.is_ok()).collect();
        let share = |count: usize, of: f64| count as f64 / of;
        let near = |got: f64, p: f64, n: f64| {
            assert!((got - p).abs() < 4.0 * (p * (1.0 - p) / n).sqrt(), "{got} for {p}");
        };
        near(1.0 - share(arrived.len(), n), 0.1, n);
        let m = arrived.len() as f64;
        near(share(arrived.iter().filter(|v| v.held()).count(), m), 0.2, m);
        near(share(arrived.iter().filter(|v| v.copy().is_some()).count(), m), 0.3, m);
        let copies = arrived.iter().filter_map(|v| Some(v.copy()?.since(v.arrival.ok()?)));
        assert!(copies.into_iter().all(|d| !d.is_zero() && d <= Span::from_millis(4)));
    }

    /// These verdicts are promised to every later release.
    #[test]
    fn verdicts_are_stable() {
        let seen = verdicts(all_on(), 5)
            .into_iter()
            .map(|v| (v.arrival.ok().map(Time::nanos), v.held(), v.copy().map(Time::nanos)));
        let promised = [
            (Some(1_037_106), false, None),
            (Some(18_064_499), false, Some(20_614_521)),
            (Some(4_249_265), false, None),
            (None, false, None),
            (Some(35_219_062), true, Some(35_481_199)),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), promised);
    }
}
