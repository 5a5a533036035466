//! One end of a TCP connection, driven by the caller: packets in, packets out, and a deadline.

use std::collections::VecDeque;
use std::fmt;

use skipbeat_core::{Span, Time};
use skipbeat_protocol::{Frames, write_frame};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::packets::PacketQueues;

/// Which end of a connection an [`Endpoint`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConnectionEnd {
    /// The end that connects.
    Client,
    /// The end that listens.
    Server,
}

/// The memory of an [`Endpoint`], and its patience.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpOptions {
    /// The size of the send buffer in bytes, and that of the receive buffer. It bounds the
    /// throughput: no more than one buffer is in flight per round trip. By default 16 KiB.
    pub buffer: usize,
    /// How long sent data may wait for any acknowledgement before the connection is aborted, and
    /// how long the handshake may take (the user timeout of RFC 5482). By default 60 s.
    pub user_timeout: Span,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions { buffer: 16 * 1024, user_timeout: Span::from_secs(60) }
    }
}

/// The most bytes that may wait for room in the send buffer. Beyond it the connection is aborted,
/// as an application drops a peer that does not read.
const MAX_WAITING: usize = 1 << 20;

/// The port of the server. Every connection has a network of its own, so one port is enough.
const PORT: u16 = 9999;

/// One end of a TCP connection.
///
/// The owner passes on each packet from [`Endpoint::next_packet`] to the other end's
/// [`Endpoint::receive`], and calls [`Endpoint::advance`] after writes, after packets came, and
/// when [`Endpoint::next_deadline`] comes. A late call is harmless: it only acts later.
pub struct Endpoint {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    packets: PacketQueues,
    /// Bytes that wait for room in the send buffer.
    waiting: VecDeque<u8>,
    frames: Frames,
    /// Bytes put into the send buffer so far.
    sent: u64,
    /// While data or the handshake waits for an acknowledgement: the bytes acknowledged so far, and
    /// the time since which that count has not moved.
    stalled: Option<(u64, Time)>,
    user_timeout: Span,
    /// Whether to close the connection once everything written has been sent.
    closing: bool,
    dead: bool,
    scratch: Vec<u8>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("state", &self.socket().state()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Opens an end that starts to listen or to connect at `now`. `seed` decides the initial
    /// sequence number and the client's port, so that a run repeats.
    pub fn open(now: Time, side: ConnectionEnd, seed: u64, options: TcpOptions) -> Self {
        let mut packets = PacketQueues::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut packets, instant(now));
        let address = |side| match side {
            ConnectionEnd::Server => IpAddress::v4(10, 0, 0, 1),
            ConnectionEnd::Client => IpAddress::v4(10, 0, 0, 2),
        };
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(address(side), 24);
            addresses.push(own).expect("there is room for one address");
        });
        let buffer = || SocketBuffer::new(vec![0; options.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        // As with TCP_NODELAY, which interactive services set.
        socket.set_nagle_enabled(false);
        match side {
            ConnectionEnd::Server => socket.listen(PORT).expect("the socket is new"),
            ConnectionEnd::Client => {
                let local = (address(side), 49_152 + (seed % 16_384) as u16);
                let remote = (address(ConnectionEnd::Server), PORT);
                socket
                    .connect(interface.context(), remote, local)
                    .expect("the socket is new, and its addresses are valid");
            }
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Endpoint {
            interface,
            sockets,
            handle,
            packets,
            waiting: VecDeque::new(),
            frames: Frames::default(),
            sent: 0,
            stalled: None,
            user_timeout: options.user_timeout,
            closing: false,
            dead: false,
            scratch: Vec::new(),
        }
    }

    /// Queues a datagram, which the next [`Endpoint::advance`] sends as far as the window allows.
    /// Of one longer than 65,535 bytes the rest is cut off: its length takes two bytes.
    pub fn write(&mut self, datagram: &[u8]) {
        write_frame(datagram, &mut self.scratch);
        self.waiting.extend(&self.scratch);
    }

    /// Closes the connection once everything written so far has been sent.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Takes an IP packet from the other end and answers it at once. Bytes that waited for the
    /// handshake go out with the next [`Endpoint::advance`]. Packets must not be collected and
    /// handled together: the other end counts duplicate acknowledgements, and so needs one for
    /// each.
    pub fn receive(&mut self, now: Time, packet: Vec<u8>) {
        self.packets.incoming.push_back(packet);
        self.advance(now);
    }

    /// Does what is due at `now`: sends, retransmits, and aborts a connection that has stalled for
    /// longer than the user timeout.
    pub fn advance(&mut self, now: Time) {
        if self.dead {
            self.packets.incoming.clear();
            return;
        }
        loop {
            let moved = self.fill();
            self.interface.poll(instant(now), &mut self.packets, &mut self.sockets);
            if moved + self.drain() == 0 {
                break;
            }
        }
        let give_up = self.has_stalled(now) || self.waiting.len() > MAX_WAITING;
        let socket = self.sockets.get_mut::<Socket>(self.handle);
        if give_up {
            socket.abort();
            self.interface.poll(instant(now), &mut self.packets, &mut self.sockets);
        }
        self.dead = self.socket().state() == State::Closed;
    }

    /// Whether nothing has been acknowledged for longer than the user timeout.
    fn has_stalled(&mut self, now: Time) -> bool {
        let socket = self.socket();
        let connecting = matches!(socket.state(), State::SynSent | State::SynReceived);
        let acknowledged = self.sent - socket.send_queue() as u64;
        if socket.send_queue() == 0 && !connecting {
            self.stalled = None;
        } else if self.stalled.is_none_or(|(before, _)| before != acknowledged) {
            self.stalled = Some((acknowledged, now));
        }
        self.stalled.is_some_and(|(_, since)| now.since(since) > self.user_timeout)
    }

    /// Moves waiting bytes into the send buffer, and returns how many.
    fn fill(&mut self) -> usize {
        let socket = self.sockets.get_mut::<Socket>(self.handle);
        let mut moved = 0;
        while socket.can_send() && !self.waiting.is_empty() {
            let (bytes, _) = self.waiting.as_slices();
            let Ok(taken @ 1..) = socket.send_slice(bytes) else { break };
            self.waiting.drain(..taken);
            moved += taken;
            self.sent += taken as u64;
        }
        if self.closing && self.waiting.is_empty() && socket.may_send() {
            socket.close();
        }
        moved
    }

    /// Moves all bytes out of the receive buffer, and returns how many.
    fn drain(&mut self) -> usize {
        let socket = self.sockets.get_mut::<Socket>(self.handle);
        let mut moved = 0;
        while socket.can_recv() {
            let frames = &mut self.frames;
            let taken = socket.recv(|bytes| {
                frames.push(bytes);
                (bytes.len(), bytes.len())
            });
            let Ok(taken @ 1..) = taken else { break };
            moved += taken;
        }
        moved
    }

    /// Takes the next IP packet for the other end. Call it until it returns `None`, after every
    /// [`Endpoint::advance`] and [`Endpoint::receive`].
    pub fn next_packet(&mut self) -> Option<Vec<u8>> {
        self.packets.outgoing.pop_front()
    }

    /// Takes the next datagram that the other end wrote, once all of it has arrived.
    pub fn next_datagram(&mut self) -> Option<Vec<u8>> {
        self.frames.next_frame()
    }

    /// The time at which to call [`Endpoint::advance`] if no packet comes before, or `None`
    /// if nothing is pending.
    pub fn next_deadline(&mut self, now: Time) -> Option<Time> {
        if self.dead {
            return None;
        }
        let at = self.interface.poll_at(instant(now), &self.sockets);
        let at = at.map(|at| Time::from_nanos(at.total_micros().max(0) as u64 * 1000));
        // smoltcp counts whole microseconds, so a time at or before `now` belongs to a call that
        // has been made already.
        let at = at.map(|at| at.max(now + Span::from_nanos(1000)));
        let abort = self.stalled.map(|(_, since)| since + self.user_timeout + Span::from_nanos(1));
        at.into_iter().chain(abort).min()
    }

    /// Whether the connection is over: closed by both ends, reset by the other one, or aborted.
    /// Datagrams that arrived before can still be taken.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get::<Socket>(self.handle)
    }
}

/// The time for smoltcp, rounded down to whole microseconds.
fn instant(now: Time) -> Instant {
    Instant::from_micros((now.nanos() / 1000) as i64)
}
