//! What the sockets of one side have done, counted by whoever called the kernel.

use serde::Serialize;

/// System calls and what they carried. A message is what one entry of a call carries: one datagram,
/// or several to one address where segmentation offload makes them so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Calls that send.
    pub send_calls: u64,
    /// Messages that they sent.
    pub sends: u64,
    /// Datagrams in those.
    pub datagrams_sent: u64,
    /// Calls that sent nothing, because the send buffer was full; what waited was sent later.
    pub send_buffer_full: u64,
    /// Calls that receive, those that found nothing included.
    pub receive_calls: u64,
    /// Buffers that they filled: one datagram each, or several where they were received as one.
    pub receives: u64,
    /// Datagrams in those.
    pub datagrams_received: u64,
}

impl Traffic {
    /// Adds what other sockets did.
    pub fn add(&mut self, other: &Traffic) {
        self.send_calls += other.send_calls;
        self.sends += other.sends;
        self.datagrams_sent += other.datagrams_sent;
        self.send_buffer_full += other.send_buffer_full;
        self.receive_calls += other.receive_calls;
        self.receives += other.receives;
        self.datagrams_received += other.datagrams_received;
    }

    /// Datagrams per call that sends, mean.
    pub fn sent_per_call(&self) -> Option<f64> {
        ratio(self.datagrams_sent, self.send_calls)
    }

    /// Datagrams per message sent, mean: above one only with segmentation offload.
    pub fn segments_per_send(&self) -> Option<f64> {
        ratio(self.datagrams_sent, self.sends)
    }

    /// Datagrams per call that receives, mean.
    pub fn received_per_call(&self) -> Option<f64> {
        ratio(self.datagrams_received, self.receive_calls)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
