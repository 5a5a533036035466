//! The built-in server on real sockets: a thread of its own drains the socket in batches, hands
//! them to the core and flushes what the core wants sent.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::Tag;
use skipbeat_server::{Effects, Note, Options, PeerId, Sending, Server, Settled};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::NetError;
use crate::clock::Clock;
use crate::peers::Peers;
use crate::sys::{Alarm, ReceiveBatch, SendQueue, dropped, set_receive_buffer, thread_cpu};

/// How often the thread looks whether it is to stop, when nothing else wakes it.
const LOOK: Span = Span::from_millis(20);
/// How long the last datagrams may take through the kernel.
const LAST_DATAGRAMS: Span = Span::from_millis(100);
/// Batches that are drained before what they caused is sent.
const BATCHES_AT_ONCE: usize = 16;

/// What the server tells the one who measures, in order and before it sends anything. Peers are
/// named by their address: who is where is known to the swarm.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    Note {
        at: Time,
        peer: SocketAddr,
        /// Where a peer was that has moved.
        left: SocketAddr,
        note: Note,
        tag: Option<Tag>,
    },
    Broadcast {
        at: Time,
        tag: Option<Tag>,
        /// The members that have the address they had when the server started.
        members: ClientSet,
        /// The addresses of the others.
        others: Vec<SocketAddr>,
    },
    /// A numbered text goes to a member for the first time.
    Held { at: Time, tag: Option<Tag> },
    /// One goes again.
    Retransmitted { at: Time, peer: SocketAddr },
    /// One is not waited for any more.
    Settled { at: Time, peer: SocketAddr, tag: Option<Tag>, acked: bool },
    /// It fell silent for good, as the scenario wants.
    Crashed { at: Time },
    /// A datagram came after that.
    Unread { at: Time, peer: SocketAddr, tag: Option<Tag> },
}

/// How much the server tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tell {
    /// Everything, for the ledger of a run.
    Everything,
    /// What happens to peers, for a person.
    Notes,
}

/// What is asked of a server that runs.
pub(crate) enum Command {
    /// Says a text to all members.
    Say(Vec<u8>),
    /// Asks who the members are.
    Members(Sender<Vec<Member>>),
    /// Asks what was counted.
    Stats(Sender<Stats>),
    /// Says `bye` to all members.
    Bye,
}

/// A member, as the server sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its address.
    pub address: SocketAddr,
    /// How long ago it last gave a sign of life.
    pub silence: Span,
    /// How much longer it may be silent before it is suspected.
    pub allowed: Span,
}

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Members now.
    pub members: u32,
    /// Addresses of which something is known: members, and who was one not long ago.
    pub peers: u64,
    /// Peers that became members.
    pub joins: u64,
    /// Members that said `quit`.
    pub quits: u64,
    /// Members that were silent for too long.
    pub evictions: u64,
    /// Datagrams that had no effect, by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Texts sent to all members.
    pub broadcasts: u64,
    /// Members that were found at another address.
    pub moved: u64,
    /// Numbered texts that came again.
    pub repeated: u64,
    /// Numbered texts to members that were acked.
    pub acked: u64,
    /// Numbered texts to members that were given up.
    pub given_up: u64,
    /// Datagrams read.
    pub received: u64,
    /// Datagrams handed to the socket.
    pub sent: u64,
    /// Datagrams that the socket did not take.
    pub not_sent: u64,
    /// Datagrams that the socket threw away before they were read.
    pub dropped: u64,
}

/// What the server counted.
#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    /// The address of each peer.
    pub(crate) addresses: Vec<SocketAddr>,
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
    commands: UnboundedSender<Command>,
    /// Taken by whoever stops it.
    thread: Mutex<Option<JoinHandle<io::Result<ServerCounts>>>>,
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
        tell: Tell,
    ) -> Result<RunningServer, NetError> {
        let BoundServer { socket, address, receive_buffer } = self;
        let (commands, asked) = unbounded_channel();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let socket = UdpSocket::from_std(socket.into())?;
                let out = Out::new(clock, address, addresses, tell);
                let server = Server::new(options, seed);
                let crash_at = crash_at.map_or(Time::NEVER, |after| Time::ZERO + after);
                let life = Life { crash_at, asked };
                serve(&socket, server, out, options.max_datagram, life, &of_thread).await
            })
        };
        let thread = std::thread::Builder::new().name("skipbeat-server".to_owned()).spawn(body);
        let thread = Mutex::new(Some(thread.map_err(NetError::Socket)?));
        Ok(RunningServer { shared, commands, thread, receive_buffer })
    }
}

impl RunningServer {
    /// The events since the last call.
    pub(crate) fn events(&self) -> Vec<ServerEvent> {
        let mut events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut events)
    }

    /// Asks something of it; nothing happens where it has ended.
    pub(crate) fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Whether it ended before it was asked to.
    pub(crate) fn is_finished(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the server read what its socket still has, `handed` datagrams in all as far as they
    /// are ours, and ends it.
    pub(crate) fn stop(&self, handed: u64) -> Result<ServerCounts, NetError> {
        self.shared.handed.store(handed, Ordering::Relaxed);
        self.shared.stop.store(true, Ordering::Release);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = thread.take().ok_or(NetError::ServerThread)?;
        let counts = thread.join().map_err(|_| NetError::ServerThread)?;
        counts.map_err(NetError::Socket)
    }
}

/// The effects of the core, until they are flushed.
struct Out {
    now: Time,
    clock: Clock,
    peers: Peers,
    queue: SendQueue,
    events: Vec<ServerEvent>,
    counts: ServerCounts,
    /// The text that the core is looking at, where it has a tag.
    tag: Option<Tag>,
    /// The address that the last member left which has moved.
    left: SocketAddr,
    /// The server's own address.
    own: SocketAddr,
    tell: Tell,
    stats: Stats,
}

impl Out {
    fn new(clock: Clock, own: SocketAddr, addresses: Vec<SocketAddr>, tell: Tell) -> Self {
        Out {
            now: Time::ZERO,
            clock,
            peers: Peers::new(addresses),
            queue: SendQueue::default(),
            events: Vec::new(),
            counts: ServerCounts::default(),
            tag: None,
            left: own,
            own,
            tell,
            stats: Stats::default(),
        }
    }

    /// A datagram came: hands it to the core, or only tells of it where that is dead.
    fn receive(&mut self, from: SocketAddr, payload: &[u8], server: &mut Server, dead: bool) {
        let (peer, new) = self.peers.of(from);
        bump(&mut self.counts.received, peer);
        self.tag = Tag::find(payload);
        let (at, tag) = (self.now, self.tag);
        if dead {
            self.events.push(ServerEvent::Unread { at, peer: from, tag });
            return;
        }
        server.handle_datagram(at, peer, from, payload, self);
        // A run has its books by address; who only serves forgets who has left no trace.
        if new
            && self.tell == Tell::Notes
            && !server.keeps(peer)
            && self.peers.address(peer) == from
        {
            self.peers.forget(peer);
            server.forget(peer);
        }
    }

    /// A peer is no member any more, or has the address that one has left.
    fn left_behind(&mut self, peer: PeerId) {
        if self.tell == Tell::Notes {
            self.peers.leaves(peer);
        }
    }

    fn push(&mut self, to: PeerId, payload: (usize, usize)) {
        self.queue.push(self.peers.address(to), None, payload);
        bump(&mut self.counts.sent, to);
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
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        if self.tell == Tell::Everything {
            let (at, tag) = (self.now, Tag::find(payload));
            match sending {
                Sending::Once => {}
                Sending::First => self.events.push(ServerEvent::Held { at, tag }),
                Sending::Again => {
                    let peer = self.peers.address(to);
                    self.events.push(ServerEvent::Retransmitted { at, peer });
                }
            }
        }
        let payload = self.queue.payload(payload);
        self.push(to, payload);
    }

    fn settled(&mut self, peer: PeerId, text: &[u8], end: Settled) {
        *(match end {
            Settled::Acked => &mut self.stats.acked,
            Settled::GivenUp => &mut self.stats.given_up,
        }) += 1;
        if self.tell == Tell::Everything {
            let (at, tag, acked) = (self.now, Tag::find(text), end == Settled::Acked);
            let peer = self.peers.address(peer);
            self.events.push(ServerEvent::Settled { at, peer, tag, acked });
        }
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        self.stats.broadcasts += 1;
        if self.tell == Tell::Everything {
            let (at, tag) = (self.now, Tag::find(payload));
            let (members, others) = self.peers.split(members);
            self.events.push(ServerEvent::Broadcast { at, tag, members, others });
        }
        let payload = self.queue.payload(payload);
        for peer in to.iter() {
            self.push(peer, payload);
        }
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.left = self.peers.address(member);
        self.peers.exchange(member, elsewhere);
        self.left_behind(elsewhere);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        match note {
            Note::Joined => self.stats.joins += 1,
            Note::Quit => self.stats.quits += 1,
            Note::Evicted { .. } => self.stats.evictions += 1,
            Note::Moved => self.stats.moved += 1,
            Note::Repeated => self.stats.repeated += 1,
            Note::Refused(cause) => *self.stats.refused.entry(cause.name()).or_default() += 1,
        }
        if matches!(note, Note::Quit | Note::Evicted { .. }) {
            self.left_behind(peer);
        }
        let (at, left, tag) = (self.now, self.left, self.tag);
        let peer = self.peers.address(peer);
        self.events.push(ServerEvent::Note { at, peer, left, note, tag });
    }
}

/// Counts one more of a peer.
fn bump(counts: &mut Vec<u64>, peer: PeerId) {
    let index = peer as usize;
    if index >= counts.len() {
        counts.resize(index + 1, 0);
    }
    counts[index] += 1;
}

/// What a server's thread has to heed beside its socket.
struct Life {
    /// When it falls silent for good.
    crash_at: Time,
    asked: UnboundedReceiver<Command>,
}

/// Does what was asked.
fn obey(command: Command, server: &mut Server, out: &mut Out, socket: &UdpSocket) {
    match command {
        Command::Say(text) => {
            let from = out.own;
            out.now = out.clock.now();
            server.say(out.now, &text, from, out);
        }
        Command::Bye => server.stop(out),
        Command::Members(answer) => {
            let now = out.clock.now();
            let member = |peer: PeerId| {
                Some(Member {
                    address: out.peers.address(peer),
                    silence: now.since(server.last_seen(peer)?),
                    allowed: server.deadline(peer)?.since(now),
                })
            };
            // Whoever asked may have gone.
            let _ = answer.send(server.members().iter().filter_map(member).collect());
        }
        Command::Stats(answer) => {
            let _ = answer.send(Stats {
                members: server.members().len(),
                peers: out.peers.len() as u64,
                received: out.counts.received.iter().sum(),
                sent: out.counts.sent.iter().sum(),
                not_sent: out.queue.refused,
                dropped: dropped(socket).unwrap_or(0),
                ..out.stats.clone()
            });
        }
    }
}

/// The main loop: drain, hand over, do what is due, tell, send, wait.
async fn serve(
    socket: &UdpSocket,
    mut server: Server,
    mut out: Out,
    max_datagram: usize,
    Life { crash_at, mut asked }: Life,
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
            if !dead && out.now >= crash_at {
                dead = true;
                out.events.push(ServerEvent::Crashed { at: crash_at });
            }
            for datagram in batch.iter() {
                out.receive(datagram.from, datagram.payload, &mut server, dead);
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
        while let Ok(command) = asked.try_recv() {
            obey(command, &mut server, &mut out, socket);
        }
        if out.tell == Tell::Notes {
            out.peers.forget_former(&mut server);
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
                Some(command) = asked.recv() => obey(command, &mut server, &mut out, socket),
            }
        }
    }
    Ok(ServerCounts {
        not_sent: out.queue.refused,
        dropped: dropped(socket).ok(),
        cpu: thread_cpu(),
        addresses: out.peers.into_addresses(),
        ..out.counts
    })
}
