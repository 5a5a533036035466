//! The loop that plays all clients on real sockets: it fires their timers at planned times, puts
//! their datagrams on the links, hands to the kernel what leaves a link, and takes what the server
//! sends through the links towards the clients. It also hears what the server tells and records
//! everything.

use std::io;

use skipbeat_core::{
    Calendar, ClientId, ClientSet, Direction, Life, MessageId, Roster, Span, Time,
};
use skipbeat_link::{Links, Verdict};
use skipbeat_measure::{Distribution, Event, MessageSlot, Recorder};
use skipbeat_protocol::{Down, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::{Admission, Note, Sweep};
use skipbeat_swarm::{Acks, Act, Effects, Heard, Opinion, Settled, Swarm};

use crate::clock::Clock;
use crate::outside::{Conclusion, Outside};
use crate::server::{RunningServer, ServerEvent};
use crate::sys::Alarm;
use crate::transport::Transport;

/// The caller hears of the progress, and can end the run, this often.
const LOOK: Span = Span::from_millis(100);
/// Timers that are due within this are fired together: a wake-up costs more than a datagram.
const SLACK: Span = Span::from_nanos(250_000);
/// Batches that are read before timers have their turn.
const BATCHES_AT_ONCE: usize = 16;

/// A datagram on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    direction: Direction,
    client: ClientId,
    index: u32,
    copy: bool,
    load: Load,
}

/// What a datagram on a link carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    /// What a client says.
    FromClient { act: Act, message: Option<MessageSlot> },
    /// What the server says, as far as clients have to heed it.
    FromServer { heard: Option<Heard>, message: Option<MessageSlot> },
}

impl Load {
    fn message(self) -> Option<MessageSlot> {
        let (Load::FromClient { message, .. } | Load::FromServer { message, .. }) = self;
        message
    }
}

/// Everything between the swarm machine and the sockets.
pub(crate) struct Tunnel {
    pub(crate) recorder: Recorder,
    pub(crate) lateness: Distribution,
    pub(crate) outside: Option<Outside>,
    /// Datagrams read from our sockets, by group.
    pub(crate) received: Vec<u64>,
    /// Datagrams handed to our sockets, by group.
    pub(crate) handed: Vec<u64>,
    roster: Roster,
    run: u32,
    /// What is later than this is heard as if it came at the end.
    pub(crate) end: Time,
    pub(crate) now: Time,
    up: Links,
    down: Links,
    /// On links to the server; they leave for the kernel on time.
    flying_up: Calendar<Flying>,
    /// On links to clients; whoever looks finds out when they arrived.
    flying_down: Calendar<Flying>,
    /// Whether clients answer the server, so that what it says must reach them in time.
    answers: bool,
    scratch: Vec<u8>,
}

impl Tunnel {
    pub(crate) fn new(plan: &Plan, recorder: Recorder, foreign: bool) -> Self {
        let roster = plan.roster();
        let clients = roster.clients();
        let up = plan.groups.iter().map(|group| group.up).collect();
        let down = plan.groups.iter().map(|group| group.down).collect();
        Tunnel {
            recorder,
            lateness: Distribution::default(),
            outside: foreign
                .then(|| Outside::new(clients, plan.server.options.sweep == Sweep::Lazy)),
            received: vec![0; roster.groups()],
            handed: vec![0; roster.groups()],
            run: plan.run_id(),
            end: plan.end(),
            now: Time::ZERO,
            up: Links::new(plan.seed(), Direction::Up, up, clients),
            down: Links::new(plan.seed(), Direction::Down, down, clients),
            flying_up: Calendar::new(),
            flying_down: Calendar::new(),
            answers: plan.server.options.heartbeat.by_server()
                || plan.server.options.admission == Admission::Cookie
                || plan.groups.iter().any(|group| group.behaviour.acks != Acks::None),
            scratch: Vec::new(),
            roster,
        }
    }

    fn record(&mut self, at: Time, event: Event<'_>) {
        self.recorder.record(at.min(self.end), event);
    }

    fn launch(&mut self, direction: Direction, client: ClientId, verdict: Verdict, load: Load) {
        let Ok(at) = verdict.arrival else { return };
        let calendar = match direction {
            Direction::Up => &mut self.flying_up,
            Direction::Down => &mut self.flying_down,
        };
        let flying = Flying { direction, client, index: verdict.index, copy: false, load };
        calendar.push(at, flying);
        if let Some(at) = verdict.copy {
            calendar.push(at, Flying { copy: true, ..flying });
        }
    }

    /// A datagram of the server reached our socket.
    fn receive(&mut self, client: ClientId, payload: &[u8]) {
        let group = self.roster.group_of(client);
        self.received[group] += 1;
        let tag = Tag::find(payload).filter(|tag| tag.run == self.run);
        let message = tag.and_then(|tag| self.recorder.find(tag.message));
        if let (Some(outside), Some(tag)) = (&mut self.outside, tag) {
            outside.got(self.now, client, tag.message);
        }
        let (now, direction, bytes) = (self.now, Direction::Down, payload.len());
        let verdict = self.down.judge(now, group, client);
        self.record(now, Event::Offered { direction, client, bytes, verdict, message });
        let heard = match Down::parse(payload) {
            Down::Heartbeat(number) => Some(Heard::Heartbeat(number)),
            Down::Message { number, .. } => Some(Heard::Message(number)),
            Down::Ack(number) => Some(Heard::Ack(number)),
            Down::Cookie(cookie) => Some(Heard::Cookie(cookie)),
            Down::Welcome | Down::Bye | Down::Chat { .. } | Down::Foreign(_) => None,
        };
        let load = Load::FromServer { heard, message };
        self.launch(direction, client, verdict, load);
    }

    /// Takes off the links what has arrived: downwards it goes to clients, who may answer, and
    /// upwards to the kernel.
    fn land(
        &mut self,
        last: Time,
        swarm: &mut Swarm,
        transport: &mut Transport,
        scratch: &mut Vec<u8>,
    ) {
        let until = self.now.min(last);
        self.land_down(until, swarm);
        while let Some((at, flying)) = self.flying_up.pop_until(until) {
            let Flying { client, index, copy, load, .. } = flying;
            let (direction, message) = (Direction::Up, load.message());
            let Load::FromClient { act, .. } = load else { continue };
            act.write(scratch);
            transport.send(client, scratch);
            self.handed[self.roster.group_of(client)] += 1;
            let late = self.now.since(at);
            self.lateness.record(late);
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.record(at, event);
        }
    }

    fn land_down(&mut self, until: Time, swarm: &mut Swarm) {
        while let Some((at, flying)) = self.flying_down.pop_until(until) {
            let Flying { client, index, copy, load, .. } = flying;
            let (direction, message) = (Direction::Down, load.message());
            let Load::FromServer { heard, .. } = load else { continue };
            let late = Span::ZERO;
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.record(at, event);
            if let Some(heard) = heard {
                swarm.hear(at, client, heard, self);
            }
        }
    }

    /// Hears what the built-in server tells.
    fn hear(&mut self, server: &RunningServer) {
        for event in server.events() {
            match event {
                ServerEvent::Broadcast { at, tag, members } => {
                    let message = self.message(tag);
                    self.record(
                        at,
                        Event::Broadcast { message, members: &members, complete: false },
                    );
                }
                ServerEvent::Held { at, tag } => {
                    let message = self.message(tag);
                    self.record(at, Event::Held { message });
                }
                ServerEvent::Retransmitted { peer, .. } | ServerEvent::Settled { peer, .. }
                    if peer >= self.roster.clients() => {}
                ServerEvent::Retransmitted { at, peer: client } => {
                    let direction = Direction::Down;
                    self.record(at, Event::Retransmitted { direction, client });
                }
                ServerEvent::Settled { at, peer: client, tag, acked } => {
                    let (direction, message) = (Direction::Down, self.message(tag));
                    self.record(at, Event::Settled { direction, client, acked, message });
                }
                ServerEvent::Crashed { at } => self.record(at, Event::ServerCrashed),
                ServerEvent::Unread { peer, .. } if peer >= self.roster.clients() => {}
                ServerEvent::Unread { at, peer: client, tag } => {
                    let (cause, message) = ("server-down", self.message(tag));
                    self.record(at, Event::Refused { client, cause, message });
                }
                ServerEvent::Note { peer, .. } if peer >= self.roster.clients() => {}
                ServerEvent::Note { at, peer: client, note, tag, .. } => {
                    let event = match note {
                        Note::Joined => Event::Joined { client },
                        Note::Quit => Event::Quit { client },
                        Note::Evicted { silence } => {
                            let (silence, uncertainty) = (Some(silence), Span::ZERO);
                            Event::Evicted { client, silence, uncertainty }
                        }
                        Note::Repeated => Event::Repeated { client, message: self.message(tag) },
                        Note::Refused(cause) => {
                            let message = self.message(tag);
                            Event::Refused { client, cause: cause.name(), message }
                        }
                    };
                    self.record(at, event);
                }
            }
        }
    }

    fn message(&self, tag: Option<Tag>) -> Option<MessageSlot> {
        tag.filter(|tag| tag.run == self.run).and_then(|tag| self.recorder.find(tag.message))
    }

    /// Concludes from what clients got who the members of a foreign server are.
    fn conclude(&mut self, until: Time) {
        let Some(mut outside) = self.outside.take() else { return };
        outside.settle(until, |conclusion| match conclusion {
            Conclusion::Joined { at, client } => self.record(at, Event::Joined { client }),
            Conclusion::Quit { at, client } => self.record(at, Event::Quit { client }),
            Conclusion::Evicted { at, client, uncertainty } => {
                self.record(at, Event::Evicted { client, silence: None, uncertainty });
            }
            Conclusion::Broadcast { at, message, members } => {
                let message = self.recorder.find(message);
                self.record(at, Event::Broadcast { message, members: &members, complete: true });
            }
        });
        self.outside = Some(outside);
    }

    /// Tells what is still on the links.
    fn leave_in_flight(&mut self) {
        let up = std::mem::take(&mut self.flying_up);
        let down = std::mem::take(&mut self.flying_down);
        for (_, Flying { direction, client, load, .. }) in up.iter().chain(down.iter()) {
            let message = load.message();
            self.record(self.end, Event::InFlight { direction, client, message });
        }
    }
}

impl Effects for Tunnel {
    fn send(&mut self, planned: Time, client: ClientId, act: Act, up: &ClientSet) {
        let mut message = None;
        if let Act::Chat { tag, .. } | Act::Message { tag, .. } = act {
            if let Act::Message { again: true, .. } = act {
                let direction = Direction::Up;
                self.record(planned, Event::Retransmitted { direction, client });
            } else {
                self.record(planned, Event::Chat { message: tag.message, up });
            }
            message = self.recorder.find(tag.message);
            if let Act::Message { again: false, .. } = act {
                self.record(planned, Event::Held { message });
            }
        }
        // The link works by planned times, so that its verdicts are those of the simulator.
        let verdict = self.up.judge(planned, self.roster.group_of(client), client);
        act.write(&mut self.scratch);
        let (direction, bytes) = (Direction::Up, self.scratch.len());
        self.record(planned, Event::Offered { direction, client, bytes, verdict, message });
        if let (Act::Quit, true, Some(outside)) =
            (act, verdict.arrival.is_ok(), self.outside.as_mut())
        {
            outside.quits(planned, client);
        }
        let load = Load::FromClient { act, message };
        self.launch(direction, client, verdict, load);
    }

    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: Settled) {
        let message = self.recorder.find(message);
        let (direction, acked) = (Direction::Up, end == Settled::Acked);
        self.record(at, Event::Settled { direction, client, acked, message });
    }

    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion) {
        if opinion == Opinion::Gone {
            self.record(at, Event::ServerSuspected { client });
        }
    }

    fn life(&mut self, at: Time, client: ClientId, life: Life) {
        self.record(at, Event::Life { client, life });
    }
}

/// Plays the swarm until the end of the plan, or until `go_on` says no. `tunnel.end` is the end
/// that it came to, also where it failed.
pub(crate) async fn play(
    swarm: &mut Swarm,
    tunnel: &mut Tunnel,
    transport: &mut Transport,
    server: Option<&RunningServer>,
    clock: Clock,
    go_on: &mut dyn FnMut(Time) -> bool,
) -> io::Result<()> {
    let alarm = Alarm::new()?;
    let mut scratch = Vec::new();
    let mut next_look = Time::ZERO;
    swarm.start(tunnel);
    loop {
        let empty = drain(tunnel, transport, server, clock, BATCHES_AT_ONCE)?;
        // What was planned before the end happens, however late it is; the end itself is out.
        let last = tunnel.end - Span::from_nanos(1);
        tunnel.now = clock.now();
        swarm.advance(tunnel.now.min(last), tunnel);
        tunnel.land(last, swarm, transport, &mut scratch);
        transport.flush().await?;
        tunnel.conclude(tunnel.now);
        if tunnel.now > last {
            return Ok(());
        }
        if tunnel.now >= next_look {
            next_look = tunnel.now + LOOK;
            if server.is_some_and(RunningServer::is_finished) {
                tunnel.end = tunnel.now;
                return Err(io::Error::other("the thread of the built-in server ended"));
            }
            if !go_on(tunnel.now) {
                tunnel.end = tunnel.now;
                return Ok(());
            }
        }
        if !empty {
            continue;
        }
        let down = tunnel.flying_down.next_at().filter(|_| tunnel.answers);
        let due = [swarm.next_deadline(), tunnel.flying_up.next_at(), down].into_iter().flatten();
        let due = due.fold(next_look.min(tunnel.end), Time::min);
        let wait = due.since(clock.now());
        if !wait.is_zero() {
            tokio::select! {
                ready = transport.readable() => ready?,
                slept = alarm.sleep(wait.max(SLACK)) => slept?,
            }
        }
    }
}

/// Reads up to so many batches; says whether the sockets are empty.
fn drain(
    tunnel: &mut Tunnel,
    transport: &mut Transport,
    server: Option<&RunningServer>,
    clock: Clock,
    batches: usize,
) -> io::Result<bool> {
    for _ in 0..batches {
        let more = transport.fill()?;
        // What is read after the end is on a link when the run ends.
        tunnel.now = clock.now().min(tunnel.end);
        // Whatever was read, the server told of before it sent it.
        if let Some(server) = server {
            tunnel.hear(server);
        }
        transport.each(|client, payload| tunnel.receive(client, payload));
        if !more {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads what comes in for a while.
pub(crate) async fn listen(
    tunnel: &mut Tunnel,
    transport: &mut Transport,
    server: Option<&RunningServer>,
    clock: Clock,
    span: Span,
) -> io::Result<()> {
    let until = clock.now() + span;
    let alarm = Alarm::new()?;
    loop {
        while !drain(tunnel, transport, server, clock, BATCHES_AT_ONCE)? {}
        let left = until.since(clock.now());
        if left.is_zero() {
            return Ok(());
        }
        tokio::select! {
            ready = transport.readable() => ready?,
            slept = alarm.sleep(left) => slept?,
        }
    }
}

/// After the server has ended: reads what is left and closes the books.
pub(crate) fn close(
    tunnel: &mut Tunnel,
    transport: &mut Transport,
    server: Option<&RunningServer>,
    clock: Clock,
) -> io::Result<()> {
    while !drain(tunnel, transport, server, clock, BATCHES_AT_ONCE)? {}
    tunnel.conclude(Time::NEVER);
    tunnel.leave_in_flight();
    Ok(())
}
