//! How the clients of a swarm reach the server: one socket that speaks for thousands of loopback
//! addresses, or a socket each.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use skipbeat_core::{AddressPlan, Place};
use skipbeat_scenario::Sockets;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::NetError;
use crate::sys::{
    Poller, ReceiveBatch, SendQueue, dropped, set_receive_buffer, want_local_address,
};

/// The sockets of a swarm.
pub(crate) enum Transport {
    Shared(SharedSocket),
    PerClient(SocketEach),
}

/// One socket bound to the wildcard address; packet information says and sets which of the
/// 127/8 addresses a datagram is for.
pub(crate) struct SharedSocket {
    socket: UdpSocket,
    target: SocketAddr,
    plan: AddressPlan,
    batch: ReceiveBatch,
    queue: SendQueue,
    receive_buffer: usize,
}

/// A connected socket for every place.
pub(crate) struct SocketEach {
    target: SocketAddr,
    /// What was asked for each socket's receive buffer.
    asked: Option<usize>,
    sockets: Vec<std::net::UdpSocket>,
    places: HashMap<SocketAddr, Place>,
    poller: Poller,
    buffer: Vec<u8>,
    /// The last batch: whose and how long, and the bytes one after the other.
    received: Vec<(Place, usize)>,
    bytes: Vec<u8>,
    waiting: Vec<(Place, Vec<u8>)>,
    refused: u64,
    receive_buffer: usize,
}

impl Transport {
    /// Opens the sockets for the first places; must be called within a tokio runtime.
    pub(crate) fn open(
        target: SocketAddr,
        places: u32,
        how: Sockets,
        receive_buffer: Option<usize>,
        room: usize,
    ) -> Result<Self, NetError> {
        let loopback = matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback());
        match how {
            Sockets::Shared if !loopback => Err(NetError::NotLoopback { target }),
            Sockets::Auto | Sockets::Shared if loopback => {
                SharedSocket::open(target, receive_buffer, room).map(Transport::Shared).map_err(
                    |source| NetError::Bind {
                        what: "the swarm",
                        address: SocketAddr::from(([0, 0, 0, 0], 0)),
                        source,
                    },
                )
            }
            _ => SocketEach::open(target, places, receive_buffer, room).map(Transport::PerClient),
        }
    }

    /// The address of a place.
    pub(crate) fn address(&self, place: Place) -> io::Result<SocketAddr> {
        match self {
            Transport::Shared(shared) => Ok(shared.plan.address(place)),
            Transport::PerClient(sockets) => sockets.sockets[place as usize].local_addr(),
        }
    }

    /// The place at an address.
    pub(crate) fn place(&self, address: SocketAddr) -> Option<Place> {
        match (self, address) {
            (Transport::Shared(shared), SocketAddr::V4(v4)) if v4.port() == shared.plan.port => {
                AddressPlan::place(*v4.ip())
            }
            (Transport::Shared(_), _) => None,
            (Transport::PerClient(sockets), _) => sockets.places.get(&address).copied(),
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

    /// Reads a batch; says whether there may be more.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        match self {
            Transport::Shared(shared) => shared.fill(),
            Transport::PerClient(sockets) => sockets.fill(),
        }
    }

    /// The datagrams of the last batch, each with the place it is for.
    pub(crate) fn each(&self, each: impl FnMut(Place, &[u8])) {
        match self {
            Transport::Shared(shared) => shared.each(each),
            Transport::PerClient(sockets) => sockets.each(each),
        }
    }

    /// Adds a datagram to those that wait to be sent.
    pub(crate) fn send(&mut self, from: Place, payload: &[u8]) {
        match self {
            Transport::Shared(SharedSocket { queue, target, .. }) => {
                let payload = queue.payload(payload);
                queue.push(*target, Some(AddressPlan::ip(from)), payload);
            }
            Transport::PerClient(sockets) => sockets.waiting.push((from, payload.to_vec())),
        }
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Shared(SharedSocket { socket, queue, .. }) => {
                while queue.len() > 0 {
                    if socket.try_io(Interest::WRITABLE, || queue.flush(socket)).is_err() {
                        socket.writable().await?;
                    }
                }
                Ok(())
            }
            Transport::PerClient(sockets) => {
                sockets.flush();
                Ok(())
            }
        }
    }

    /// Waits until there is something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Transport::Shared(shared) => shared.socket.readable().await,
            Transport::PerClient(sockets) => sockets.poller.wait().await,
        }
    }

    /// Datagrams that our sockets threw away before they were read.
    pub(crate) fn dropped(&self) -> io::Result<u64> {
        match self {
            Transport::Shared(shared) => dropped(&shared.socket),
            Transport::PerClient(sockets) => sockets.sockets.iter().map(dropped).sum(),
        }
    }

    /// Datagrams that the kernel did not take.
    pub(crate) fn not_sent(&self) -> u64 {
        match self {
            Transport::Shared(shared) => shared.queue.refused,
            Transport::PerClient(sockets) => sockets.refused,
        }
    }

    /// Bytes of receive buffer of each socket.
    pub(crate) fn receive_buffer(&self) -> usize {
        match self {
            Transport::Shared(shared) => shared.receive_buffer,
            Transport::PerClient(sockets) => sockets.receive_buffer,
        }
    }
}

impl SharedSocket {
    fn open(target: SocketAddr, receive_buffer: Option<usize>, room: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        want_local_address(&socket)?;
        let receive_buffer = set_receive_buffer(&socket, receive_buffer)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let plan = AddressPlan { port: socket.local_addr()?.port() };
        Ok(SharedSocket {
            socket,
            target,
            plan,
            batch: ReceiveBatch::new(room),
            queue: SendQueue::default(),
            receive_buffer,
        })
    }

    fn fill(&mut self) -> io::Result<bool> {
        let SharedSocket { socket, batch, .. } = self;
        match batch.receive_watched(socket) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                batch.clear();
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn each(&self, mut each: impl FnMut(Place, &[u8])) {
        for datagram in self.batch.iter() {
            if let Some(place) = datagram.to.and_then(AddressPlan::place) {
                each(place, datagram.payload);
            }
        }
    }
}

impl SocketEach {
    fn open(
        target: SocketAddr,
        places: u32,
        asked: Option<usize>,
        room: usize,
    ) -> Result<Self, NetError> {
        let mut each = SocketEach {
            target,
            asked,
            sockets: Vec::new(),
            places: HashMap::new(),
            poller: Poller::new().map_err(NetError::Socket)?,
            buffer: vec![0; room],
            received: Vec::new(),
            bytes: Vec::new(),
            waiting: Vec::new(),
            refused: 0,
            receive_buffer: 0,
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
        let granted = match self.asked {
            Some(_) => set_receive_buffer(&socket, self.asked)?,
            None => socket.recv_buffer_size()?,
        };
        socket.connect(&self.target.into())?;
        self.poller.watch(&socket, place)?;
        let socket = std::net::UdpSocket::from(socket);
        self.places.insert(socket.local_addr()?, place);
        self.sockets.push(socket);
        Ok(granted)
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.received.clear();
        self.bytes.clear();
        let ready = self.poller.ready()?;
        for client in &ready {
            let socket = &self.sockets[*client as usize];
            loop {
                match socket.recv(&mut self.buffer) {
                    Ok(length) => {
                        self.bytes.extend_from_slice(&self.buffer[..length]);
                        self.received.push((*client, length));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    // "Port unreachable" for an earlier datagram: it says nothing of this socket.
                    Err(_) => {}
                }
            }
        }
        Ok(!ready.is_empty())
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
        for (client, payload) in self.waiting.drain(..) {
            let socket = &self.sockets[client as usize];
            // The first try may only fetch the error of an earlier datagram.
            if socket.send(&payload).is_err() && socket.send(&payload).is_err() {
                self.refused += 1;
            }
        }
    }
}
