//! The loop that plays all clients on real sockets: it fires their timers at planned times, puts
//! their datagrams on the links, hands to the kernel what leaves a link, and takes what the server
//! sends through the links towards the clients. It also hears what the server tells and records
//! everything.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::{Calendar, ClientId, Direction, EndpointId, Life, Span, Time};
use skipbeat_harness::{Driver, FromSwarm, Harness, Sent, SentDown, class_of, heed};
use skipbeat_link::{Change, Class, Verdict};
use skipbeat_measure::{Distribution, Event, MessageSlot};
use skipbeat_protocol::{Down, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::EvictionTiming;
use skipbeat_swarm::{Act, Audience, Datagram, Heard, Swarm};

use crate::client_sockets::ClientSockets;
use crate::clock::Clock;
use crate::outside::{Conclusion, Outside};
use crate::server::{RunningServer, ServerEvent};
use crate::streams::{self, KernelStreams};
use crate::wire::{Alarm, Batch, Io};

/// The caller hears of the progress, and can end the run, this often.
const LOOK: Span = Span::from_millis(100);
/// Timers that are due within this are fired together: a wake-up costs more than a datagram.
const SLACK: Span = Span::from_nanos(250_000);
/// How long a client waits that has lost its connection until it connects again.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// Batches that are read before timers have their turn.
const BATCHES_AT_ONCE: usize = 16;

/// A datagram on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flying<L> {
    client: ClientId,
    index: u32,
    copy: bool,
    message: Option<MessageSlot>,
    load: L,
}

/// What a client says, from which place it seems to come, and what was changed of it.
type Up = (Datagram, EndpointId, Option<Change>);
/// What the server says, as far as clients have to heed it.
type DownLoad = Option<Heard>;

/// Carries datagrams between the swarm machine and the sockets.
pub(crate) struct NetDriver {
    pub(crate) harness: Harness,
    pub(crate) lateness: Distribution,
    pub(crate) outside: Option<Outside>,
    /// Whether whoever does not get what others get is gone: so it is in a room alone.
    pub(crate) room: bool,
    /// Datagrams read from our sockets, by group.
    pub(crate) received: Vec<u64>,
    /// Datagrams handed to our sockets, by group.
    pub(crate) handed: Vec<u64>,
    pub(crate) now: Time,
    /// On links to the server; they leave for the kernel on time.
    flying_up: Calendar<Flying<Up>>,
    /// On links to clients; whoever looks finds out when they arrived.
    flying_down: Calendar<Flying<DownLoad>>,
    /// Whether clients answer the server, so that what it says must reach them in time.
    answers: bool,
    /// When the last heartbeat of each client was due at the socket, where the server answers them.
    beat_at: Vec<Time>,
    /// The connections of those who talk TCP, where there are such.
    pub(crate) streams: Option<KernelStreams>,
    /// The places to which clients have moved since they were last told to the transport.
    taken: Vec<EndpointId>,
}

impl NetDriver {
    pub(crate) fn new(plan: &Plan, foreign: bool, streams: Option<KernelStreams>) -> Self {
        let harness = Harness::new(plan);
        let clients = harness.roster.clients();
        let groups = plan.groups.len();
        let lazy = plan.server.options.eviction == EvictionTiming::Lazy;
        let dialect = plan.dialect.as_ref();
        let answered = dialect.is_some_and(|dialect| dialect.ack.is_some());
        NetDriver {
            lateness: Distribution::default(),
            outside: foreign.then(|| Outside::new(clients, lazy)),
            room: dialect.is_none_or(|dialect| dialect.audience == Audience::All),
            received: vec![0; groups],
            handed: vec![0; groups],
            now: Time::ZERO,
            flying_up: Calendar::new(),
            flying_down: Calendar::new(),
            answers: plan.swarm_options().heeds(),
            beat_at: vec![Time::ZERO; if answered { clients as usize } else { 0 }],
            streams,
            taken: Vec::new(),
            harness,
        }
    }

    /// A datagram of the server reached our socket.
    fn receive(&mut self, endpoint: EndpointId, payload: &[u8]) {
        let Some(owner) = self.harness.endpoints.owner(endpoint) else { return };
        self.received[self.harness.roster.group_of(owner)] += 1;
        let tag = self.harness.tag(payload);
        let message = self.harness.message(tag);
        let answer = self.harness.is_answer(owner, payload);
        let down = Down::parse(payload);
        if let (Down::Value { .. }, Some(_), Some(_)) = (down, message, &self.outside) {
            // Another server tells of what it has by its answer.
            self.harness.record(self.now, Event::Served { client: owner, message, datagrams: 1 });
        }
        let class = if answer { Class::Ack } else { class_of(&down) };
        let fallen = self.harness.send_down(self.now, endpoint, payload, class, message);
        let Some(SentDown { client, verdict, messages }) = fallen else { return };
        if let (Some(outside), Some(tag)) = (&mut self.outside, tag) {
            outside.got(self.now, client, tag.message);
        }
        if let (true, Ok(at)) = (answer, verdict.arrival) {
            let after = self.now.since(self.beat_at[client as usize]);
            self.harness.record(at, Event::Answered { client, after });
        }
        let heard = self.harness.heed(payload, &verdict);
        launch(&mut self.flying_down, client, verdict, messages, heard);
    }

    /// Takes off the links what has arrived: downwards it goes to clients, who may answer, and
    /// upwards to the kernel.
    fn land(
        &mut self,
        last: Time,
        swarm: &mut Swarm,
        transport: &mut ClientSockets,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let until = self.now.min(last);
        self.land_down(until, swarm);
        for endpoint in std::mem::take(&mut self.taken) {
            transport.take_place(endpoint)?;
        }
        // Where the send buffer is full what comes now waits on its link, and is late.
        while !transport.is_jammed() {
            let Some((at, flying)) = self.flying_up.pop_until(until) else { break };
            let Flying { client, index, copy, message, load: (datagram, from, change) } = flying;
            self.harness.write(client, &datagram, scratch);
            if let (Act::Heartbeat(_), Some(beat)) =
                (datagram.act, self.beat_at.get_mut(client as usize))
            {
                *beat = at;
            }
            if let Some(change) = change {
                change.apply(scratch);
            }
            transport.send(from, scratch);
            self.handed[self.harness.roster.group_of(client)] += 1;
            let (direction, late) = (Direction::Up, self.now.since(at));
            self.lateness.record(late);
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.harness.record(at, event);
        }
        Ok(())
    }

    fn land_down(&mut self, until: Time, swarm: &mut Swarm) {
        while let Some((at, flying)) = self.flying_down.pop_until(until) {
            let Flying { client, index, copy, message, load: heard } = flying;
            let (direction, late) = (Direction::Down, Span::ZERO);
            let event = Event::Arrived { direction, client, index, copy, late, message };
            self.harness.record(at, event);
            if let Some(heard) = heard {
                swarm.hear(at, client, heard, &mut FromSwarm(self));
            }
        }
    }

    /// Hears what the built-in server tells. Of strangers nothing is recorded.
    fn hear(&mut self, server: &RunningServer, transport: &ClientSockets) {
        let NetDriver { harness, streams, .. } = self;
        let of_stream = |peer| streams.as_ref().and_then(|streams| streams.endpoint(peer));
        let endpoint = |peer: SocketAddr| of_stream(peer).or_else(|| transport.endpoint(peer));
        for event in server.events() {
            match event {
                ServerEvent::Broadcast { at, tag, mut members, others } => {
                    let message = harness.message(tag);
                    for endpoint in others.into_iter().filter_map(endpoint) {
                        members.insert(endpoint);
                    }
                    harness.broadcast(at, message, &members);
                }
                ServerEvent::Held { at, tag } => {
                    let message = harness.message(tag);
                    harness.record(at, Event::Held { message });
                }
                ServerEvent::Retransmitted { at, peer } => {
                    if let Some(endpoint) = endpoint(peer) {
                        harness.retransmitted(at, endpoint);
                    }
                }
                ServerEvent::Settled { at, peer, tag, acked } => {
                    if let Some(endpoint) = endpoint(peer) {
                        harness.settled(at, endpoint, harness.message(tag), acked);
                    }
                }
                ServerEvent::Read { at, peer, tag } => {
                    if let Some(client) = endpoint(peer) {
                        harness.read(at, Direction::Up, client, harness.message(tag));
                    }
                }
                ServerEvent::Crashed { at } => harness.record(at, Event::ServerCrashed),
                ServerEvent::Unread { at, peer, tag } => {
                    if let Some(endpoint) = endpoint(peer) {
                        harness.unread(at, endpoint, harness.message(tag));
                    }
                }
                ServerEvent::Note { at, peer, left, note, tag } => {
                    if let Some(at_place) = endpoint(peer) {
                        let left = endpoint(left).unwrap_or(at_place);
                        harness.note(at, at_place, note, left, harness.message(tag));
                    }
                }
            }
        }
    }

    /// Hears what came out of streams.
    fn hear_streams(&mut self, heard: Vec<streams::Heard>, swarm: &mut Swarm) {
        for heard in heard {
            match heard {
                streams::Heard::Came(client, at, datagram) => {
                    let message = self.harness.message(Tag::find(&datagram));
                    let at = at.min(self.now);
                    self.harness.read(at, Direction::Down, client, message);
                    if let Some(heard) = heed(Down::parse(&datagram)) {
                        swarm.hear(self.now, client, heard, &mut FromSwarm(self));
                    }
                }
                streams::Heard::Over(client) => {
                    self.harness.record(self.now, Event::Disconnected { client });
                    // Where it can't be had, it is not asked for all the time.
                    self.begin_connection(self.now, client, CONNECT_AGAIN);
                }
            }
        }
    }

    /// A client connects; what was in an earlier connection is lost.
    fn begin_connection(&mut self, at: Time, client: ClientId, after: Duration) {
        for direction in Direction::BOTH {
            self.harness.severed(at, direction, client);
        }
        if let Some(streams) = &mut self.streams {
            streams.connect(client, after);
        }
    }

    /// Concludes from what clients got who the members of a foreign server are.
    fn conclude(&mut self, until: Time) {
        let Some(mut outside) = self.outside.take() else { return };
        let (harness, room) = (&mut self.harness, self.room);
        outside.settle(until, |conclusion| match conclusion {
            Conclusion::Joined { .. } | Conclusion::Quit { .. } | Conclusion::Evicted { .. }
                if !room => {}
            Conclusion::Joined { at, client } => harness.record(at, Event::Joined { client }),
            Conclusion::Quit { at, client } => harness.record(at, Event::Quit { client }),
            Conclusion::Evicted { at, client, uncertainty } => {
                harness.record(at, Event::Evicted { client, silence: None, uncertainty });
            }
            Conclusion::Broadcast { at, message, members } => {
                let message = harness.recorder.find(message);
                let (datagrams, complete) = (members.len(), true);
                harness.record(
                    at,
                    Event::Broadcast { message, members: &members, datagrams, complete },
                );
            }
        });
        self.outside = Some(outside);
    }

    /// Tells what is still on the links and in streams.
    fn leave_in_flight(&mut self) {
        let end = self.harness.end;
        self.harness.leave_in_streams(end);
        for (_, Flying { client, message, .. }) in self.flying_up.iter() {
            let direction = Direction::Up;
            self.harness.record(end, Event::InFlight { direction, client, message });
        }
        for (_, Flying { client, message, .. }) in self.flying_down.iter() {
            let direction = Direction::Down;
            self.harness.record(end, Event::InFlight { direction, client, message });
        }
    }
}

/// Puts what a link lets through into the calendar: a datagram, and its copy.
fn launch<L: Copy + Ord>(
    calendar: &mut Calendar<Flying<L>>,
    client: ClientId,
    verdict: Verdict,
    messages: [Option<MessageSlot>; 2],
    loads: [L; 2],
) {
    let Ok(at) = verdict.arrival else { return };
    let ([message, of_copy], [load, copied]) = (messages, loads);
    let flying = Flying { client, index: verdict.index, copy: false, message, load };
    calendar.push(at, flying);
    if let Some(at) = verdict.copy() {
        calendar.push(at, Flying { copy: true, message: of_copy, load: copied, ..flying });
    }
}

impl Driver for NetDriver {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
    }

    fn launch(&mut self, sent: &Sent<'_>) {
        let Sent { client, datagram, messages, from, verdict } = *sent;
        if let (Act::Quit, Ok(at), Some(outside)) =
            (datagram.act, verdict.arrival, self.outside.as_mut())
        {
            outside.quits(at, client);
        }
        let loads = verdict.changes().map(|change| (*datagram, from, change));
        launch(&mut self.flying_up, client, verdict, messages, loads);
    }

    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram) {
        let mut bytes = Vec::new();
        self.harness.write(client, datagram, &mut bytes);
        let taken = self.streams.as_mut().is_some_and(|s| s.write(client, &bytes));
        self.lateness.record(self.now.since(planned));
        if !taken {
            self.harness.severed(planned, Direction::Up, client);
        }
    }

    fn connection(&mut self, at: Time, client: ClientId, life: Life) {
        match (life, &mut self.streams) {
            (Life::Up, _) => self.begin_connection(at, client, Duration::ZERO),
            (Life::Left, Some(streams)) => streams.close(client),
            (Life::Crashed, Some(streams)) => streams.abandon(client),
            (_, None) => {}
        }
    }

    fn moved(&mut self, client: ClientId, left: EndpointId, to: EndpointId) {
        self.taken.push(to);
        // From outside a membership that is left behind can't be seen any more.
        let (now, endpoint) = (self.now, left);
        if self.outside.as_mut().is_some_and(|outside| outside.loses(now, client)) {
            self.harness.record(now, Event::GhostGone { client, endpoint, silence: None });
        }
    }
}

/// Plays the swarm until the end of the plan, or until `go_on` says no. `harness.end` is the end
/// that it came to, also where it failed.
pub(crate) async fn play(
    swarm: &mut Swarm,
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    io: Io,
    go_on: &mut dyn FnMut(&NetDriver) -> bool,
) -> io::Result<()> {
    let alarm = Alarm::new(io)?;
    let mut scratch = Vec::new();
    let mut next_look = Time::ZERO;
    swarm.start(&mut FromSwarm(driver));
    loop {
        let heard = driver.streams.as_mut().map(KernelStreams::heard);
        let empty = drain(driver, transport, server, clock, BATCHES_AT_ONCE)?;
        driver.hear_streams(heard.unwrap_or_default(), swarm);
        // What was planned before the end happens, however late it is; the end itself is out.
        let last = driver.harness.end - Span::from_nanos(1);
        driver.now = clock.now();
        swarm.advance(driver.now.min(last), &mut FromSwarm(driver));
        driver.land(last, swarm, transport, &mut scratch)?;
        transport.flush();
        driver.conclude(driver.now);
        if driver.now > last {
            return Ok(());
        }
        if driver.now >= next_look {
            next_look = driver.now + LOOK;
            if server.is_some_and(RunningServer::is_finished) {
                driver.harness.end = driver.now;
                return Err(io::Error::other("the thread of the built-in server ended"));
            }
            if !go_on(driver) {
                driver.harness.end = driver.now;
                return Ok(());
            }
        }
        if !empty {
            if transport.is_full() || driver.streams.is_some() {
                // Whether there is room again, and what came out of streams, is known after tokio had
                // its turn.
                tokio::task::yield_now().await;
            }
            continue;
        }
        let down = driver.flying_down.next_at().filter(|_| driver.answers);
        let up = driver.flying_up.next_at().filter(|_| !transport.is_jammed());
        let due = [swarm.next_deadline(), up, down].into_iter().flatten();
        let due = due.fold(next_look.min(driver.harness.end), Time::min);
        let wait = due.since(clock.now());
        if !wait.is_zero() {
            tokio::select! {
                ready = transport.ready() => ready?,
                slept = alarm.sleep(wait.max(SLACK)) => slept?,
                () = ready_of(&mut driver.streams) => {}
            }
        } else if driver.streams.is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until something has happened to a stream; for ever where there are none.
async fn ready_of(streams: &mut Option<KernelStreams>) {
    match streams {
        Some(streams) => streams.ready().await,
        None => std::future::pending().await,
    }
}

/// Reads up to so many batches; says whether the sockets are empty.
fn drain(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    batches: usize,
) -> io::Result<bool> {
    for _ in 0..batches {
        let batch = transport.fill()?;
        // What is read after the end is on a link when the run ends.
        driver.now = clock.now().min(driver.harness.end);
        // Whatever was read, the server told of before it sent it.
        if let Some(server) = server {
            driver.hear(server, transport);
        }
        if batch != Batch::Nothing {
            transport.each(|endpoint, payload| driver.receive(endpoint, payload));
        }
        if batch != Batch::Full {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads what comes in for a while.
pub(crate) async fn listen(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    io: Io,
    span: Span,
) -> io::Result<()> {
    let until = clock.now() + span;
    let alarm = Alarm::new(io)?;
    loop {
        transport.flush();
        while !drain(driver, transport, server, clock, BATCHES_AT_ONCE)? {}
        let left = until.since(clock.now());
        if left.is_zero() {
            return Ok(());
        }
        tokio::select! {
            ready = transport.ready() => ready?,
            slept = alarm.sleep(left) => slept?,
        }
    }
}

/// After the server has ended: reads what is left and closes the books.
pub(crate) fn close(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
) -> io::Result<()> {
    while !drain(driver, transport, server, clock, BATCHES_AT_ONCE)? {}
    driver.conclude(Time::NEVER);
    driver.leave_in_flight();
    Ok(())
}
