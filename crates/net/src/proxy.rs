//! A proxy between any UDP clients and any UDP server. Each client gets a link up and a link down,
//! with the same verdicts as in a run of the same seed. No privilege is needed.
//!
//! A client has a session, which is a socket towards the target and the links of its number. A
//! session that carries no datagrams for a while is closed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use skipbeat_core::{Calendar, Direction, Distribution, Roster, Seed, Span, Time};
use skipbeat_link::{Class, LinkOptions, LinkSchedule, Links, Outage, PacketInfo, Verdict};
use skipbeat_measure::DatagramTally;
use skipbeat_measure::Traffic;
use skipbeat_sys::Clock;
use skipbeat_sys::set_receive_buffer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::NetError;
use crate::queue::SendQueue;
use crate::wire::{Alarm, Batch, Io, Poller, Receiver};

/// How often the observer is called without a datagram.
const TICK: Span = Span::from_millis(100);
/// Batches that are read before anything else is done.
const BATCHES_AT_ONCE: usize = 16;
/// The most datagrams to clients that wait for a full send buffer. Further ones are dropped and
/// counted.
const MOST_WAITING: usize = 1 << 16;
/// Bytes of the longest UDP datagram over IPv4.
const LONGEST: usize = 65_507;

/// The settings of a proxy.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// The address that clients send to.
    pub listen: SocketAddr,
    /// The address of the server.
    pub target: SocketAddr,
    /// The links from clients to the server. Times count from the start of the proxy.
    pub up: LinkSchedule,
    /// The links from the server to clients.
    pub down: LinkSchedule,
    /// The seed of all verdicts.
    pub seed: Seed,
    /// A session that carries no datagrams for longer than this is closed.
    pub idle: Span,
    /// The most sessions at a time. Datagrams of further clients are dropped and counted.
    pub most_sessions: u32,
    /// Which system calls are used.
    pub io: Io,
}

/// A command to a running proxy.
#[derive(Clone, Debug)]
pub enum ProxyCommand {
    /// Change the links of a direction.
    Set(Direction, Box<LinkOptions>),
    /// Start an outage of this length on the links of a direction.
    Interrupt(Direction, skipbeat_link::OutageKind, Span),
    /// End all outages.
    Heal,
    /// End the proxy.
    Stop,
}

/// A datagram that enters a link of a proxy, and what the link does with it.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// When it entered the link.
    pub at: Time,
    /// The direction of the link.
    pub direction: Direction,
    /// The number of the session and of its links, counted from zero.
    pub session: u32,
    /// The client's address.
    pub client: SocketAddr,
    /// Its bytes, before the link changes them.
    pub payload: &'a [u8],
    /// When it arrives, if at all, and how it is changed.
    pub verdict: Verdict,
}

/// Sees what a proxy does, and controls it.
pub trait ProxyObserver {
    /// A datagram enters a link.
    fn passage(&mut self, passage: &Passage<'_>);
    /// A session begins, or ends if `begins` is false.
    fn session(&mut self, at: Time, client: SocketAddr, begins: bool);
    /// Called about ten times a second. `links` are the current options of the links up and down.
    /// Returns commands for the proxy.
    fn tick(
        &mut self,
        at: Time,
        totals: &ProxyTotals,
        links: [&LinkOptions; 2],
    ) -> Vec<ProxyCommand>;
}

/// What a proxy has counted. In each direction `offered + duplicated = lost by cause + arrived + in
/// transit`, and `not_sent` is part of what arrived.
#[derive(Clone, Debug, Default)]
pub struct ProxyTotals {
    /// The tallies of the links up and down.
    pub links: [DatagramTally; 2],
    /// By direction, datagrams that arrived but were not sent on, since the kernel refused them,
    /// too many waited, or the session was closed.
    pub not_sent: [u64; 2],
    /// By direction, how much later than its link says each datagram was sent on. This is the delay
    /// of the proxy itself, without the time in the kernel before a datagram is read.
    pub added: [Distribution; 2],
    /// Datagrams of clients that were dropped because of the limit of sessions.
    pub refused: u64,
    /// Datagrams of clients for which no socket could be opened, and the last error.
    pub no_socket: (u64, Option<String>),
    /// Sessions that were opened so far.
    pub sessions: u32,
    /// Sessions that are open now.
    pub open: u32,
}

/// A datagram on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct InTransit {
    direction: Direction,
    session: u32,
    index: u32,
    copy: bool,
    /// The slot of its bytes.
    slot: usize,
}

struct Session {
    client: SocketAddr,
    socket: std::net::UdpSocket,
    /// When it last carried a datagram, or will.
    last: Time,
}

struct Proxy<'a> {
    options: &'a ProxyOptions,
    clock: Clock,
    now: Time,
    /// The numbers of open sessions, by client.
    numbers: BTreeMap<SocketAddr, u32>,
    /// All sessions by number; `None` for those that were closed.
    sessions: Vec<Option<Session>>,
    poller: Poller,
    links: [Links; 2],
    in_transit: Calendar<InTransit>,
    /// The bytes of datagrams on links, by slot.
    bytes: Vec<Vec<u8>>,
    /// Slots that can be used again.
    free: Vec<usize>,
    queue: SendQueue,
    totals: ProxyTotals,
}

/// A proxy whose socket is bound, before it runs.
pub struct BoundProxy {
    socket: Socket,
    address: SocketAddr,
}

impl BoundProxy {
    /// Binds the socket that clients send to.
    ///
    /// # Errors
    /// If the address can't be bound.
    pub fn bind(listen: SocketAddr) -> Result<Self, NetError> {
        let bind = || {
            let socket =
                Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            set_receive_buffer(&socket, None)?;
            socket.bind(&listen.into())?;
            let address = socket.local_addr()?.as_socket().unwrap_or(listen);
            Ok(BoundProxy { socket, address })
        };
        bind().map_err(|source| NetError::Bind { what: "the proxy", address: listen, source })
    }

    /// The address that it listens at, with the port that the system chose if none was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until the observer returns [`ProxyCommand::Stop`].
    ///
    /// # Errors
    /// If a system call fails unexpectedly.
    pub fn run(
        self,
        options: &ProxyOptions,
        observer: &mut dyn ProxyObserver,
    ) -> Result<ProxyTotals, NetError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NetError::Socket)?;
        runtime.block_on(run(self.socket, options, observer)).map_err(NetError::Socket)
    }
}

async fn run(
    socket: Socket,
    options: &ProxyOptions,
    observer: &mut dyn ProxyObserver,
) -> io::Result<ProxyTotals> {
    let alarm = Alarm::new(options.io)?;
    let mut proxy = Proxy::new(options, &socket)?;
    let socket = UdpSocket::from_std(socket.into())?;
    let mut receiver = Receiver::new(options.io, LONGEST);
    let mut traffic = Traffic::default();
    let mut buffer = vec![0; LONGEST];
    let mut next_tick = Time::ZERO;
    loop {
        let mut empty = true;
        for _ in 0..BATCHES_AT_ONCE {
            proxy.now = proxy.clock.now();
            let batch = receiver.receive(&socket, &mut traffic)?;
            if batch == Batch::Nothing {
                break;
            }
            empty = false;
            receiver.each(|d| proxy.receive_from_client(d.from, d.payload, observer));
            if batch == Batch::Last {
                break;
            }
        }
        empty &= proxy.receive_from_target(&mut buffer, observer)?;
        proxy.now = proxy.clock.now();
        proxy.arrive();
        let full = !proxy.queue.flush(&socket);
        if proxy.now >= next_tick {
            next_tick = proxy.now + TICK;
            proxy.expire(observer);
            proxy.totals.not_sent[Direction::Down as usize] +=
                std::mem::take(&mut proxy.queue.sender.refused);
            let links = [proxy.links[0].options(0), proxy.links[1].options(0)];
            for command in observer.tick(proxy.now, &proxy.totals, links) {
                if proxy.execute(command) {
                    return Ok(proxy.close());
                }
            }
        }
        if empty {
            let due = proxy.in_transit.next_at().unwrap_or(Time::NEVER).min(next_tick);
            let wait = due.since(proxy.clock.now());
            tokio::select! {
                ready = socket.readable() => ready?,
                ready = socket.writable(), if full => ready?,
                ready = proxy.poller.wait() => ready?,
                slept = alarm.sleep(wait) => slept?,
            }
        }
    }
}

impl<'a> Proxy<'a> {
    fn new(options: &'a ProxyOptions, socket: &Socket) -> io::Result<Self> {
        let links = |direction, schedule: &LinkSchedule| {
            // All sessions belong to one group. Their number is not known yet.
            let roster = Roster::new([0]);
            Links::new(options.seed, direction, [schedule.clone()], &roster)
        };
        Ok(Proxy {
            clock: Clock::start(),
            now: Time::ZERO,
            numbers: BTreeMap::new(),
            sessions: Vec::new(),
            poller: Poller::new(options.io)?,
            links: [links(Direction::Up, &options.up), links(Direction::Down, &options.down)],
            in_transit: Calendar::new(),
            bytes: Vec::new(),
            free: Vec::new(),
            queue: SendQueue::new(options.io, socket),
            totals: ProxyTotals::default(),
            options,
        })
    }

    fn receive_from_client(
        &mut self,
        client: SocketAddr,
        payload: &[u8],
        observer: &mut dyn ProxyObserver,
    ) {
        let number = match self.numbers.get(&client) {
            Some(number) => *number,
            None => match self.open(client) {
                Some(number) => {
                    observer.session(self.now, client, true);
                    number
                }
                None => return,
            },
        };
        self.offer(Direction::Up, number, payload, observer);
    }

    /// Opens a session for a new client. Returns its number, or `None` if that fails.
    fn open(&mut self, client: SocketAddr) -> Option<u32> {
        if self.totals.open >= self.options.most_sessions {
            self.totals.refused += 1;
            return None;
        }
        let number = self.sessions.len() as u32;
        let mut open = || {
            let any = if self.options.target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = Socket::from(std::net::UdpSocket::bind(any)?);
            socket.set_nonblocking(true)?;
            set_receive_buffer(&socket, None)?;
            socket.connect(&self.options.target.into())?;
            let socket = std::net::UdpSocket::from(socket);
            self.poller.watch(&socket, number)?;
            io::Result::Ok(socket)
        };
        let socket = match open() {
            Ok(socket) => socket,
            Err(e) => {
                self.totals.no_socket = (self.totals.no_socket.0 + 1, Some(e.to_string()));
                return None;
            }
        };
        self.numbers.insert(client, number);
        self.sessions.push(Some(Session { client, socket, last: self.now }));
        self.totals.sessions += 1;
        self.totals.open += 1;
        Some(number)
    }

    /// Reads what the target has sent to each session. Returns whether there was nothing.
    fn receive_from_target(
        &mut self,
        buffer: &mut [u8],
        observer: &mut dyn ProxyObserver,
    ) -> io::Result<bool> {
        let ready = self.poller.ready()?;
        for number in &ready {
            while let Some(session) = &self.sessions[*number as usize] {
                match session.socket.recv(buffer) {
                    Ok(length) => {
                        self.offer(Direction::Down, *number, &buffer[..length], observer);
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    // "Port unreachable" for an earlier datagram, no error of this socket.
                    Err(_) => {}
                }
            }
        }
        Ok(ready.is_empty())
    }

    /// A datagram enters its link.
    fn offer(
        &mut self,
        direction: Direction,
        number: u32,
        payload: &[u8],
        observer: &mut dyn ProxyObserver,
    ) {
        let now = self.now;
        let Some(session) = &mut self.sessions[number as usize] else { return };
        session.last = now;
        let client = session.client;
        let packet = PacketInfo { bytes: payload.len(), class: class(payload) };
        let verdict = self.links[direction as usize].judge(now, 0, number, packet);
        self.totals.links[direction as usize].offer(now, true, payload.len(), &verdict);
        let session = number;
        observer.passage(&Passage { at: now, direction, session, client, payload, verdict });
        let Ok(at) = verdict.arrival else { return };
        let copies = [(Some(at), verdict.changes()[0]), (verdict.copy(), verdict.changes()[1])];
        for (copy, (at, change)) in [false, true].into_iter().zip(copies) {
            let Some(at) = at else { continue };
            // A session is kept open while a datagram is on its links.
            if let Some(session) = &mut self.sessions[session as usize] {
                session.last = session.last.max(at);
            }
            let slot = self.keep(payload);
            if let Some(change) = change {
                change.apply(&mut self.bytes[slot]);
            }
            let index = verdict.index;
            self.in_transit.push(at, InTransit { direction, session, index, copy, slot });
        }
    }

    /// Keeps the bytes of a datagram. Returns their slot.
    fn keep(&mut self, payload: &[u8]) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.bytes.push(Vec::new());
            self.bytes.len() - 1
        });
        self.bytes[slot].clear();
        self.bytes[slot].extend_from_slice(payload);
        slot
    }

    /// Sends on what has arrived at the end of its link.
    fn arrive(&mut self) {
        while let Some((at, arrived)) = self.in_transit.pop_until(self.now) {
            let InTransit { direction, session, slot, .. } = arrived;
            self.totals.added[direction as usize].record(self.clock.now().since(at));
            self.totals.links[direction as usize].arrived += 1;
            self.free.push(slot);
            let payload = &self.bytes[slot];
            let sent = match (&self.sessions[session as usize], direction) {
                (None, _) => false,
                (Some(session), Direction::Up) => {
                    // The first attempt may only report the error of an earlier datagram.
                    session.socket.send(payload).or_else(|_| session.socket.send(payload)).is_ok()
                }
                (Some(_), Direction::Down) if self.queue.len() >= MOST_WAITING => false,
                (Some(session), Direction::Down) => {
                    let payload = self.queue.payload(payload);
                    self.queue.push(session.client, None, payload);
                    true
                }
            };
            self.totals.not_sent[direction as usize] += u64::from(!sent);
        }
    }

    /// Closes sessions that have been idle for too long.
    fn expire(&mut self, observer: &mut dyn ProxyObserver) {
        let idle = |number: &u32| {
            let session = self.sessions[*number as usize].as_ref();
            session.is_none_or(|session| self.now.since(session.last) > self.options.idle)
        };
        let gone: Vec<_> = (self.numbers.iter())
            .filter(|(_, number)| idle(number))
            .map(|(client, _)| *client)
            .collect();
        for client in gone {
            if let Some(number) = self.numbers.remove(&client) {
                self.poller.forget(number);
                self.sessions[number as usize] = None;
                self.totals.open -= 1;
                observer.session(self.now, client, false);
            }
        }
    }

    /// Executes a command. Returns whether the proxy has to stop.
    fn execute(&mut self, command: ProxyCommand) -> bool {
        match command {
            ProxyCommand::Stop => return true,
            ProxyCommand::Set(direction, options) => {
                self.links[direction as usize].set(0, *options);
            }
            ProxyCommand::Interrupt(direction, kind, span) => {
                let from = self.now.since(Time::ZERO);
                let outage = Outage { kind, from, to: from + span };
                self.links[direction as usize].interrupt(0, outage);
            }
            ProxyCommand::Heal => self.links.iter_mut().for_each(|links| links.heal()),
        }
        false
    }

    /// Counts what is still on the links and in the queue. Returns the totals.
    fn close(mut self) -> ProxyTotals {
        for (_, rest) in self.in_transit.iter() {
            self.totals.links[rest.direction as usize].in_flight += 1;
        }
        let unsent = self.queue.len() as u64 + self.queue.sender.refused;
        self.totals.not_sent[Direction::Down as usize] += unsent;
        self.totals
    }
}

/// The class of a datagram in the grammar of skipbeat. Anything else counts as a text.
fn class(payload: &[u8]) -> Class {
    let command = payload.trim_ascii_start();
    // The token of a session comes before the command.
    let command = match command.strip_prefix(b"^session ") {
        Some(rest) => rest.get(17..).unwrap_or(rest),
        None => command,
    };
    if command.starts_with(b"^hb") || command.starts_with(b"^join") {
        Class::Heartbeat
    } else if command.starts_with(b"^ack ") {
        Class::Ack
    } else if [&b"quit"[..], b"bye"].contains(&command.trim_ascii())
        || [&b"^cookie "[..], b"^welcome", b"^expired "].iter().any(|c| command.starts_with(c))
    {
        Class::Other
    } else {
        Class::Chat
    }
}
