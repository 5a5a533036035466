//! How the clients of a swarm reach the server: one socket that speaks for thousands of loopback
//! addresses, or a socket each.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skipbeat_core::{AddressPlan, Place};
use skipbeat_scenario::{Sockets, SwarmPlan};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::NetError;
use crate::peers::Known;
use crate::queue::SendQueue;
use crate::sys::{
    allow_any_address, dropped, set_receive_buffer, want_coalesced, want_local_address,
};
use crate::wire::{Batch, Io, Poller, Receiver};
use skipbeat_measure::Traffic;

/// Room for several datagrams that were received as one.
const COALESCED: usize = 65_535;
/// Datagrams that wait for a full send buffer before clients have to wait themselves.
const MOST_WAITING: usize = 1024;

/// The sockets of a swarm.
pub(crate) enum Transport {
    Shared(Box<SharedSocket>),
    PerClient(Box<SocketEach>),
}

/// One socket bound to the wildcard address; packet information says and sets which of the
/// addresses of the plan a datagram is for.
pub(crate) struct SharedSocket {
    socket: UdpSocket,
    target: SocketAddr,
    plan: AddressPlan,
    receiver: Receiver,
    traffic: Traffic,
    queue: SendQueue,
    /// Whether the send buffer is full.
    full: bool,
    receive_buffer: usize,
    /// Whether the drop counter counts what was received as one as one.
    gro: bool,
}

/// A connected socket for every place.
pub(crate) struct SocketEach {
    target: SocketAddr,
    /// What was asked for each socket's buffers.
    plan: SwarmPlan,
    sockets: Vec<std::net::UdpSocket>,
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
                let shared = SharedSocket::open(target, first, plan, room);
                shared.map(|shared| Transport::Shared(Box::new(shared))).map_err(|source| {
                    let any = if first.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                    let address = any.parse().expect("an address");
                    NetError::Bind { what: "the swarm", address, source }
                })
            }
            _ => SocketEach::open(target, places, plan, io, room)
                .map(|each| Transport::PerClient(Box::new(each))),
        }
    }

    /// The address of a place.
    pub(crate) fn address(&self, place: Place) -> io::Result<SocketAddr> {
        match self {
            Transport::Shared(shared) => Ok(shared.plan.address(place)),
            Transport::PerClient(sockets) => sockets.sockets[place as usize].local_addr(),
        }
    }

    /// The addresses of the first places, for a server that knows them from the start.
    pub(crate) fn known(&self, clients: u32) -> io::Result<Known> {
        match self {
            Transport::Shared(shared) => Ok(Known::Planned(shared.plan, clients)),
            Transport::PerClient(_) => (0..clients)
                .map(|place| self.address(place))
                .collect::<Result<_, _>>()
                .map(Known::Listed),
        }
    }

    /// The place at an address.
    pub(crate) fn place(&self, address: SocketAddr) -> Option<Place> {
        match self {
            Transport::Shared(shared) if address.port() == shared.plan.port => {
                shared.plan.place(address.ip())
            }
            Transport::Shared(_) => None,
            Transport::PerClient(sockets) => sockets.places.get(&address).copied(),
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
            Transport::Shared(shared) => {
                let SharedSocket { socket, receiver, traffic, .. } = &mut **shared;
                receiver.receive(socket, traffic)
            }
            Transport::PerClient(sockets) => sockets.fill(),
        }
    }

    /// The datagrams of the last batch, each with the place it is for.
    pub(crate) fn each(&self, mut each: impl FnMut(Place, &[u8])) {
        match self {
            Transport::Shared(shared) => shared.receiver.each(|datagram| {
                if let Some(place) = datagram.to.and_then(|to| shared.plan.place(to)) {
                    each(place, datagram.payload);
                }
            }),
            Transport::PerClient(sockets) => sockets.each(each),
        }
    }

    /// Adds a datagram to those that wait to be sent.
    pub(crate) fn send(&mut self, from: Place, payload: &[u8]) {
        match self {
            Transport::Shared(shared) => {
                let SharedSocket { queue, target, plan, .. } = &mut **shared;
                let payload = queue.payload(payload);
                queue.push(*target, Some(plan.ip(from)), payload);
            }
            Transport::PerClient(sockets) => sockets.waiting.push((from, payload.to_vec())),
        }
    }

    /// Whether so many wait for a full send buffer that clients have to wait as well: what is not
    /// sent in time is late, and nothing is dropped.
    pub(crate) fn is_jammed(&self) -> bool {
        self.is_full() && self.waiting() >= MOST_WAITING
    }

    /// Sends what waits, as far as the send buffer takes it.
    pub(crate) fn flush(&mut self) {
        match self {
            Transport::Shared(shared) => {
                let SharedSocket { socket, queue, full, .. } = &mut **shared;
                *full = !queue.flush(socket);
            }
            Transport::PerClient(sockets) => sockets.flush(),
        }
    }

    /// Whether something waits because the send buffer was full at the last flush.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Transport::Shared(shared) => shared.full,
            Transport::PerClient(sockets) => sockets.full,
        }
    }

    fn waiting(&self) -> usize {
        match self {
            Transport::Shared(shared) => shared.queue.len(),
            Transport::PerClient(sockets) => sockets.waiting.len(),
        }
    }

    /// Waits until there is something to read, or room for what waits to be sent.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        match self {
            Transport::Shared(shared) => {
                let SharedSocket { socket, full, .. } = &**shared;
                tokio::select! {
                    ready = socket.readable() => ready,
                    ready = socket.writable(), if *full => ready,
                }
            }
            Transport::PerClient(sockets) => {
                let SocketEach { poller, full, .. } = &mut **sockets;
                if !*full {
                    return poller.wait().await;
                }
                // A buffer of its own for each: whether one has room is asked again soon.
                let soon = tokio::time::sleep(std::time::Duration::from_millis(1));
                tokio::select! {
                    ready = poller.wait() => ready,
                    () = soon => Ok(()),
                }
            }
        }
    }

    /// Datagrams that our sockets threw away before they were read, where the system says. What was
    /// received as one counts as one: then `missing` says how many datagrams that were.
    pub(crate) fn dropped(&self, missing: Option<u64>) -> Option<u64> {
        match self {
            Transport::Shared(shared) => {
                let counted = dropped(&shared.socket).ok()?;
                let more = missing.filter(|_| shared.gro && counted > 0);
                Some(more.map_or(counted, |missing| missing.max(counted)))
            }
            Transport::PerClient(sockets) => {
                sockets.sockets.iter().map(|socket| dropped(socket).ok()).sum()
            }
        }
    }

    /// Datagrams that the kernel did not take, those that still wait included.
    pub(crate) fn not_sent(&self) -> u64 {
        let refused = match self {
            Transport::Shared(shared) => shared.queue.sender.refused,
            Transport::PerClient(sockets) => sockets.refused,
        };
        refused + self.waiting() as u64
    }

    /// Bytes of receive buffer of each socket.
    pub(crate) fn receive_buffer(&self) -> usize {
        match self {
            Transport::Shared(shared) => shared.receive_buffer,
            Transport::PerClient(sockets) => sockets.receive_buffer,
        }
    }

    /// What the sockets did.
    pub(crate) fn traffic(&self) -> Traffic {
        match self {
            Transport::Shared(shared) => {
                let mut traffic = shared.traffic;
                traffic.add(&shared.queue.sender.traffic);
                traffic
            }
            Transport::PerClient(sockets) => sockets.traffic,
        }
    }
}

impl SharedSocket {
    fn open(target: SocketAddr, first: IpAddr, plan: &SwarmPlan, room: usize) -> io::Result<Self> {
        let v6 = first.is_ipv6();
        let any = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let address = SocketAddr::new(any, 0);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        want_local_address(&socket, v6)?;
        if plan.addresses.is_some() {
            allow_any_address(&socket, v6)?;
        }
        if plan.gro {
            want_coalesced(&socket)?;
        }
        let receive_buffer = set_receive_buffer(&socket, plan.receive_buffer)?;
        if let Some(bytes) = plan.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(&address.into())?;
        let queue = SendQueue::new(Io::Batched, &socket);
        let socket = UdpSocket::from_std(socket.into())?;
        let port = socket.local_addr()?.port();
        Ok(SharedSocket {
            socket,
            target,
            plan: AddressPlan { first, port },
            receiver: Receiver::new(Io::Batched, if plan.gro { COALESCED } else { room }),
            traffic: Traffic::default(),
            queue,
            full: false,
            receive_buffer,
            gro: plan.gro,
        })
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
        let socket = Socket::from(std::net::UdpSocket::bind(any)?);
        socket.set_nonblocking(true)?;
        let granted = match self.plan.receive_buffer {
            Some(bytes) => set_receive_buffer(&socket, Some(bytes))?,
            None => socket.recv_buffer_size()?,
        };
        if let Some(bytes) = self.plan.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.connect(&self.target.into())?;
        let socket = std::net::UdpSocket::from(socket);
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
}
