//! How the clients of a swarm reach the server: one socket that speaks for thousands of local
//! addresses, one for each of several threads, or a socket for each client.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use skipbeat_core::{AddressPlan, Place, Span};
use skipbeat_measure::Traffic;
use skipbeat_scenario::{Sockets, SwarmPlan};
use socket2::Socket;

use crate::NetError;
use crate::lane::Lanes;
use crate::peers::Known;
use crate::shared::{BoundSocket, SharedSocket};
use crate::spread::Spread;
use crate::sys::{dropped, set_receive_buffer};
use crate::wire::{Batch, Io, Poller};

/// Datagrams that wait for a full send buffer before clients have to wait themselves.
const MOST_WAITING: usize = 1024;

/// How long what is left at the end may take to be sent.
const REST: Duration = Duration::from_millis(200);

/// The sockets of a swarm.
pub(crate) enum Transport {
    /// One for all.
    Shared(Box<Shared>),
    /// One for each range of clients, with a thread of its own.
    Lanes(Box<Lanes>),
    /// One for each client.
    PerClient(Box<SocketEach>),
}

/// One socket for all clients.
pub(crate) struct Shared {
    socket: SharedSocket,
    spread: Spread,
    receive_buffer: usize,
}

/// A connected socket for every place.
pub(crate) struct SocketEach {
    target: SocketAddr,
    /// What was asked for each socket's buffers.
    plan: SwarmPlan,
    sockets: Vec<UdpSocket>,
    places: HashMap<SocketAddr, Place>,
    poller: Poller,
    buffer: Vec<u8>,
    /// The last batch: whose and how long, and the bytes one after the other.
    received: Vec<(Place, usize)>,
    bytes: Vec<u8>,
    waiting: Vec<(Place, Vec<u8>)>,
    /// Whether some send buffer is full.
    full: bool,
    refused: u64,
    receive_buffer: usize,
    traffic: Traffic,
}

impl Transport {
    /// Opens the sockets for the first places; must be called within a tokio runtime.
    pub(crate) fn open(
        target: SocketAddr,
        places: u32,
        plan: &SwarmPlan,
        io: Io,
        room: usize,
    ) -> Result<Self, NetError> {
        let first = match (plan.addresses, target.ip()) {
            (Some(first), ip) => (first.is_ipv4() == ip.is_ipv4()).then_some(first),
            (None, IpAddr::V4(ip)) => ip.is_loopback().then_some(AddressPlan::LOOPBACK),
            (None, IpAddr::V6(_)) => None,
        };
        match (plan.sockets, first) {
            (Sockets::Shared, _) if io == Io::Portable => Err(NetError::NotPortable),
            (Sockets::Shared, None) => Err(NetError::NotLoopback { target }),
            (Sockets::Auto | Sockets::Shared, Some(first)) if io == Io::Batched => {
                let any = if first.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let address = any.parse().expect("an address");
                Transport::open_shared(target, first, places, plan, room)
                    .map_err(|source| NetError::Bind { what: "the swarm", address, source })
            }
            _ if plan.threads > 1 => Err(NetError::ThreadsOfSocketEach),
            _ => {
                let each = SocketEach::open(target, places, plan, io, room)?;
                Ok(Transport::PerClient(Box::new(each)))
            }
        }
    }

    fn open_shared(
        target: SocketAddr,
        first: IpAddr,
        places: u32,
        plan: &SwarmPlan,
        room: usize,
    ) -> io::Result<Self> {
        if plan.threads > 1 {
            let lanes = Lanes::open(target, first, places, plan, room)?;
            return Ok(Transport::Lanes(Box::new(lanes)));
        }
        let bound = BoundSocket::bind(target, first, plan, room)?;
        let spread = Spread::new(vec![bound.plan], places);
        let receive_buffer = bound.receive_buffer;
        let socket = bound.start()?;
        Ok(Transport::Shared(Box::new(Shared { socket, spread, receive_buffer })))
    }

    /// The addresses of shared sockets.
    fn spread(&self) -> Option<&Spread> {
        match self {
            Transport::Shared(shared) => Some(&shared.spread),
            Transport::Lanes(lanes) => Some(&lanes.spread),
            Transport::PerClient(_) => None,
        }
    }

    /// The addresses of the first places, for a server that knows them from the start.
    pub(crate) fn known(&self, clients: u32) -> io::Result<Known> {
        match self {
            Transport::PerClient(sockets) => {
                let sockets = sockets.sockets.iter().take(clients as usize);
                sockets.map(UdpSocket::local_addr).collect::<Result<_, _>>().map(Known::Listed)
            }
            Transport::Shared(shared) => Ok(Known::Planned(shared.spread.clone(), clients)),
            Transport::Lanes(lanes) => Ok(Known::Planned(lanes.spread.clone(), clients)),
        }
    }

    /// The place at an address.
    pub(crate) fn place(&self, address: SocketAddr) -> Option<Place> {
        match self {
            Transport::PerClient(sockets) => sockets.places.get(&address).copied(),
            shared => shared.spread()?.place(address),
        }
    }

    /// Somebody moves to a place, the next one that was never taken or one that was.
    pub(crate) fn take_place(&mut self, place: Place) -> io::Result<()> {
        match self {
            Transport::PerClient(sockets) if place as usize >= sockets.sockets.len() => {
                sockets.add(place).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Reads a batch.
    pub(crate) fn fill(&mut self) -> io::Result<Batch> {
        match self {
            Transport::Shared(shared) => shared.socket.fill(),
            Transport::Lanes(lanes) => lanes.fill(),
            Transport::PerClient(sockets) => sockets.fill(),
        }
    }

    /// The datagrams of the last batch, each with the place it is for.
    pub(crate) fn each(&self, each: impl FnMut(Place, &[u8])) {
        match self {
            Transport::Shared(shared) => shared.socket.each(each),
            Transport::Lanes(lanes) => lanes.each(each),
            Transport::PerClient(sockets) => sockets.each(each),
        }
    }

    /// Adds a datagram to those that wait to be sent.
    pub(crate) fn send(&mut self, from: Place, payload: &[u8]) {
        match self {
            Transport::Shared(shared) => shared.socket.send(from, payload),
            Transport::Lanes(lanes) => lanes.send(from, payload),
            Transport::PerClient(sockets) => sockets.waiting.push((from, payload.to_vec())),
        }
    }

    /// Whether so many wait for a full send buffer that clients have to wait as well: what is not
    /// sent in time is late, and nothing is dropped.
    pub(crate) fn is_jammed(&self) -> bool {
        match self {
            Transport::Shared(shared) => {
                shared.socket.full && shared.socket.queue.len() >= MOST_WAITING
            }
            Transport::Lanes(lanes) => lanes.waiting() >= MOST_WAITING * lanes.len(),
            Transport::PerClient(sockets) => sockets.full && sockets.waiting.len() >= MOST_WAITING,
        }
    }

    /// Sends what waits, as far as the send buffer takes it.
    pub(crate) fn flush(&mut self) {
        match self {
            Transport::Shared(shared) => shared.socket.flush(),
            Transport::Lanes(lanes) => lanes.flush(),
            Transport::PerClient(sockets) => sockets.flush(),
        }
    }

    /// Waits until there is something to read, or room for what waits to be sent.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        match self {
            Transport::Shared(shared) => shared.socket.ready().await,
            Transport::Lanes(lanes) => lanes.ready().await,
            Transport::PerClient(sockets) => sockets.ready().await,
        }
    }

    /// Nothing more will be sent: what waits goes now; what the send buffer does not take in a while is
    /// given up.
    pub(crate) async fn send_the_rest(&mut self) {
        self.flush();
        if let Transport::Lanes(lanes) = self {
            lanes.end_sending();
            return;
        }
        let rest = async {
            while self.is_full() {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.flush();
            }
        };
        let _ = tokio::time::timeout(REST, rest).await;
        match self {
            Transport::Shared(shared) => shared.socket.queue.give_up(),
            Transport::Lanes(_) => {}
            Transport::PerClient(sockets) => {
                sockets.refused += sockets.waiting.len() as u64;
                sockets.waiting.clear();
            }
        }
    }

    /// Whether something waits because the send buffer was full at the last flush.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Transport::Shared(shared) => shared.socket.full,
            Transport::Lanes(_) => false,
            Transport::PerClient(sockets) => sockets.full,
        }
    }

    /// Nothing more will be read or sent; gives the processor time of threads of its own.
    pub(crate) fn stop(&mut self) -> Option<Span> {
        match self {
            Transport::Lanes(lanes) => lanes.stop(),
            _ => None,
        }
    }

    /// Datagrams that our sockets threw away before they were read, where the system says.
    pub(crate) fn dropped(&self) -> Option<u64> {
        match self {
            Transport::Shared(shared) => shared.socket.dropped(),
            Transport::Lanes(lanes) => lanes.dropped(),
            Transport::PerClient(sockets) => {
                sockets.sockets.iter().map(|socket| dropped(socket).ok()).sum()
            }
        }
    }

    /// Datagrams that the kernel did not take, those that still wait included.
    pub(crate) fn not_sent(&self) -> u64 {
        match self {
            Transport::Shared(shared) => {
                let queue = &shared.socket.queue;
                queue.sender.refused + queue.len() as u64
            }
            Transport::Lanes(lanes) => lanes.refused() + lanes.waiting() as u64,
            Transport::PerClient(sockets) => sockets.refused + sockets.waiting.len() as u64,
        }
    }

    /// Bytes of receive buffer of each socket.
    pub(crate) fn receive_buffer(&self) -> usize {
        match self {
            Transport::Shared(shared) => shared.receive_buffer,
            Transport::Lanes(lanes) => lanes.receive_buffer,
            Transport::PerClient(sockets) => sockets.receive_buffer,
        }
    }

    /// What the sockets did.
    pub(crate) fn traffic(&self) -> Traffic {
        match self {
            Transport::Shared(shared) => shared.socket.traffic(),
            Transport::Lanes(lanes) => lanes.traffic(),
            Transport::PerClient(sockets) => sockets.traffic,
        }
    }
}

impl SocketEach {
    fn open(
        target: SocketAddr,
        places: u32,
        plan: &SwarmPlan,
        io: Io,
        room: usize,
    ) -> Result<Self, NetError> {
        let mut each = SocketEach {
            target,
            plan: *plan,
            sockets: Vec::new(),
            places: HashMap::new(),
            poller: Poller::new(io).map_err(NetError::Socket)?,
            buffer: vec![0; room],
            received: Vec::new(),
            bytes: Vec::new(),
            waiting: Vec::new(),
            full: false,
            refused: 0,
            receive_buffer: 0,
            traffic: Traffic::default(),
        };
        for place in 0..places {
            each.receive_buffer = each.add(place).map_err(|source| NetError::SocketPerClient {
                open: place,
                clients: places,
                source,
            })?;
        }
        Ok(each)
    }

    /// Opens the socket of the next place; gives its receive buffer in bytes.
    fn add(&mut self, place: Place) -> io::Result<usize> {
        let any = if self.target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = Socket::from(UdpSocket::bind(any)?);
        socket.set_nonblocking(true)?;
        let granted = match self.plan.receive_buffer {
            Some(bytes) => set_receive_buffer(&socket, Some(bytes))?,
            None => socket.recv_buffer_size()?,
        };
        if let Some(bytes) = self.plan.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.connect(&self.target.into())?;
        let socket = UdpSocket::from(socket);
        self.poller.watch(&socket, place)?;
        self.places.insert(socket.local_addr()?, place);
        self.sockets.push(socket);
        Ok(granted)
    }

    fn fill(&mut self) -> io::Result<Batch> {
        self.received.clear();
        self.bytes.clear();
        let ready = self.poller.ready()?;
        for client in &ready {
            let socket = &self.sockets[*client as usize];
            loop {
                self.traffic.receive_calls += 1;
                match socket.recv(&mut self.buffer) {
                    Ok(length) => {
                        self.traffic.receives += 1;
                        self.traffic.datagrams_received += 1;
                        self.bytes.extend_from_slice(&self.buffer[..length]);
                        self.received.push((*client, length));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    // "Port unreachable" for an earlier datagram: it says nothing of this socket.
                    Err(_) => {}
                }
            }
        }
        Ok(if ready.is_empty() { Batch::Nothing } else { Batch::Full })
    }

    fn each(&self, mut each: impl FnMut(Place, &[u8])) {
        let mut rest = &self.bytes[..];
        for (client, length) in &self.received {
            let (payload, after) = rest.split_at(*length);
            each(*client, payload);
            rest = after;
        }
    }

    fn flush(&mut self) {
        let SocketEach { sockets, traffic, refused, waiting, .. } = self;
        // What one socket does not take yet waits, and the others go on.
        waiting.retain(|(client, payload)| {
            let socket = &sockets[*client as usize];
            // The first try may only fetch the error of an earlier datagram.
            for _ in 0..2 {
                traffic.send_calls += 1;
                match socket.send(payload) {
                    Ok(_) => {
                        traffic.sends += 1;
                        traffic.datagrams_sent += 1;
                        return false;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        traffic.send_buffer_full += 1;
                        return true;
                    }
                    Err(_) => {}
                }
            }
            *refused += 1;
            false
        });
        self.full = !self.waiting.is_empty();
    }

    async fn ready(&mut self) -> io::Result<()> {
        let SocketEach { poller, full, .. } = self;
        if !*full {
            return poller.wait().await;
        }
        // Each has a buffer of its own: whether one has room is asked again soon.
        let soon = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            ready = poller.wait() => ready,
            () = soon => Ok(()),
        }
    }
}
