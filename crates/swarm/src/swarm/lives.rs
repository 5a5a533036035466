//! How clients start, crash, leave and change their addresses, by themselves or by timed events.

use skipbeat_core::{ClientId, Life, Span, Time};
use skipbeat_protocol::{AckEnd, Outbox};

use super::work::work_draw;
use super::{Hearing, Kind, Swarm};
use crate::{Act, Churn, ClientEvent, GroupOptions, SwarmEffects};

impl Swarm {
    /// Carries out a timed event of the scenario.
    pub(super) fn happen(&mut self, at: Time, number: u32, out: &mut impl SwarmEffects) {
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

    pub(super) fn start_again(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
        self.begin_life(at, id, out);
        // A member that comes back sends a heartbeat at once. The period counts from there.
        if self.options.groups[self.roster.group_of(id)].member {
            self.set_beat(at, id);
        }
    }

    /// Begins a life: sets the timers of work and churn. The caller sets the first heartbeat.
    pub(super) fn begin_life(&mut self, at: Time, id: ClientId, out: &mut impl SwarmEffects) {
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

    pub(super) fn end_life(
        &mut self,
        at: Time,
        id: ClientId,
        life: Life,
        out: &mut impl SwarmEffects,
    ) {
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

    /// Sets the time at which the address of a client changes next.
    pub(super) fn set_rebind(&mut self, at: Time, id: ClientId, epoch: u16, rate: f64) {
        let draws = self.rebinds.entry(id).or_default();
        let wait = self.rebind.stream(id.into()).exponential((*draws).into()) / rate;
        *draws = draws.wrapping_add(1);
        self.set(at + Span::from_seconds(wait), Kind::Rebind, id, epoch);
    }
}
