//! What a run cost on its machine: time, memory and system calls. The seed does not determine any
//! of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// System calls and what they carried. A message is one entry of a call: one datagram, or several
/// to one address with segmentation offload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Adds the counts of other sockets.
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

/// What a run cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostReport {
    /// How long the run took, in seconds.
    pub wall_s: f64,
    /// Processor seconds by thread.
    pub cpu_s: BTreeMap<String, f64>,
    /// The most memory in use, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// The most memory in use by the server's process, in bytes, if the run started one.
    pub server_memory_bytes: Option<u64>,
    /// Datagrams that the server's socket threw away, where this machine can tell.
    pub server_drops: Option<u64>,
    /// Datagrams that the swarm's sockets threw away.
    pub swarm_drops: Option<u64>,
    /// Datagrams offered to the links, both directions.
    pub datagrams: u64,
    /// Processor time of all threads per datagram, in nanoseconds.
    pub ns_per_datagram: Option<f64>,
    /// Bytes of receive buffer that the kernel gave, by socket.
    pub receive_buffers: BTreeMap<String, usize>,
    /// The system calls used for datagrams, `batched` or `portable`; `None` in the simulator.
    pub io: Option<String>,
    /// System calls and what they carried, by side.
    pub traffic: BTreeMap<String, Traffic>,
    /// Why the built-in server could not send several datagrams as one message.
    pub without_segments: Option<String>,
    /// The kernel's counters before the run.
    pub kernel_before: BTreeMap<String, u64>,
    /// The kernel's counters after the run.
    pub kernel_after: BTreeMap<String, u64>,
    /// How much later than planned clients sent, 99th percentile in seconds.
    pub lateness_p99_s: Option<f64>,
    /// The largest lateness, in seconds.
    pub lateness_max_s: Option<f64>,
}

impl HostReport {
    /// The kernel's counters that moved during the run, and by how much.
    pub fn kernel_moved(&self) -> impl Iterator<Item = (&str, i64)> {
        self.kernel_after.iter().filter_map(|(name, after)| {
            let before = self.kernel_before.get(name).copied().unwrap_or(0);
            (*after != before).then_some((name.as_str(), *after as i64 - before as i64))
        })
    }
}

/// The numbers that show which part of a run was at its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How long the run took, in seconds.
    pub wall_s: f64,
    /// Processor seconds of the server.
    pub server_cpu_s: Option<f64>,
    /// Processor seconds of the swarm.
    pub swarm_cpu_s: Option<f64>,
    /// Datagrams that the server's socket threw away.
    pub server_drops: Option<u64>,
    /// Datagrams that the swarm's sockets threw away.
    pub swarm_drops: Option<u64>,
    /// How much later than planned clients sent, 99th percentile in seconds.
    pub lateness_p99_s: Option<f64>,
}

impl HostReport {
    /// The numbers that show which part of the run was at its limit.
    pub fn load(&self) -> Load {
        let cpu = |name: &str| self.cpu_s.get(name).copied();
        Load {
            wall_s: self.wall_s,
            server_cpu_s: cpu("server"),
            swarm_cpu_s: cpu("swarm"),
            server_drops: self.server_drops,
            swarm_drops: self.swarm_drops,
            lateness_p99_s: self.lateness_p99_s,
        }
    }
}
