//! Sockets, timers and pollers in both forms of `skipbeat-sys`: the calls of Linux, or tokio's
//! plain ones. What the kernel refuses to send is sent later or in another form, or counted.

use std::io;

use skipbeat_core::Span;
use skipbeat_measure::Traffic;
use skipbeat_sys::{self as sys, BATCH, Received, SendRefusal, plain};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::message::MessageQueue;

/// Which system calls are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Io {
    /// Those of Linux: `sendmmsg` and `recvmmsg`, packet information, segmentation offload. The
    /// default where the crate is built with them.
    Batched,
    /// Those that every system has: one datagram for each call, through tokio.
    Portable,
}

impl Default for Io {
    fn default() -> Self {
        if sys::BATCHED { Io::Batched } else { Io::Portable }
    }
}

impl Io {
    /// `batched` or `portable`, as in `host.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Io::Batched => "batched",
            Io::Portable => "portable",
        }
    }
}

/// The most datagrams of one message: what every kernel with segmentation offload accepts.
pub(crate) const MOST_SEGMENTS: usize = 64;

/// After so many refusals in a row, no more messages of several datagrams are tried.
const MOST_REFUSALS: u32 = 16;

/// Sends messages, and sends those that the kernel refuses in another form where there is one.
#[derive(Debug)]
pub(crate) struct Sender {
    io: Io,
    v6: bool,
    /// Datagrams that one message may have; one if the kernel or the path does not support more.
    segments: usize,
    /// How many messages of several datagrams were refused in a row.
    refusals: u32,
    /// Why `segments` is one, unless no more were asked for.
    pub(crate) without_segments: Option<&'static str>,
    /// Whether the kernel may fragment datagrams.
    fragments: bool,
    pub(crate) traffic: Traffic,
    /// Datagrams that the kernel refused for good.
    pub(crate) refused: u64,
}

impl Sender {
    /// A sender for a socket, with up to `segments` datagrams in a message.
    pub(crate) fn new(io: Io, socket: &Socket, segments: usize) -> Self {
        let v6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
        let without_segments = match io {
            Io::Portable => Some("the portable path has none"),
            Io::Batched if !sys::knows_segments(socket) => Some("the kernel knows none"),
            Io::Batched => None,
        };
        // If fragments can't be forbidden, sending costs a little more.
        let fragments = io == Io::Portable || sys::forbid_fragments(socket, v6).is_err();
        Sender {
            io,
            v6,
            segments: if without_segments.is_some() { 1 } else { segments },
            refusals: 0,
            without_segments: without_segments.filter(|_| segments > 1),
            fragments,
            traffic: Traffic::default(),
            refused: 0,
        }
    }

    /// How many datagrams one message may have.
    pub(crate) fn segments(&self) -> usize {
        self.segments
    }

    /// Sends messages until none is left or the send buffer is full. Returns whether none is left.
    /// The ranges of the messages point into `bytes`.
    pub(crate) fn send(
        &mut self,
        socket: &UdpSocket,
        bytes: &[u8],
        queue: &mut MessageQueue,
    ) -> bool {
        while queue.len() > 0 {
            let Sender { io, traffic, .. } = self;
            let sent = socket.try_io(Interest::WRITABLE, || {
                traffic.send_calls += 1;
                let sent = match io {
                    Io::Batched => sys::send_batch(socket, bytes, queue.iter()),
                    Io::Portable => plain::send_one(socket, bytes, queue.get(0)),
                };
                if sent == Err(SendRefusal::Full) {
                    traffic.send_buffer_full += 1;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(sent)
            });
            match sent {
                Err(_) => return false,
                Ok(Ok(messages)) => {
                    traffic.sends += messages as u64;
                    for message in queue.iter().take(messages) {
                        traffic.datagrams_sent += message.datagrams.len() as u64;
                        if message.datagrams.len() > 1 {
                            self.refusals = 0;
                        }
                    }
                    queue.advance(messages);
                }
                Ok(Err(refusal)) => self.handle_refusal(refusal, socket, queue),
            }
        }
        true
    }

    /// The first message was refused: it is sent in another form, or counted and dropped.
    fn handle_refusal(
        &mut self,
        refusal: SendRefusal,
        socket: &UdpSocket,
        queue: &mut MessageQueue,
    ) {
        let several = queue.get(0).datagrams.len();
        match refusal {
            SendRefusal::NoSegments => {
                // A single peer behind a network without them does not change it for all others.
                self.refusals += 1;
                if self.refusals >= MOST_REFUSALS {
                    self.segments = 1;
                    self.without_segments = Some("the networks on the way have none");
                }
                queue.split_first();
            }
            SendRefusal::TooLong if several > 1 => queue.split_first(),
            SendRefusal::TooLong if !self.fragments => {
                self.fragments = true;
                // If that fails, the next attempt is refused as well and ends below.
                let _ = sys::allow_fragments(socket, self.v6);
            }
            SendRefusal::TooLong | SendRefusal::Other | SendRefusal::Full => {
                self.refused += several as u64;
                queue.advance(1);
            }
        }
    }
}

/// How much a call to receive has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Batch {
    /// The socket was empty.
    Nothing,
    /// The socket is empty now.
    Last,
    /// There may be more in the socket.
    Full,
}

/// Receives datagrams in batches.
pub(crate) enum Receiver {
    Batched(Box<sys::ReceiveBatch>),
    Portable(plain::ReceiveBatch),
}

impl Receiver {
    /// Buffers of `room` bytes: for one datagram each, or several that are received as one.
    pub(crate) fn new(io: Io, room: usize) -> Self {
        match io {
            Io::Batched => Receiver::Batched(Box::new(sys::ReceiveBatch::new(room))),
            Io::Portable => Receiver::Portable(plain::ReceiveBatch::new(room)),
        }
    }

    /// Reads what the socket has, up to a batch, without waiting.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        traffic: &mut Traffic,
    ) -> io::Result<Batch> {
        let calls = &mut traffic.receive_calls;
        let received = match self {
            Receiver::Batched(batch) => batch.receive(socket, calls),
            Receiver::Portable(batch) => batch.receive(socket, calls),
        };
        if let Ok(buffers) = received {
            traffic.receives += buffers as u64;
            traffic.datagrams_received += match self {
                Receiver::Batched(batch) => batch.datagrams(),
                Receiver::Portable(batch) => batch.datagrams(),
            };
        }
        let batch = match received {
            Ok(BATCH) => return Ok(Batch::Full),
            Ok(_) => Batch::Last,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Batch::Nothing,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(Batch::Full),
            Err(e) => return Err(e),
        };
        // The socket was read without asking tokio for its readiness. Tokio has to learn that it is
        // empty now, or it would report it as readable at once. The result does not matter.
        let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = socket.try_io(Interest::READABLE, empty);
        Ok(batch)
    }

    /// The datagrams of the last batch.
    #[inline]
    pub(crate) fn each(&self, mut each: impl FnMut(Received<'_>)) {
        match self {
            Receiver::Batched(batch) => batch.iter().for_each(each),
            Receiver::Portable(batch) => batch.iter().for_each(&mut each),
        }
    }
}

/// Wakes a loop after a time.
pub(crate) enum Alarm {
    Precise(sys::Alarm),
    Portable,
}

impl Alarm {
    pub(crate) fn new(io: Io) -> io::Result<Self> {
        match io {
            Io::Batched => sys::Alarm::new().map(Alarm::Precise),
            Io::Portable => Ok(Alarm::Portable),
        }
    }

    /// Waits for `span` from now, or less; the caller has to look at the clock.
    pub(crate) async fn sleep(&self, span: Span) -> io::Result<()> {
        match self {
            Alarm::Precise(alarm) => alarm.sleep(span).await,
            Alarm::Portable => plain::sleep(span).await,
        }
    }
}

/// Tells which of many sockets have something to read.
pub(crate) enum Poller {
    Epoll(sys::Poller),
    Portable(plain::Poller),
}

impl Poller {
    pub(crate) fn new(io: Io) -> io::Result<Self> {
        match io {
            Io::Batched => sys::Poller::new().map(Poller::Epoll),
            Io::Portable => plain::Poller::new().map(Poller::Portable),
        }
    }

    /// Watches a socket under a token.
    pub(crate) fn watch(&mut self, socket: &std::net::UdpSocket, token: u32) -> io::Result<()> {
        match self {
            Poller::Epoll(poller) => poller.watch(socket, token),
            Poller::Portable(poller) => poller.watch(socket, token),
        }
    }

    /// Stops watching a socket that is about to be closed.
    pub(crate) fn forget(&mut self, token: u32) {
        match self {
            // The kernel does that when the socket is closed.
            Poller::Epoll(_) => {}
            Poller::Portable(poller) => poller.forget(token),
        }
    }

    /// The tokens of sockets that have something to read, without waiting.
    pub(crate) fn ready(&mut self) -> io::Result<Vec<u32>> {
        match self {
            Poller::Epoll(poller) => poller.ready(),
            Poller::Portable(poller) => poller.ready(),
        }
    }

    /// Waits until some socket has something to read.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        match self {
            Poller::Epoll(poller) => poller.wait().await,
            Poller::Portable(poller) => poller.wait().await,
        }
    }
}
