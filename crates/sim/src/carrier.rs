//! What carries datagrams in virtual time: the links, the calendar of arrivals, and the recorder
//! that hears of everything.

use skipbeat_core::{
    AddressPlan, Calendar, ClientId, ClientSet, Direction, Life, MessageId, Roster, Span, Time,
};
use skipbeat_link::{Links, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder};
use skipbeat_protocol::{DEFAULT_PORT, Down, HEARTBEAT, Tag, Up};
use skipbeat_scenario::Plan;
use skipbeat_server::{self as server, Note, PeerId, Sending, Server};
use skipbeat_swarm::{self as swarm, Act, Heard, Opinion, Swarm};

/// A datagram that leaves a link. The order of the fields is the order of simultaneous arrivals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival {
    direction: Direction,
    client: ClientId,
    index: u32,
    copy: bool,
    load: u32,
}

/// What a datagram says.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// What a client says.
    Up(Act),
    /// What the server says that clients have to heed.
    Down(Heard),
    /// A text of the server, which has no effect on clients.
    Text,
}

/// What a datagram carries, shared by all copies of it.
#[derive(Clone, Copy, Debug)]
struct Load {
    says: Says,
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
    addresses: AddressPlan,
    up: Links,
    down: Links,
    arrivals: Calendar<Arrival>,
    loads: Loads,
    text: Vec<u8>,
    server_dead: bool,
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
            addresses: AddressPlan { port: DEFAULT_PORT + 1 },
            up: links(Direction::Up),
            down: links(Direction::Down),
            arrivals: Calendar::new(),
            loads: Loads::default(),
            text: Vec::new(),
            server_dead: false,
            roster,
        }
    }

    /// The next arrival before or at `limit`.
    #[inline]
    pub(crate) fn next_arrival(&mut self, limit: Time) -> Option<(Time, Arrival)> {
        self.arrivals.pop_until(limit)
    }

    /// The message in a text that the server tells.
    fn message(&self, text: &[u8]) -> Option<MessageSlot> {
        Tag::find(text).and_then(|tag| self.recorder.find(tag.message))
    }

    /// Whether the server has crashed.
    pub(crate) fn server_is_dead(&self) -> bool {
        self.server_dead
    }

    /// The server falls silent for good.
    pub(crate) fn kill_server(&mut self, now: Time) {
        self.server_dead = true;
        self.recorder.record(now, Event::ServerCrashed);
    }

    /// Hands an arrival to whom it is for.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        now: Time,
        arrival: Arrival,
        server: &mut Server,
        swarm: &mut Swarm,
    ) {
        let Arrival { direction, client, index, copy, load: place } = arrival;
        let Load { says, message, .. } = self.loads.loads[place as usize];
        let event = Event::Arrived { direction, client, index, copy, late: Span::ZERO, message };
        self.recorder.record(now, event);
        self.loads.release(place);
        match says {
            Says::Text => {}
            Says::Down(heard) => swarm.hear(now, client, heard, &mut FromSwarm(self)),
            Says::Up(_) if self.server_dead => {
                let cause = "server-down";
                self.recorder.record(now, Event::Refused { client, cause, message });
            }
            Says::Up(act) => {
                let mut text = std::mem::take(&mut self.text);
                let mut out = FromServer { message, ..FromServer::new(self, now) };
                let from = out.carrier.addresses.address(client);
                match act {
                    Act::Heartbeat(number) => {
                        server.handle(now, client, from, Up::Heartbeat(number), &mut out);
                    }
                    Act::Ack(number) => server.handle(now, client, from, Up::Ack(number), &mut out),
                    Act::Join { .. } | Act::Quit | Act::Chat { .. } | Act::Message { .. } => {
                        act.write(&mut text);
                        server.handle_datagram(now, client, from, &text, &mut out);
                    }
                }
                self.text = text;
            }
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
        if let Act::Chat { tag, .. } | Act::Message { tag, .. } = act {
            if let Act::Message { again: true, .. } = act {
                let direction = Direction::Up;
                carrier.recorder.record(planned, Event::Retransmitted { direction, client });
            } else {
                carrier.recorder.record(planned, Event::Chat { message: tag.message, up });
            }
            message = carrier.recorder.find(tag.message);
            if let Act::Message { again: false, .. } = act {
                carrier.recorder.record(planned, Event::Held { message });
            }
        }
        let bytes = length(act, &mut carrier.text);
        let verdict = carrier.up.judge(planned, carrier.roster.group_of(client), client);
        let direction = Direction::Up;
        carrier
            .recorder
            .record(planned, Event::Offered { direction, client, bytes, verdict, message });
        if verdict.arrival.is_ok() {
            let uses = 1 + u32::from(verdict.copy.is_some());
            let load = carrier.loads.add(Load { says: Says::Up(act), message, uses });
            carrier.schedule(direction, client, &verdict, load);
        }
    }

    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: swarm::Settled) {
        let message = self.0.recorder.find(message);
        let (direction, acked) = (Direction::Up, end == swarm::Settled::Acked);
        self.0.recorder.record(at, Event::Settled { direction, client, acked, message });
    }

    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion) {
        if opinion == Opinion::Gone {
            self.0.recorder.record(at, Event::ServerSuspected { client });
        }
    }

    fn life(&mut self, at: Time, client: ClientId, life: Life) {
        self.0.recorder.record(at, Event::Life { client, life });
    }
}

/// Bytes of what a client says.
fn length(act: Act, scratch: &mut Vec<u8>) -> usize {
    match act {
        Act::Heartbeat(None) => HEARTBEAT.len(),
        Act::Chat { size, .. } => size,
        act => {
            act.write(scratch);
            scratch.len()
        }
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
    fn send(&mut self, client: PeerId, payload: &[u8], sending: Sending) {
        let FromServer { carrier, now, message } = self;
        let (now, bytes, direction) = (*now, payload.len(), Direction::Down);
        let (says, message) = match Down::parse(payload) {
            Down::Heartbeat(number) => (Says::Down(Heard::Heartbeat(number)), None),
            Down::Ack(number) => (Says::Down(Heard::Ack(number)), None),
            Down::Message { number, rest } => {
                let message = message.or_else(|| carrier.message(rest));
                (Says::Down(Heard::Message(number)), message)
            }
            Down::Cookie(cookie) => (Says::Down(Heard::Cookie(cookie)), None),
            Down::Welcome | Down::Bye | Down::Chat { .. } | Down::Foreign(_) => (Says::Text, None),
        };
        match sending {
            Sending::Once => {}
            Sending::First => carrier.recorder.record(now, Event::Held { message }),
            Sending::Again => {
                carrier.recorder.record(now, Event::Retransmitted { direction, client });
            }
        }
        let verdict = carrier.down.judge(now, carrier.roster.group_of(client), client);
        let event = Event::Offered { direction, client, bytes, verdict, message };
        carrier.recorder.record(now, event);
        if verdict.arrival.is_ok() {
            let uses = 1 + u32::from(verdict.copy.is_some());
            let load = carrier.loads.add(Load { says, message, uses });
            carrier.schedule(direction, client, &verdict, load);
        }
    }

    fn settled(&mut self, client: PeerId, text: &[u8], end: server::Settled) {
        let message = self.carrier.message(text);
        let (direction, acked) = (Direction::Down, end == server::Settled::Acked);
        let event = Event::Settled { direction, client, acked, message };
        self.carrier.recorder.record(self.now, event);
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        let FromServer { carrier, now, message } = self;
        let (now, bytes, message, direction) = (*now, payload.len(), *message, Direction::Down);
        carrier.recorder.record(now, Event::Broadcast { message, members, complete: false });
        let load = carrier.loads.add(Load { says: Says::Text, message, uses: 1 });
        let mut uses = 0;
        for client in to.iter() {
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
            Note::Repeated => Event::Repeated { client, message: self.message },
            Note::Refused(cause) => {
                Event::Refused { client, cause: cause.name(), message: self.message }
            }
        };
        self.carrier.recorder.record(self.now, event);
    }
}
