//! How the clients of a swarm reach the server: one socket that speaks for thousands of loopback
//! addresses, or a socket each.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use skipbeat_core::{AddressPlan, ClientId};
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
    clients: u32,
    batch: ReceiveBatch,
    queue: SendQueue,
    receive_buffer: usize,
}

/// A connected socket for every client.
pub(crate) struct SocketEach {
    sockets: Vec<std::net::UdpSocket>,
    poller: Poller,
    buffer: Vec<u8>,
    /// The last batch: whose and how long, and the bytes one after the other.
    received: Vec<(ClientId, usize)>,
    bytes: Vec<u8>,
    waiting: Vec<(ClientId, Vec<u8>)>,
    refused: u64,
    receive_buffer: usize,
}

impl Transport {
    /// Opens the sockets; must be called within a tokio runtime.
    pub(crate) fn open(
        target: SocketAddr,
        clients: u32,
        how: Sockets,
        receive_buffer: Option<usize>,
        room: usize,
    ) -> Result<Self, NetError> {
        let loopback = matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback());
        match how {
            Sockets::Shared if !loopback => Err(NetError::NotLoopback { target }),
            Sockets::Auto | Sockets::Shared if loopback => {
                SharedSocket::open(target, clients, receive_buffer, room)
                    .map(Transport::Shared)
                    .map_err(|source| NetError::Bind {
                        what: "the swarm",
                        address: SocketAddr::from(([0, 0, 0, 0], 0)),
                        source,
                    })
            }
            _ => SocketEach::open(target, clients, receive_buffer, room).map(Transport::PerClient),
        }
    }

    /// The addresses of the clients in order.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Transport::Shared(s) => Ok((0..s.clients).map(|n| s.plan.address(n)).collect()),
            Transport::PerClient(s) => s.sockets.iter().map(|socket| socket.local_addr()).collect(),
        }
    }

    /// Reads a batch; says whether there may be more.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        match self {
            Transport::Shared(shared) => shared.fill(),
            Transport::PerClient(sockets) => sockets.fill(),
        }
    }

    /// The datagrams of the last batch, each with the client it is for.
    pub(crate) fn each(&self, each: impl FnMut(ClientId, &[u8])) {
        match self {
            Transport::Shared(shared) => shared.each(each),
            Transport::PerClient(sockets) => sockets.each(each),
        }
    }

    /// Adds a datagram to those that wait to be sent.
    pub(crate) fn send(&mut self, client: ClientId, payload: &[u8]) {
        match self {
            Transport::Shared(SharedSocket { queue, target, .. }) => {
                let payload = queue.payload(payload);
                queue.push(*target, Some(AddressPlan::ip(client)), payload);
            }
            Transport::PerClient(sockets) => sockets.waiting.push((client, payload.to_vec())),
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
    fn open(
        target: SocketAddr,
        clients: u32,
        receive_buffer: Option<usize>,
        room: usize,
    ) -> io::Result<Self> {
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
            clients,
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

    fn each(&self, mut each: impl FnMut(ClientId, &[u8])) {
        for datagram in self.batch.iter() {
            let client = datagram.to.and_then(AddressPlan::client);
            if let Some(client) = client.filter(|client| *client < self.clients) {
                each(client, datagram.payload);
            }
        }
    }
}

impl SocketEach {
    fn open(
        target: SocketAddr,
        clients: u32,
        receive_buffer: Option<usize>,
        room: usize,
    ) -> Result<Self, NetError> {
        let poller = Poller::new().map_err(NetError::Socket)?;
        let mut granted = 0;
        let mut open = |client: u32| {
            let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = Socket::from(std::net::UdpSocket::bind(any)?);
            socket.set_nonblocking(true)?;
            granted = match receive_buffer {
                Some(_) => set_receive_buffer(&socket, receive_buffer)?,
                None => socket.recv_buffer_size()?,
            };
            socket.connect(&target.into())?;
            poller.watch(&socket, client)?;
            Ok(socket.into())
        };
        let sockets: Result<Vec<std::net::UdpSocket>, (u32, io::Error)> =
            (0..clients).map(|client| open(client).map_err(|source| (client, source))).collect();
        let sockets = sockets.map_err(|(open, source)| NetError::SocketPerClient {
            open,
            clients,
            source,
        })?;
        Ok(SocketEach {
            sockets,
            poller,
            buffer: vec![0; room],
            received: Vec::new(),
            bytes: Vec::new(),
            waiting: Vec::new(),
            refused: 0,
            receive_buffer: granted,
        })
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

    fn each(&self, mut each: impl FnMut(ClientId, &[u8])) {
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
