//! One socket that speaks for many addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skipbeat_core::{AddressPlan, EndpointId};
use skipbeat_measure::Traffic;
use skipbeat_scenario::SwarmPlan;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::queue::SendQueue;
use crate::wire::{Batch, Io, Receiver};
use skipbeat_sys::{
    allow_any_address, dropped, set_receive_buffer, want_coalesced, want_local_address,
};

/// Room for several datagrams that were received as one.
const COALESCED: usize = 65_535;

/// One socket bound to the wildcard address; packet information says and sets which of the
/// addresses of the plan a datagram is for.
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

/// The same before a tokio runtime has it.
pub(crate) struct BoundSocket {
    socket: Socket,
    target: SocketAddr,
    pub(crate) plan: AddressPlan,
    /// Bytes of its receive buffer.
    pub(crate) receive_buffer: usize,
    room: usize,
}

impl BoundSocket {
    /// Binds it; it will send to a target. `room` is for the longest datagram.
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
        let plan_of_addresses = AddressPlan { first, port };
        let room = if plan.gro { COALESCED } else { room };
        Ok(BoundSocket { socket, target, plan: plan_of_addresses, receive_buffer, room })
    }

    /// Gives it to the tokio runtime in which this is called.
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

    /// The datagrams of the last batch, each with the place it is for.
    pub(crate) fn each(&self, mut each: impl FnMut(EndpointId, &[u8])) {
        self.receiver.each(|datagram| {
            if let Some(endpoint) = datagram.to.and_then(|to| self.plan.endpoint(to)) {
                each(endpoint, datagram.payload);
            }
        });
    }

    /// Adds a datagram to those that wait to be sent.
    pub(crate) fn send(&mut self, from: EndpointId, payload: &[u8]) {
        let payload = self.queue.payload(payload);
        self.queue.push(self.target, Some(self.plan.ip(from)), payload);
    }

    /// Sends what waits, as far as the send buffer takes it.
    pub(crate) fn flush(&mut self) {
        self.full = !self.queue.flush(&self.socket);
    }

    /// Waits until there is something to read, or room for what waits to be sent.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        tokio::select! {
            ready = self.socket.readable() => ready,
            ready = self.socket.writable(), if self.full => ready,
        }
    }

    /// Datagrams that the socket threw away, where the system says.
    pub(crate) fn dropped(&self) -> Option<u64> {
        dropped(&self.socket).ok()
    }

    /// What the socket did.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = self.traffic;
        traffic.add(&self.queue.sender.traffic);
        traffic
    }
}
