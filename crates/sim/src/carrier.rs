//! What carries datagrams in virtual time: the links, the calendar of arrivals, and the recorder
//! that hears of everything.

use skipbeat_core::{
    AddressPlan, Calendar, ClientId, ClientSet, Direction, Life, Roster, Span, Time,
};
use skipbeat_link::{Links, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder};
use skipbeat_protocol::{DEFAULT_PORT, Tag, Up};
use skipbeat_scenario::Plan;
use skipbeat_server::{Note, PeerId, Server};
use skipbeat_swarm::Act;

/// A datagram that leaves a link. The order of the fields is the order of simultaneous arrivals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival {
    direction: Direction,
    client: ClientId,
    index: u32,
    copy: bool,
    load: u32,
}

/// What a datagram carries, shared by all copies of it.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// What the client says; nothing downwards, where the text does not matter any more.
    act: Option<Act>,
    bytes: usize,
    message: Option<MessageSlot>,
    /// How many arrivals refer to it.
    uses: u32,
}

/// Loads by number; free places are used again.
#[derive(Debug, Default)]
struct Loads {
    loads: Vec<Load>,
    free: Vec<u32>,
}

impl Loads {
    fn add(&mut self, load: Load) -> u32 {
        if let Some(place) = self.free.pop() {
            self.loads[place as usize] = load;
            return place;
        }
        self.loads.push(load);
        self.loads.len() as u32 - 1
    }

    fn release(&mut self, place: u32) {
        let load = &mut self.loads[place as usize];
        load.uses -= 1;
        if load.uses == 0 {
            self.free.push(place);
        }
    }
}

pub(crate) struct Carrier {
    recorder: Recorder,
    roster: Roster,
    run: u32,
    addresses: AddressPlan,
    up: Links,
    down: Links,
    arrivals: Calendar<Arrival>,
    loads: Loads,
    text: Vec<u8>,
}

impl Carrier {
    pub(crate) fn new(plan: &Plan, recorder: Recorder) -> Self {
        let roster = plan.roster();
        let links = |direction| {
            let options = plan.groups.iter().map(|group| match direction {
                Direction::Up => group.up,
                Direction::Down => group.down,
            });
            Links::new(plan.seed(), direction, options.collect(), roster.clients())
        };
        Carrier {
            recorder,
            run: plan.run_id(),
            addresses: AddressPlan { port: DEFAULT_PORT + 1 },
            up: links(Direction::Up),
            down: links(Direction::Down),
            arrivals: Calendar::new(),
            loads: Loads::default(),
            text: Vec::new(),
            roster,
        }
    }

    /// The next arrival before or at `limit`.
    #[inline]
    pub(crate) fn next_arrival(&mut self, limit: Time) -> Option<(Time, Arrival)> {
        self.arrivals.pop_until(limit)
    }

    /// Hands an arrival to whom it is for.
    #[inline]
    pub(crate) fn arrive(&mut self, now: Time, arrival: Arrival, server: &mut Server) {
        let Arrival { direction, client, index, copy, load: place } = arrival;
        let Load { act, bytes, message, .. } = self.loads.loads[place as usize];
        let event = Event::Arrived { direction, client, bytes, index, copy, message };
        self.recorder.record(now, event);
        self.loads.release(place);
        if let Some(act) = act {
            let mut text = std::mem::take(&mut self.text);
            let mut out = FromServer { message, ..FromServer::new(self, now) };
            let from = out.carrier.addresses.address(client);
            match act.say(&mut text) {
                // Only a text can be too long for the server.
                Up::Chat(text) => server.handle_datagram(now, client, from, text, &mut out),
                up => server.handle(now, client, from, up, &mut out),
            }
            self.text = text;
        }
    }

    /// Puts what a link lets through into the calendar; says how many arrivals that makes.
    #[inline]
    fn schedule(
        &mut self,
        direction: Direction,
        client: ClientId,
        verdict: &Verdict,
        load: u32,
    ) -> u32 {
        let Ok(at) = verdict.arrival else { return 0 };
        let arrival = Arrival { direction, client, index: verdict.index, copy: false, load };
        self.arrivals.push(at, arrival);
        if let Some(at) = verdict.copy {
            self.arrivals.push(at, Arrival { copy: true, ..arrival });
        }
        1 + u32::from(verdict.copy.is_some())
    }

    /// The run is over: what is still on the links is told to the recorder.
    pub(crate) fn finish(mut self, end: Time) -> Recorder {
        for (_, Arrival { direction, client, load, .. }) in self.arrivals.iter() {
            let message = self.loads.loads[load as usize].message;
            self.recorder.record(end, Event::InFlight { direction, client, message });
        }
        self.recorder
    }
}

/// What the swarm does, in the simulator.
pub(crate) struct FromSwarm<'a>(pub(crate) &'a mut Carrier);

impl skipbeat_swarm::Effects for FromSwarm<'_> {
    fn send(&mut self, planned: Time, client: ClientId, act: Act, up: &ClientSet) {
        let carrier = &mut *self.0;
        let mut message = None;
        if let Act::Chat { tag: Tag { message: id, .. }, .. } = act {
            carrier.recorder.record(planned, Event::Chat { message: id, actual: planned, up });
            message = carrier.recorder.find(id);
        }
        let bytes = act.len();
        let verdict = carrier.up.judge(planned, carrier.roster.group_of(client), client);
        let direction = Direction::Up;
        carrier
            .recorder
            .record(planned, Event::Offered { direction, client, bytes, verdict, message });
        if verdict.arrival.is_ok() {
            let uses = 1 + u32::from(verdict.copy.is_some());
            let load = carrier.loads.add(Load { act: Some(act), bytes, message, uses });
            carrier.schedule(direction, client, &verdict, load);
        }
    }

    fn life(&mut self, at: Time, client: ClientId, life: Life) {
        self.0.recorder.record(at, Event::Life { client, life });
    }
}

/// What the server does, in the simulator.
pub(crate) struct FromServer<'a> {
    carrier: &'a mut Carrier,
    now: Time,
    /// The message that the server is looking at.
    message: Option<MessageSlot>,
}

impl<'a> FromServer<'a> {
    pub(crate) fn new(carrier: &'a mut Carrier, now: Time) -> Self {
        FromServer { carrier, now, message: None }
    }
}

impl skipbeat_server::Effects for FromServer<'_> {
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet) {
        let FromServer { carrier, now, .. } = self;
        let (now, bytes, direction) = (*now, payload.len(), Direction::Down);
        let tag = Tag::find(payload).filter(|tag| tag.run == carrier.run);
        let message = tag.and_then(|tag| carrier.recorder.find(tag.message));
        carrier.recorder.record(now, Event::Broadcast { message, members });
        let load = carrier.loads.add(Load { act: None, bytes, message, uses: 1 });
        let mut uses = 0;
        for client in members.iter() {
            let verdict = carrier.down.judge(now, carrier.roster.group_of(client), client);
            let event = Event::Offered { direction, client, bytes, verdict, message };
            carrier.recorder.record(now, event);
            uses += carrier.schedule(direction, client, &verdict, load);
        }
        carrier.loads.loads[load as usize].uses += uses;
        carrier.loads.release(load);
    }

    fn note(&mut self, client: PeerId, note: Note) {
        let event = match note {
            Note::Joined => Event::Joined { client },
            Note::Quit => Event::Quit { client },
            Note::Evicted { silence } => {
                Event::Evicted { client, silence: Some(silence), uncertainty: Span::ZERO }
            }
            Note::Refused(cause) => {
                Event::Refused { client, cause: cause.name(), message: self.message }
            }
        };
        self.carrier.recorder.record(self.now, event);
    }
}
