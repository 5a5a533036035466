//! Datagrams that wait to be sent, each for itself. Payloads are kept once, however many they go to.

use std::net::{IpAddr, SocketAddr};

use socket2::Socket;
use tokio::net::UdpSocket;

use crate::message::MessageQueue;
use crate::wire::{Io, Sender};
use skipbeat_sys::ByteRange;

/// Bytes of payloads beyond which those that are gone are forgotten, though others wait.
const MUCH: usize = 1 << 20;

/// A queue towards one socket.
#[derive(Debug)]
pub(crate) struct SendQueue {
    bytes: Vec<u8>,
    queue: MessageQueue,
    pub(crate) sender: Sender,
}

impl SendQueue {
    /// An empty queue towards a socket of this kind.
    pub(crate) fn new(io: Io, socket: &Socket) -> Self {
        let sender = Sender::new(io, socket, 1);
        SendQueue { bytes: Vec::new(), queue: MessageQueue::default(), sender }
    }

    /// Keeps a payload for the datagrams that follow.
    pub(crate) fn payload(&mut self, payload: &[u8]) -> ByteRange {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(payload);
        (start, self.bytes.len() as u32)
    }

    /// Adds a datagram; `from` is the local address where the socket has many.
    pub(crate) fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, payload: ByteRange) {
        self.queue.push(to, from, &[payload]);
    }

    /// How many datagrams wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Sends what waits, until the send buffer is full; says whether nothing waits any more.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) -> bool {
        let all = self.sender.send(socket, &self.bytes, &mut self.queue);
        if all {
            self.bytes.clear();
        } else if self.bytes.len() >= MUCH {
            self.queue.forget_gone();
            self.bytes.drain(..self.queue.rebase() as usize);
        }
        all
    }

    /// Gives up what waits: it counts as refused.
    pub(crate) fn give_up(&mut self) {
        self.sender.refused += self.queue.len() as u64;
        self.queue = MessageQueue::default();
        self.bytes.clear();
    }
}
