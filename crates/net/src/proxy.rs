//! A proxy between any UDP clients and any UDP server, with a link each way for each client: the
//! same links, with the same verdicts, as those of a run. No privilege is needed.
//!
//! Each client gets a session: a socket towards the target, and the links of the next number. A
//! session without datagrams either way for a while is closed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use skipbeat_core::{Calendar, Direction, Roster, Seed, Span, Time};
use skipbeat_link::{Class, LinkOptions, LinkSchedule, Links, Outage, PacketInfo, Verdict};
use skipbeat_measure::{DatagramTally, Distribution};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::NetError;
use crate::queue::SendQueue;
use crate::wire::{Alarm, Batch, Io, Poller, Receiver};
use skipbeat_measure::Traffic;
use skipbeat_sys::Clock;
use skipbeat_sys::set_receive_buffer;

/// The observer has its turn this often.
const LOOK: Span = Span::from_millis(100);
/// Batches that are read before anything else has its turn.
const BATCHES_AT_ONCE: usize = 16;
/// Datagrams to clients that wait for a full send buffer; what is more is not sent.
const MOST_WAITING: usize = 1 << 16;
/// The longest datagram that there is.
const LONGEST: usize = 65_507;

/// What a proxy does.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// Where clients send to.
    pub listen: SocketAddr,
    /// The server.
    pub target: SocketAddr,
    /// The links from clients to the server, counted from the start of the proxy.
    pub up: LinkSchedule,
    /// The links from the server to clients.
    pub down: LinkSchedule,
    /// Every verdict follows from it.
    pub seed: Seed,
    /// A session without datagrams for longer is closed.
    pub idle: Span,
    /// How many sessions there may be at a time.
    pub most_sessions: u32,
    /// By which calls datagrams go.
    pub io: Io,
}

/// What can be asked of a proxy while it runs.
#[derive(Clone, Debug)]
pub enum ProxyCommand {
    /// The links of a direction are others from now on.
    Set(Direction, Box<LinkOptions>),
    /// The links of a direction carry nothing for a while.
    Interrupt(Direction, skipbeat_link::OutageKind, Span),
    /// All outages end.
    Heal,
    /// The proxy ends.
    Stop,
}

/// One datagram and what its link does with it.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// When it came.
    pub at: Time,
    /// Which way it goes.
    pub direction: Direction,
    /// The number of the session, which is that of its links.
    pub session: u32,
    /// The client's address.
    pub client: SocketAddr,
    /// What it says.
    pub payload: &'a [u8],
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Hears what a proxy does, and says what it is to do.
pub trait ProxyObserver {
    /// A datagram has been judged.
    fn passage(&mut self, passage: &Passage<'_>);
    /// A session begins or ends.
    fn session(&mut self, at: Time, client: SocketAddr, begins: bool);
    /// Time has gone on. `links` are the links as they are, up and down.
    fn look(
        &mut self,
        at: Time,
        totals: &ProxyTotals,
        links: [&LinkOptions; 2],
    ) -> Vec<ProxyCommand>;
}

/// What a proxy has done. Each direction: `offered + duplicated = lost by cause + arrived + in
/// transit`, and of what arrived `not_sent` did not go on.
#[derive(Clone, Debug, Default)]
pub struct ProxyTotals {
    /// Up and down.
    pub links: [DatagramTally; 2],
    /// What left a link and no socket took, or whose session was closed.
    pub not_sent: [u64; 2],
    /// How much later than its link lets it go each datagram was handed on: what the proxy itself
    /// adds, beside what the kernel takes before it is read.
    pub added: [Distribution; 2],
    /// Datagrams of clients beyond the most sessions.
    pub refused: u64,
    /// Datagrams of clients for whom no socket could be opened, and why the last one could not.
    pub no_socket: (u64, Option<String>),
    /// Sessions so far.
    pub sessions: u32,
    /// Sessions now.
    pub open: u32,
}

/// A datagram on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Flying {
    direction: Direction,
    session: u32,
    index: u32,
    copy: bool,
    /// Where its bytes are kept.
    bytes: usize,
}

struct Session {
    client: SocketAddr,
    socket: std::net::UdpSocket,
    last: Time,
}

struct Proxy<'a> {
    options: &'a ProxyOptions,
    clock: Clock,
    now: Time,
    /// The open sessions.
    numbers: BTreeMap<SocketAddr, u32>,
    /// By number; nothing where a session was closed.
    sessions: Vec<Option<Session>>,
    poller: Poller,
    links: [Links; 2],
    flying: Calendar<Flying>,
    bytes: Vec<Vec<u8>>,
    free: Vec<usize>,
    queue: SendQueue,
    totals: ProxyTotals,
}

/// Where a proxy listens, before it runs.
pub struct BoundProxy {
    socket: Socket,
    address: SocketAddr,
}

impl BoundProxy {
    /// Binds the socket for clients.
    ///
    /// # Errors
    /// Where the address can't be bound.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until the observer says stop.
    ///
    /// # Errors
    /// Where a system call fails that does not usually.
    pub fn run(
        self,
        options: &ProxyOptions,
        observer: &mut dyn ProxyObserver,
    ) -> Result<ProxyTotals, NetError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NetError::Socket)?;
        runtime.block_on(carry(self.socket, options, observer)).map_err(NetError::Socket)
    }
}

async fn carry(
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
    let mut next_look = Time::ZERO;
    loop {
        let mut empty = true;
        for _ in 0..BATCHES_AT_ONCE {
            proxy.now = proxy.clock.now();
            let batch = receiver.receive(&socket, &mut traffic)?;
            if batch == Batch::Nothing {
                break;
            }
            empty = false;
            receiver.each(|d| proxy.hear_client(d.from, d.payload, observer));
            if batch == Batch::Last {
                break;
            }
        }
        empty &= proxy.hear_target(&mut buffer, observer)?;
        proxy.now = proxy.clock.now();
        proxy.land();
        let full = !proxy.queue.flush(&socket);
        if proxy.now >= next_look {
            next_look = proxy.now + LOOK;
            proxy.expire(observer);
            proxy.totals.not_sent[Direction::Down as usize] +=
                std::mem::take(&mut proxy.queue.sender.refused);
            let links = [proxy.links[0].options(0), proxy.links[1].options(0)];
            for command in observer.look(proxy.now, &proxy.totals, links) {
                if proxy.obey(command) {
                    return Ok(proxy.close());
                }
            }
        }
        if empty {
            let due = proxy.flying.next_at().unwrap_or(Time::NEVER).min(next_look);
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
            // One group, to which every session belongs that will ever be.
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
            flying: Calendar::new(),
            bytes: Vec::new(),
            free: Vec::new(),
            queue: SendQueue::new(options.io, socket),
            totals: ProxyTotals::default(),
            options,
        })
    }

    fn hear_client(
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

    /// A session for a new client, if there is room for one.
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

    /// Reads what the target has sent to each session; says whether there was nothing.
    fn hear_target(
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
                    // "Port unreachable" for an earlier datagram: the client will find out.
                    Err(_) => {}
                }
            }
        }
        Ok(ready.is_empty())
    }

    /// Puts a datagram on its link.
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
            // A session lasts as long as something is on its links.
            if let Some(session) = &mut self.sessions[session as usize] {
                session.last = session.last.max(at);
            }
            let bytes = self.keep(payload);
            if let Some(change) = change {
                change.apply(&mut self.bytes[bytes]);
            }
            let index = verdict.index;
            self.flying.push(at, Flying { direction, session, index, copy, bytes });
        }
    }

    /// A place for bytes.
    fn keep(&mut self, payload: &[u8]) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.bytes.push(Vec::new());
            self.bytes.len() - 1
        });
        self.bytes[place].clear();
        self.bytes[place].extend_from_slice(payload);
        place
    }

    /// Hands on what leaves its link.
    fn land(&mut self) {
        while let Some((at, flying)) = self.flying.pop_until(self.now) {
            let Flying { direction, session, bytes, .. } = flying;
            self.totals.added[direction as usize].record(self.clock.now().since(at));
            self.totals.links[direction as usize].arrived += 1;
            self.free.push(bytes);
            let payload = &self.bytes[bytes];
            let sent = match (&self.sessions[session as usize], direction) {
                (None, _) => false,
                (Some(session), Direction::Up) => {
                    // The first try may only fetch the error of an earlier datagram.
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

    /// Does what was asked; says whether to stop.
    fn obey(&mut self, command: ProxyCommand) -> bool {
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

    /// Counts what is still on the links.
    fn close(mut self) -> ProxyTotals {
        for (_, flying) in self.flying.iter() {
            self.totals.links[flying.direction as usize].in_flight += 1;
        }
        let unsent = self.queue.len() as u64 + self.queue.sender.refused;
        self.totals.not_sent[Direction::Down as usize] += unsent;
        self.totals
    }
}

/// What a datagram is, if it is one of ours; else it counts as a text.
fn class(payload: &[u8]) -> Class {
    let command = payload.trim_ascii_start();
    // A session's token stands in front of the rest.
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
