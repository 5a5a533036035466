//! The built-in server on real sockets: a thread of its own drains the socket in batches, hands
//! them to the core and flushes what the core wants sent.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::Tag;
use skipbeat_server::{Effects, Note, Options, PeerId, Server};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::NetError;
use crate::clock::Clock;
use crate::sys::{Alarm, ReceiveBatch, SendQueue, dropped, set_receive_buffer, thread_cpu};

/// How often the thread looks whether it is to stop, when nothing else wakes it.
const LOOK: Span = Span::from_millis(20);
/// How long the last datagrams may take through the kernel.
const LAST_DATAGRAMS: Span = Span::from_millis(100);
/// Batches that are drained before what they caused is sent.
const BATCHES_AT_ONCE: usize = 16;

/// What the server tells the one who measures, in order and before it sends anything.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    Note {
        at: Time,
        peer: PeerId,
        note: Note,
        tag: Option<Tag>,
    },
    Broadcast {
        at: Time,
        tag: Option<Tag>,
        members: ClientSet,
    },
    /// It fell silent for good, as the scenario wants.
    Crashed {
        at: Time,
    },
    /// A datagram came after that.
    Unread {
        at: Time,
        peer: PeerId,
        tag: Option<Tag>,
    },
}

/// What the server counted.
#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    /// Datagrams read from the socket, by peer.
    pub(crate) received: Vec<u64>,
    /// Datagrams handed to the socket, by peer.
    pub(crate) sent: Vec<u64>,
    /// Datagrams that the socket did not take.
    pub(crate) not_sent: u64,
    /// Datagrams that the socket threw away before they were read, where the kernel says.
    pub(crate) dropped: Option<u64>,
    pub(crate) cpu: Span,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many datagrams there were, when it is to stop.
    handed: AtomicU64,
    events: Mutex<Vec<ServerEvent>>,
}

/// A server that runs.
pub(crate) struct RunningServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<ServerCounts>>>,
    pub(crate) receive_buffer: usize,
}

/// A socket that is bound and ready, before the peers are known.
pub(crate) struct BoundServer {
    socket: Socket,
    address: SocketAddr,
    receive_buffer: usize,
}

impl BoundServer {
    pub(crate) fn bind(
        listen: SocketAddr,
        receive_buffer: Option<usize>,
    ) -> Result<Self, NetError> {
        let bind = || {
            let socket =
                Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            let receive_buffer = set_receive_buffer(&socket, receive_buffer)?;
            socket.bind(&listen.into())?;
            let address = socket.local_addr()?.as_socket().unwrap_or(listen);
            Ok(BoundServer { socket, address, receive_buffer })
        };
        bind().map_err(|source| NetError::Bind { what: "the server", address: listen, source })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the thread. The addresses are those of the clients in order: client n is peer n.
    pub(crate) fn start(
        self,
        options: Options,
        seed: Seed,
        clock: Clock,
        addresses: Vec<SocketAddr>,
        crash_at: Option<Span>,
    ) -> Result<RunningServer, NetError> {
        let BoundServer { socket, receive_buffer, .. } = self;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let socket = UdpSocket::from_std(socket.into())?;
                let out = Out::new(clock, addresses);
                let server = Server::new(options, seed);
                let crash_at = crash_at.map_or(Time::NEVER, |after| Time::ZERO + after);
                serve(&socket, server, out, options.max_datagram, crash_at, &of_thread).await
            })
        };
        let thread = std::thread::Builder::new().name("skipbeat-server".to_owned()).spawn(body);
        let thread = Some(thread.map_err(NetError::Socket)?);
        Ok(RunningServer { shared, thread, receive_buffer })
    }
}

impl RunningServer {
    /// The events since the last call.
    pub(crate) fn events(&self) -> Vec<ServerEvent> {
        let mut events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut events)
    }

    /// Whether it ended before it was asked to.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the server read what its socket still has, `handed` datagrams in all as far as they
    /// are ours, and ends it.
    pub(crate) fn stop(&mut self, handed: u64) -> Result<ServerCounts, NetError> {
        self.shared.handed.store(handed, Ordering::Relaxed);
        self.shared.stop.store(true, Ordering::Release);
        let thread = self.thread.take().ok_or(NetError::ServerThread)?;
        let counts = thread.join().map_err(|_| NetError::ServerThread)?;
        counts.map_err(NetError::Socket)
    }
}

/// The effects of the core, until they are flushed.
struct Out {
    now: Time,
    clock: Clock,
    peers: HashMap<SocketAddr, PeerId>,
    addresses: Vec<SocketAddr>,
    queue: SendQueue,
    events: Vec<ServerEvent>,
    counts: ServerCounts,
    /// The text that the core is looking at, where it has a tag.
    tag: Option<Tag>,
}

impl Out {
    fn new(clock: Clock, addresses: Vec<SocketAddr>) -> Self {
        let peers = addresses.iter().zip(0..).map(|(address, peer)| (*address, peer)).collect();
        let counters = vec![0; addresses.len()];
        Out {
            now: Time::ZERO,
            clock,
            peers,
            queue: SendQueue::default(),
            events: Vec::new(),
            counts: ServerCounts {
                received: counters.clone(),
                sent: counters,
                ..ServerCounts::default()
            },
            addresses,
            tag: None,
        }
    }

    /// The dense id of an address; a new one gets the next.
    fn peer(&mut self, address: SocketAddr) -> PeerId {
        *self.peers.entry(address).or_insert_with(|| {
            self.addresses.push(address);
            self.counts.received.push(0);
            self.counts.sent.push(0);
            self.addresses.len() as PeerId - 1
        })
    }

    /// Tells first and sends then, so that whoever hears a datagram can know of it.
    async fn flush(&mut self, socket: &UdpSocket, shared: &Shared) -> io::Result<()> {
        if !self.events.is_empty() {
            let mut events = shared.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.append(&mut self.events);
        }
        while self.queue.len() > 0 {
            if socket.try_io(Interest::WRITABLE, || self.queue.flush(socket)).is_err() {
                socket.writable().await?;
            }
        }
        Ok(())
    }
}

impl Effects for Out {
    fn send(&mut self, to: PeerId, payload: &[u8]) {
        let payload = self.queue.payload(payload);
        self.queue.push(self.addresses[to as usize], None, payload);
        self.counts.sent[to as usize] += 1;
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet) {
        let (at, tag) = (self.now, Tag::find(payload));
        self.events.push(ServerEvent::Broadcast { at, tag, members: members.clone() });
        let payload = self.queue.payload(payload);
        for peer in members.iter() {
            self.queue.push(self.addresses[peer as usize], None, payload);
            self.counts.sent[peer as usize] += 1;
        }
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        self.events.push(ServerEvent::Note { at: self.now, peer, note, tag: self.tag });
    }
}

/// The main loop: drain, hand over, do what is due, tell, send, wait.
async fn serve(
    socket: &UdpSocket,
    mut server: Server,
    mut out: Out,
    max_datagram: usize,
    crash_at: Time,
    shared: &Shared,
) -> io::Result<ServerCounts> {
    let (mut dead, mut last_call) = (false, None);
    let alarm = Alarm::new()?;
    // One byte more than allowed, so that what is too long is seen to be.
    let mut batch = ReceiveBatch::new(max_datagram + 1);
    loop {
        let stopping = shared.stop.load(Ordering::Acquire);
        let mut empty = false;
        for _ in 0..BATCHES_AT_ONCE {
            if batch.receive_watched(socket).is_err() {
                empty = true;
                break;
            }
            out.now = out.clock.now();
            for datagram in batch.iter() {
                let peer = out.peer(datagram.from);
                out.counts.received[peer as usize] += 1;
                out.tag = Tag::find(datagram.payload);
                let (now, tag) = (out.now, out.tag);
                if dead {
                    out.events.push(ServerEvent::Unread { at: now, peer, tag });
                } else {
                    server.handle_datagram(now, peer, datagram.from, datagram.payload, &mut out);
                }
            }
        }
        out.now = out.clock.now();
        if !dead && out.now >= crash_at {
            dead = true;
            out.events.push(ServerEvent::Crashed { at: crash_at });
        }
        if !dead && server.next_deadline().is_some_and(|at| at <= out.now) {
            let now = out.now;
            server.advance(now, &mut out);
        }
        out.flush(socket, shared).await?;
        if stopping && empty {
            // The kernel may still be on its way with a few of them.
            let until = *last_call.get_or_insert(out.clock.now() + LAST_DATAGRAMS);
            let seen = out.counts.received.iter().sum::<u64>() + dropped(socket).unwrap_or(0);
            if seen >= shared.handed.load(Ordering::Relaxed) || out.clock.now() >= until {
                break;
            }
        }
        if empty {
            let due = server.next_deadline().filter(|_| !dead).unwrap_or(Time::NEVER);
            let due = due.min(if dead { Time::NEVER } else { crash_at }).since(out.clock.now());
            tokio::select! {
                ready = socket.readable() => ready?,
                slept = alarm.sleep(due.min(LOOK)) => slept?,
            }
        }
    }
    Ok(ServerCounts {
        not_sent: out.queue.refused,
        dropped: dropped(socket).ok(),
        cpu: thread_cpu(),
        ..out.counts
    })
}

impl ServerCounts {
    /// Datagrams read from peers that are no clients of the run.
    pub(crate) fn of_strangers(&self, roster: &skipbeat_core::Roster) -> u64 {
        self.received.iter().skip(roster.clients() as usize).sum()
    }

    /// Sums counters of clients by group; strangers are left out.
    pub(crate) fn by_group(counts: &[u64], roster: &skipbeat_core::Roster) -> Vec<u64> {
        let range = |group| {
            let range = roster.range(group);
            range.start as usize..range.end as usize
        };
        (0..roster.groups()).map(|group| counts[range(group)].iter().sum()).collect()
    }
}
