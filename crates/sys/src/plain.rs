//! What every system has: one datagram for each call, through tokio, and a task for each of many
//! sockets instead of one `epoll`.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::Span;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::{BATCH, Message, Received, SendRefusal};

/// Sends a message, which must be one datagram. Returns how many were sent: one, or none where a
/// signal interrupted the call.
///
/// # Errors
/// Why it was not sent.
pub fn send_one(
    socket: &UdpSocket,
    bytes: &[u8],
    message: Message<'_>,
) -> Result<usize, SendRefusal> {
    let &[(start, end)] = message.datagrams else { return Err(SendRefusal::NoSegments) };
    match socket.try_send_to(&bytes[start as usize..end as usize], message.to) {
        Ok(_) => Ok(1),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(SendRefusal::Full),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(_) => Err(SendRefusal::Other),
    }
}

/// Receives up to [`BATCH`] datagrams at a time.
pub struct ReceiveBatch {
    room: usize,
    buffer: Vec<u8>,
    /// The sender and the length of each.
    received: Vec<(SocketAddr, usize)>,
}

impl ReceiveBatch {
    /// Buffers for datagrams of up to `room` bytes.
    pub fn new(room: usize) -> Self {
        ReceiveBatch { room, buffer: vec![0; BATCH * room], received: Vec::new() }
    }

    /// Reads what the socket has, up to a batch, without waiting. Returns how many buffers were
    /// filled, and adds the number of system calls to `calls`.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where there is nothing to read.
    pub fn receive(&mut self, socket: &UdpSocket, calls: &mut u64) -> io::Result<usize> {
        self.received.clear();
        // A call that fails leaves its buffer to the next.
        for _ in 0..BATCH {
            *calls += 1;
            let start = self.received.len() * self.room;
            let buffer = &mut self.buffer[start..start + self.room];
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => self.received.push((from, length)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.received.is_empty() => {
                    return Err(e);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                // "Port unreachable" for an earlier datagram, no error of this socket.
                Err(_) => {}
            }
        }
        Ok(self.received.len())
    }

    /// How many datagrams the last batch has.
    pub fn datagrams(&self) -> u64 {
        self.received.len() as u64
    }

    /// The datagrams of the last batch.
    pub fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        let buffers = self.buffer.chunks_exact(self.room);
        self.received.iter().zip(buffers).map(|((from, length), buffer)| Received {
            from: *from,
            to: None,
            payload: &buffer[..*length],
        })
    }
}

/// Waits, with the precision of tokio's timer: one millisecond.
///
/// # Errors
/// Never; the signature is that of [`Alarm::sleep`](crate::Alarm::sleep).
pub async fn sleep(span: Span) -> io::Result<()> {
    tokio::time::sleep(Duration::from_nanos(span.nanos())).await;
    Ok(())
}

/// Tells which of many sockets have something to read. Each has a task that waits for it.
pub struct Poller {
    send: UnboundedSender<u32>,
    receive: UnboundedReceiver<u32>,
    /// Tokens that arrived in `wait`.
    arrived: Vec<u32>,
    tasks: BTreeMap<u32, JoinHandle<()>>,
}

impl Poller {
    /// A poller that watches nothing yet.
    ///
    /// # Errors
    /// Never; the signature is that of [`crate::Poller::new`].
    pub fn new() -> io::Result<Self> {
        let (send, receive) = unbounded_channel();
        Ok(Poller { send, receive, arrived: Vec::new(), tasks: BTreeMap::new() })
    }

    /// Watches a socket under this token; must be called within a tokio runtime. The token is
    /// reported once when datagrams come, so the caller has to read all of them.
    ///
    /// # Errors
    /// Where the descriptor can't be duplicated or registered.
    pub fn watch(&mut self, socket: &std::net::UdpSocket, token: u32) -> io::Result<()> {
        let socket = UdpSocket::from_std(socket.try_clone()?)?;
        let send = self.send.clone();
        let task = tokio::spawn(async move {
            while socket.readable().await.is_ok() && send.send(token).is_ok() {
                let again = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                let _ = socket.try_io(tokio::io::Interest::READABLE, again);
            }
        });
        self.tasks.insert(token, task);
        Ok(())
    }

    /// Stops watching a socket that is about to be closed.
    pub fn forget(&mut self, token: u32) {
        if let Some(task) = self.tasks.remove(&token) {
            task.abort();
        }
    }

    /// The tokens of sockets that have something to read, without waiting.
    ///
    /// # Errors
    /// Never; the signature is that of [`crate::Poller::ready`].
    pub fn ready(&mut self) -> io::Result<Vec<u32>> {
        let mut ready = std::mem::take(&mut self.arrived);
        while let Ok(token) = self.receive.try_recv() {
            ready.push(token);
        }
        Ok(ready)
    }

    /// Waits until some socket has something to read.
    ///
    /// # Errors
    /// Never; the signature is that of [`crate::Poller::wait`].
    pub async fn wait(&mut self) -> io::Result<()> {
        if self.arrived.is_empty() {
            self.arrived.extend(self.receive.recv().await);
        }
        Ok(())
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}
