//! Datagrams that wait to be sent through one socket, each a message of its own. A payload that
//! goes to several addresses is kept once.

use std::net::{IpAddr, SocketAddr};

use skipbeat_sys::ByteRange;
use socket2::Socket;
use tokio::net::UdpSocket;

use crate::message::MessageQueue;
use crate::wire::{Io, Sender};

/// When there are more bytes of payloads than this, those that were sent are removed, though others
/// still wait.
const MUCH: usize = 1 << 20;

/// The queue of one socket.
#[derive(Debug)]
pub(crate) struct SendQueue {
    bytes: Vec<u8>,
    queue: MessageQueue,
    pub(crate) sender: Sender,
}

impl SendQueue {
    /// An empty queue for a socket.
    pub(crate) fn new(io: Io, socket: &Socket) -> Self {
        let sender = Sender::new(io, socket, 1);
        SendQueue { bytes: Vec::new(), queue: MessageQueue::default(), sender }
    }

    /// Keeps a payload for the next calls of [`SendQueue::push`].
    pub(crate) fn payload(&mut self, payload: &[u8]) -> ByteRange {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(payload);
        (start, self.bytes.len() as u32)
    }

    /// Queues a datagram. `from` is its local address if the socket has several.
    pub(crate) fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, payload: ByteRange) {
        self.queue.push(to, from, &[payload]);
    }

    /// How many datagrams are queued.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Sends what is queued, until the send buffer is full. Returns whether the queue is empty.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) -> bool {
        let all = self.sender.send(socket, &self.bytes, &mut self.queue);
        if all {
            self.bytes.clear();
        } else if self.bytes.len() >= MUCH {
            self.queue.remove_sent();
            self.bytes.drain(..self.queue.rebase() as usize);
        }
        all
    }

    /// Drops what is queued and counts it as refused.
    pub(crate) fn give_up(&mut self) {
        self.sender.refused += self.queue.len() as u64;
        self.queue = MessageQueue::default();
        self.bytes.clear();
    }
}
