//! One socket that sends from and receives at many local addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skipbeat_core::{AddressPlan, EndpointId};
use skipbeat_measure::Traffic;
use skipbeat_scenario::SwarmPlan;
use skipbeat_sys::{
    allow_any_address, dropped, set_receive_buffer, want_coalesced, want_local_address,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::queue::SendQueue;
use crate::wire::{Batch, Io, Receiver};

/// Bytes of a receive buffer if several datagrams may be received as one.
const COALESCED: usize = 65_535;

/// A socket that is bound to the wildcard address. By packet information it sends from and receives
/// at all addresses of a plan.
pub(crate) struct SharedSocket {
    socket: UdpSocket,
    target: SocketAddr,
    plan: AddressPlan,
    receiver: Receiver,
    traffic: Traffic,
    pub(crate) queue: SendQueue,
    /// Whether the send buffer was full at the last flush.
    pub(crate) full: bool,
}

/// Such a socket before it is registered with a tokio runtime.
pub(crate) struct BoundSocket {
    socket: Socket,
    target: SocketAddr,
    pub(crate) plan: AddressPlan,
    /// Bytes of the receive buffer that the system granted.
    pub(crate) receive_buffer: usize,
    room: usize,
}

impl BoundSocket {
    /// Binds a socket that sends to `target` from the addresses beginning at `first`. `room` is the
    /// length of the longest datagram that is received, in bytes.
    pub(crate) fn bind(
        target: SocketAddr,
        first: IpAddr,
        plan: &SwarmPlan,
        room: usize,
    ) -> io::Result<Self> {
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
        let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        let addresses = AddressPlan { first, port };
        let room = if plan.gro { COALESCED } else { room };
        Ok(BoundSocket { socket, target, plan: addresses, receive_buffer, room })
    }

    /// Registers the socket with the tokio runtime in which this is called.
    pub(crate) fn start(self) -> io::Result<SharedSocket> {
        let BoundSocket { socket, target, plan, room, .. } = self;
        Ok(SharedSocket {
            queue: SendQueue::new(Io::Batched, &socket),
            socket: UdpSocket::from_std(socket.into())?,
            target,
            plan,
            receiver: Receiver::new(Io::Batched, room),
            traffic: Traffic::default(),
            full: false,
        })
    }
}

impl SharedSocket {
    /// Reads a batch.
    pub(crate) fn fill(&mut self) -> io::Result<Batch> {
        self.receiver.receive(&self.socket, &mut self.traffic)
    }

    /// The datagrams of the last batch, each with the endpoint it was sent to.
    pub(crate) fn each(&self, mut each: impl FnMut(EndpointId, &[u8])) {
        self.receiver.each(|datagram| {
            if let Some(endpoint) = datagram.to.and_then(|to| self.plan.endpoint(to)) {
                each(endpoint, datagram.payload);
            }
        });
    }

    /// Queues a datagram to the target.
    pub(crate) fn send(&mut self, from: EndpointId, payload: &[u8]) {
        let payload = self.queue.payload(payload);
        self.queue.push(self.target, Some(self.plan.ip(from)), payload);
    }

    /// Sends what is queued, until the send buffer is full.
    pub(crate) fn flush(&mut self) {
        self.full = !self.queue.flush(&self.socket);
    }

    /// Waits until there is something to read, or room in a full send buffer.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        tokio::select! {
            ready = self.socket.readable() => ready,
            ready = self.socket.writable(), if self.full => ready,
        }
    }

    /// Datagrams that the kernel dropped because the receive buffer was full, if it tells.
    pub(crate) fn dropped(&self) -> Option<u64> {
        dropped(&self.socket).ok()
    }

    /// System calls, and what they carried.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = self.traffic;
        traffic.add(&self.queue.sender.traffic);
        traffic
    }
}
