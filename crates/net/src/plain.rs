//! What every system has, in the place of what only Linux has: sending and receiving one datagram
//! with a call, through tokio; a task for each of many sockets in the place of one epoll.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::Span;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::message::MessageQueue;
use crate::wire::{BATCH, Received, Refusal};
use skipbeat_measure::Traffic;

/// Sends the first message, which is one datagram.
pub(crate) fn send_one(
    socket: &UdpSocket,
    bytes: &[u8],
    queue: &MessageQueue,
    traffic: &mut Traffic,
) -> Result<usize, Refusal> {
    let message = queue.get(0);
    let &[(start, end)] = message.datagrams else { return Err(Refusal::NoSegments) };
    traffic.send_calls += 1;
    match socket.try_send_to(&bytes[start as usize..end as usize], message.to) {
        Ok(_) => {
            traffic.sends += 1;
            traffic.datagrams_sent += 1;
            Ok(1)
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(Refusal::Full),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(_) => Err(Refusal::Other),
    }
}

/// Room for one batch of datagrams.
pub(crate) struct ReceiveBatch {
    room: usize,
    buffer: Vec<u8>,
    /// Who sent each, and how long it is.
    received: Vec<(SocketAddr, usize)>,
}

impl ReceiveBatch {
    pub(crate) fn new(room: usize) -> Self {
        ReceiveBatch { room, buffer: vec![0; BATCH * room], received: Vec::new() }
    }

    /// Takes what the socket has, up to a batch, without waiting.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        traffic: &mut Traffic,
    ) -> io::Result<usize> {
        self.received.clear();
        // What fails leaves its room to the next.
        for _ in 0..BATCH {
            traffic.receive_calls += 1;
            let place = self.received.len() * self.room;
            let buffer = &mut self.buffer[place..place + self.room];
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => self.received.push((from, length)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.received.is_empty() => {
                    return Err(e);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                // "Port unreachable" for an earlier datagram: it says nothing of this socket.
                Err(_) => {}
            }
        }
        traffic.receives += self.received.len() as u64;
        traffic.datagrams_received += self.received.len() as u64;
        Ok(self.received.len())
    }

    /// The datagrams of the last batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        let buffers = self.buffer.chunks_exact(self.room);
        self.received.iter().zip(buffers).map(|((from, length), buffer)| Received {
            from: *from,
            to: None,
            payload: &buffer[..*length],
        })
    }
}

/// Waits, by the millisecond.
pub(crate) async fn sleep(span: Span) -> io::Result<()> {
    tokio::time::sleep(Duration::from_nanos(span.nanos())).await;
    Ok(())
}

/// Many sockets behind one readiness: a task each, that says when there is something.
pub(crate) struct Poller {
    say: UnboundedSender<u32>,
    said: UnboundedReceiver<u32>,
    /// What was said while the loop waited.
    heard: Vec<u32>,
    tasks: BTreeMap<u32, JoinHandle<()>>,
}

impl Poller {
    /// As the system's own it may fail where that does.
    pub(crate) fn new() -> io::Result<Self> {
        let (say, said) = unbounded_channel();
        Ok(Poller { say, said, heard: Vec::new(), tasks: BTreeMap::new() })
    }

    /// Watches a socket; `token` names it. It is told of once when datagrams come, so whoever hears
    /// of it reads all there are.
    pub(crate) fn watch(&mut self, socket: &std::net::UdpSocket, token: u32) -> io::Result<()> {
        let socket = UdpSocket::from_std(socket.try_clone()?)?;
        let say = self.say.clone();
        let task = tokio::spawn(async move {
            while socket.readable().await.is_ok() && say.send(token).is_ok() {
                let again = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                let _ = socket.try_io(tokio::io::Interest::READABLE, again);
            }
        });
        self.tasks.insert(token, task);
        Ok(())
    }

    /// A socket is about to be closed.
    pub(crate) fn forget(&mut self, token: u32) {
        if let Some(task) = self.tasks.remove(&token) {
            task.abort();
        }
    }

    /// The tokens of sockets that have something to read, without waiting.
    pub(crate) fn ready(&mut self) -> io::Result<Vec<u32>> {
        let mut ready = std::mem::take(&mut self.heard);
        while let Ok(token) = self.said.try_recv() {
            ready.push(token);
        }
        Ok(ready)
    }

    /// Waits until some socket has something to read.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        if self.heard.is_empty() {
            self.heard.extend(self.said.recv().await);
        }
        Ok(())
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}
