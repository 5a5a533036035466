//! The sockets of a swarm: one for thousands of local addresses, one for each of several threads,
//! or one for each client.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use skipbeat_core::{AddressPlan, EndpointId, Span};
use skipbeat_measure::Traffic;
use skipbeat_scenario::{Sockets, SwarmPlan};
use skipbeat_sys::{dropped, set_receive_buffer};
use socket2::Socket;

use crate::NetError;
use crate::lane::Lanes;
use crate::peers::Known;
use crate::shared::{BoundSocket, SharedSocket};
use crate::spread::Spread;
use crate::wire::{Batch, Io, Poller};

/// If more datagrams than this wait for a full send buffer, further ones stay on their links.
const MOST_WAITING: usize = 1024;

/// How long sending what is left may take at the end.
const REST: Duration = Duration::from_millis(200);

/// The sockets of a swarm.
pub(crate) enum ClientSockets {
    /// One for all clients.
    Shared(Box<Shared>),
    /// One for each range of clients, with a thread of its own.
    Lanes(Box<Lanes>),
    /// One for each client.
    PerClient(Box<PerClient>),
}

/// One socket for all clients.
pub(crate) struct Shared {
    socket: SharedSocket,
    spread: Spread,
    receive_buffer: usize,
}

/// A connected socket for every endpoint.
pub(crate) struct PerClient {
    target: SocketAddr,
    /// Has the sizes of the buffers of each socket.
    plan: SwarmPlan,
    sockets: Vec<UdpSocket>,
    endpoints: HashMap<SocketAddr, EndpointId>,
    poller: Poller,
    buffer: Vec<u8>,
    /// The datagrams of the last batch: endpoint and length. Their bytes are in `bytes`, in order.
    received: Vec<(EndpointId, usize)>,
    bytes: Vec<u8>,
    waiting: Vec<(EndpointId, Vec<u8>)>,
    /// Whether the send buffer of some socket is full.
    full: bool,
    refused: u64,
    receive_buffer: usize,
    traffic: Traffic,
}

impl ClientSockets {
    /// Opens the sockets for the first `endpoints`; must be called within a tokio runtime. `room`
    /// is the length of the longest datagram that is received, in bytes.
    pub(crate) fn open(
        target: SocketAddr,
        endpoints: u32,
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
                ClientSockets::open_shared(target, first, endpoints, plan, room)
                    .map_err(|source| NetError::Bind { what: "the swarm", address, source })
            }
            _ if plan.threads > 1 => Err(NetError::ThreadsNeedShared),
            _ => {
                let sockets = PerClient::open(target, endpoints, plan, io, room)?;
                Ok(ClientSockets::PerClient(Box::new(sockets)))
            }
        }
    }

    fn open_shared(
        target: SocketAddr,
        first: IpAddr,
        endpoints: u32,
        plan: &SwarmPlan,
        room: usize,
    ) -> io::Result<Self> {
        if plan.threads > 1 {
            let lanes = Lanes::open(target, first, endpoints, plan, room)?;
            return Ok(ClientSockets::Lanes(Box::new(lanes)));
        }
        let bound = BoundSocket::bind(target, first, plan, room)?;
        let spread = Spread::new(vec![bound.plan], endpoints);
        let receive_buffer = bound.receive_buffer;
        let socket = bound.start()?;
        Ok(ClientSockets::Shared(Box::new(Shared { socket, spread, receive_buffer })))
    }

    /// The addresses of endpoints, if they follow from a plan.
    fn spread(&self) -> Option<&Spread> {
        match self {
            ClientSockets::Shared(shared) => Some(&shared.spread),
            ClientSockets::Lanes(lanes) => Some(&lanes.spread),
            ClientSockets::PerClient(_) => None,
        }
    }

    /// The addresses of the clients, for the built-in server, which knows them from the start.
    pub(crate) fn known(&self, clients: u32) -> io::Result<Known> {
        match self {
            ClientSockets::PerClient(sockets) => {
                let sockets = sockets.sockets.iter().take(clients as usize);
                sockets.map(UdpSocket::local_addr).collect::<Result<_, _>>().map(Known::Listed)
            }
            ClientSockets::Shared(shared) => Ok(Known::Planned(shared.spread.clone(), clients)),
            ClientSockets::Lanes(lanes) => Ok(Known::Planned(lanes.spread.clone(), clients)),
        }
    }

    /// The endpoint that has an address.
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Option<EndpointId> {
        match self {
            ClientSockets::PerClient(sockets) => sockets.endpoints.get(&address).copied(),
            shared => shared.spread()?.endpoint(address),
        }
    }

    /// Makes sure that an endpoint has a socket: the next one after those that have, or any of
    /// those.
    pub(crate) fn open_endpoint(&mut self, endpoint: EndpointId) -> io::Result<()> {
        match self {
            ClientSockets::PerClient(sockets) if endpoint as usize >= sockets.sockets.len() => {
                sockets.add(endpoint).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Reads a batch.
    pub(crate) fn fill(&mut self) -> io::Result<Batch> {
        match self {
            ClientSockets::Shared(shared) => shared.socket.fill(),
            ClientSockets::Lanes(lanes) => lanes.fill(),
            ClientSockets::PerClient(sockets) => sockets.fill(),
        }
    }

    /// The datagrams of the last batch, each with the endpoint it was sent to.
    pub(crate) fn each(&self, each: impl FnMut(EndpointId, &[u8])) {
        match self {
            ClientSockets::Shared(shared) => shared.socket.each(each),
            ClientSockets::Lanes(lanes) => lanes.each(each),
            ClientSockets::PerClient(sockets) => sockets.each(each),
        }
    }

    /// Queues a datagram to the server.
    pub(crate) fn send(&mut self, from: EndpointId, payload: &[u8]) {
        match self {
            ClientSockets::Shared(shared) => shared.socket.send(from, payload),
            ClientSockets::Lanes(lanes) => lanes.send(from, payload),
            ClientSockets::PerClient(sockets) => sockets.waiting.push((from, payload.to_vec())),
        }
    }

    /// Whether so many datagrams wait for a full send buffer that no more should be queued. They
    /// get late by that, but are not dropped.
    pub(crate) fn is_congested(&self) -> bool {
        match self {
            ClientSockets::Shared(shared) => {
                shared.socket.full && shared.socket.queue.len() >= MOST_WAITING
            }
            ClientSockets::Lanes(lanes) => lanes.waiting() >= MOST_WAITING * lanes.len(),
            ClientSockets::PerClient(sockets) => {
                sockets.full && sockets.waiting.len() >= MOST_WAITING
            }
        }
    }

    /// Sends what is queued, until the send buffer is full.
    pub(crate) fn flush(&mut self) {
        match self {
            ClientSockets::Shared(shared) => shared.socket.flush(),
            ClientSockets::Lanes(lanes) => lanes.flush(),
            ClientSockets::PerClient(sockets) => sockets.flush(),
        }
    }

    /// Waits until there is something to read, or room in a full send buffer.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        match self {
            ClientSockets::Shared(shared) => shared.socket.ready().await,
            ClientSockets::Lanes(lanes) => lanes.ready().await,
            ClientSockets::PerClient(sockets) => sockets.ready().await,
        }
    }

    /// Sends what is queued at the end of a run. What the send buffer does not take in time is
    /// dropped and counted.
    pub(crate) async fn send_the_rest(&mut self) {
        self.flush();
        if let ClientSockets::Lanes(lanes) = self {
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
            ClientSockets::Shared(shared) => shared.socket.queue.give_up(),
            ClientSockets::Lanes(_) => {}
            ClientSockets::PerClient(sockets) => {
                sockets.refused += sockets.waiting.len() as u64;
                sockets.waiting.clear();
            }
        }
    }

    /// Whether the send buffer was full at the last flush.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            ClientSockets::Shared(shared) => shared.socket.full,
            ClientSockets::Lanes(_) => false,
            ClientSockets::PerClient(sockets) => sockets.full,
        }
    }

    /// Stops reading and sending. Returns the processor time of threads that it had, if it had any.
    pub(crate) fn stop(&mut self) -> Option<Span> {
        match self {
            ClientSockets::Lanes(lanes) => lanes.stop(),
            _ => None,
        }
    }

    /// Datagrams that the kernel dropped because a receive buffer was full, if it tells.
    pub(crate) fn dropped(&self) -> Option<u64> {
        match self {
            ClientSockets::Shared(shared) => shared.socket.dropped(),
            ClientSockets::Lanes(lanes) => lanes.dropped(),
            ClientSockets::PerClient(sockets) => {
                sockets.sockets.iter().map(|socket| dropped(socket).ok()).sum()
            }
        }
    }

    /// Datagrams that the kernel refused, and those that are still queued.
    pub(crate) fn not_sent(&self) -> u64 {
        match self {
            ClientSockets::Shared(shared) => {
                let queue = &shared.socket.queue;
                queue.sender.refused + queue.len() as u64
            }
            ClientSockets::Lanes(lanes) => lanes.refused() + lanes.waiting() as u64,
            ClientSockets::PerClient(sockets) => sockets.refused + sockets.waiting.len() as u64,
        }
    }

    /// Bytes of the receive buffer of each socket.
    pub(crate) fn receive_buffer(&self) -> usize {
        match self {
            ClientSockets::Shared(shared) => shared.receive_buffer,
            ClientSockets::Lanes(lanes) => lanes.receive_buffer,
            ClientSockets::PerClient(sockets) => sockets.receive_buffer,
        }
    }

    /// System calls, and what they carried.
    pub(crate) fn traffic(&self) -> Traffic {
        match self {
            ClientSockets::Shared(shared) => shared.socket.traffic(),
            ClientSockets::Lanes(lanes) => lanes.traffic(),
            ClientSockets::PerClient(sockets) => sockets.traffic,
        }
    }
}

impl PerClient {
    fn open(
        target: SocketAddr,
        endpoints: u32,
        plan: &SwarmPlan,
        io: Io,
        room: usize,
    ) -> Result<Self, NetError> {
        let mut opened = PerClient {
            target,
            plan: *plan,
            sockets: Vec::new(),
            endpoints: HashMap::new(),
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
        for endpoint in 0..endpoints {
            opened.receive_buffer = opened.add(endpoint).map_err(|source| {
                NetError::SocketPerClient { open: endpoint, clients: endpoints, source }
            })?;
        }
        Ok(opened)
    }

    /// Opens the socket of the next endpoint. Returns the bytes of its receive buffer.
    fn add(&mut self, endpoint: EndpointId) -> io::Result<usize> {
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
        self.poller.watch(&socket, endpoint)?;
        self.endpoints.insert(socket.local_addr()?, endpoint);
        self.sockets.push(socket);
        Ok(granted)
    }

    fn fill(&mut self) -> io::Result<Batch> {
        self.received.clear();
        self.bytes.clear();
        let ready = self.poller.ready()?;
        for endpoint in &ready {
            let socket = &self.sockets[*endpoint as usize];
            loop {
                self.traffic.receive_calls += 1;
                match socket.recv(&mut self.buffer) {
                    Ok(length) => {
                        self.traffic.receives += 1;
                        self.traffic.datagrams_received += 1;
                        self.bytes.extend_from_slice(&self.buffer[..length]);
                        self.received.push((*endpoint, length));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    // "Port unreachable" for an earlier datagram, no error of this socket.
                    Err(_) => {}
                }
            }
        }
        Ok(if ready.is_empty() { Batch::Nothing } else { Batch::Full })
    }

    fn each(&self, mut each: impl FnMut(EndpointId, &[u8])) {
        let mut rest = &self.bytes[..];
        for (endpoint, length) in &self.received {
            let (payload, after) = rest.split_at(*length);
            each(*endpoint, payload);
            rest = after;
        }
    }

    fn flush(&mut self) {
        let PerClient { sockets, traffic, refused, waiting, .. } = self;
        // A datagram for a full socket waits, and the others are sent.
        waiting.retain(|(endpoint, payload)| {
            let socket = &sockets[*endpoint as usize];
            // The first attempt may only report the error of an earlier datagram.
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
        let PerClient { poller, full, .. } = self;
        if !*full {
            return poller.wait().await;
        }
        // Every socket has a send buffer of its own, so it is just tried again soon.
        let soon = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            ready = poller.wait() => ready,
            () = soon => Ok(()),
        }
    }
}
