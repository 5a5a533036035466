//! One end of a connection.

use std::collections::VecDeque;
use std::fmt;

use skipbeat_core::{Span, Time};
use skipbeat_protocol::{Frames, write_frame};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::wires::Wires;

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that listens.
    Server,
}

/// What an endpoint may have and how long it tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpOptions {
    /// Bytes of the send and of the receive buffer, each.
    pub buffer: usize,
    /// The connection is dead when what was sent is not acknowledged for longer (RFC 5482).
    pub user_timeout: Span,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions { buffer: 16 * 1024, user_timeout: Span::from_secs(60) }
    }
}

/// Bytes that may wait for room in the send buffer. An application that has more to say to somebody
/// who does not listen gives him up.
const MOST_WAITING: usize = 1 << 20;

/// The port at which servers listen. Each connection is a network of its own.
const PORT: u16 = 9999;

/// One end of a connection.
pub struct Endpoint {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    wires: Wires,
    /// What waits for room in the send buffer.
    waiting: VecDeque<u8>,
    frames: Frames,
    /// Bytes that were put into the send buffer so far.
    sent: u64,
    /// How many of them were acknowledged, and since when no more are, where some wait for it.
    stalled: Option<(u64, Time)>,
    user_timeout: Span,
    /// What was written is the last.
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
    /// An end that listens or connects at once. `seed` draws its initial sequence number.
    pub fn open(now: Time, side: Side, seed: u64, tuning: TcpOptions) -> Self {
        let mut wires = Wires::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut wires, instant(now));
        let address = |side| match side {
            Side::Server => IpAddress::v4(10, 0, 0, 1),
            Side::Client => IpAddress::v4(10, 0, 0, 2),
        };
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(address(side), 24);
            addresses.push(own).expect("there is room for one address");
        });
        let buffer = || SocketBuffer::new(vec![0; tuning.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        // As services do that answer at once (TCP_NODELAY).
        socket.set_nagle_enabled(false);
        match side {
            Side::Server => socket.listen(PORT).expect("the socket is new"),
            Side::Client => {
                let local = (address(side), 49_152 + (seed % 16_384) as u16);
                let remote = (address(Side::Server), PORT);
                socket
                    .connect(interface.context(), remote, local)
                    .expect("the socket is new, and its addresses are");
            }
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Endpoint {
            interface,
            sockets,
            handle,
            wires,
            waiting: VecDeque::new(),
            frames: Frames::default(),
            sent: 0,
            stalled: None,
            user_timeout: tuning.user_timeout,
            closing: false,
            dead: false,
            scratch: Vec::new(),
        }
    }

    /// Takes a datagram to be sent; it goes with the next [`Endpoint::advance`].
    pub fn write(&mut self, datagram: &[u8]) {
        write_frame(datagram, &mut self.scratch);
        self.waiting.extend(&self.scratch);
    }

    /// Nothing more will be written; what was is sent, and then the connection is closed.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// An IP packet came. Each is taken in by itself: the end that sends counts acknowledgements.
    pub fn receive(&mut self, now: Time, packet: Vec<u8>) {
        self.wires.come.push_back(packet);
        self.advance(now);
    }

    /// Does what is to be done at `now`: sends what there is to send, and what nobody acknowledged in
    /// time once more.
    pub fn advance(&mut self, now: Time) {
        if self.dead {
            self.wires.come.clear();
            return;
        }
        loop {
            let moved = self.fill();
            self.interface.poll(instant(now), &mut self.wires, &mut self.sockets);
            if moved + self.drain() == 0 {
                break;
            }
        }
        let given_up = self.gives_up(now) || self.waiting.len() > MOST_WAITING;
        let socket = self.sockets.get_mut::<Socket>(self.handle);
        if given_up {
            socket.abort();
            self.interface.poll(instant(now), &mut self.wires, &mut self.sockets);
        }
        self.dead = self.socket().state() == State::Closed;
    }

    /// Whether nobody has acknowledged anything for too long.
    fn gives_up(&mut self, now: Time) -> bool {
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

    /// Puts what waits into the send buffer; says how many bytes that were.
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

    /// Takes out of the receive buffer what is there; says how many bytes that were.
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

    /// The next IP packet that is to go to the other end.
    pub fn next_packet(&mut self) -> Option<Vec<u8>> {
        self.wires.go.pop_front()
    }

    /// The next datagram that the other end wrote.
    pub fn next_datagram(&mut self) -> Option<Vec<u8>> {
        self.frames.next_frame()
    }

    /// When [`Endpoint::advance`] has something to do though nothing came.
    pub fn next_deadline(&mut self, now: Time) -> Option<Time> {
        if self.dead {
            return None;
        }
        let at = self.interface.poll_at(instant(now), &self.sockets);
        let at = at.map(|at| Time::from_nanos(at.total_micros().max(0) as u64 * 1000));
        // Its clock counts microseconds: what is due now was due with the last call.
        let at = at.map(|at| at.max(now + Span::from_nanos(1000)));
        let given_up =
            self.stalled.map(|(_, since)| since + self.user_timeout + Span::from_nanos(1));
        at.into_iter().chain(given_up).min()
    }

    /// Whether the connection is over: closed, reset by the other end, or given up.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get::<Socket>(self.handle)
    }
}

/// Time as smoltcp has it, in whole microseconds.
fn instant(now: Time) -> Instant {
    Instant::from_micros((now.nanos() / 1000) as i64)
}
