//! What no seed fixes: memory and kernel counters from `/proc`, and the report that has it all.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::traffic::Traffic;
use crate::wire::Io;

/// The most memory that this process has had in use, in bytes.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The counters of the kernel that tell what became of datagrams, by protocol and name: UDP and IP
/// of both families (`/proc/net/snmp`, `snmp6`), and what the queues between network card and IP
/// dropped (`softnet_stat`). They are of the whole network namespace. None where there are none.
pub fn kernel_counters() -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    for protocol in ["Ip", "Icmp", "Udp"] {
        let mut lines =
            text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
        let (Some(names), Some(values)) = (lines.next(), lines.next()) else { continue };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            let Ok(value) = value.parse() else { continue };
            counters.insert(format!("{protocol}{name}"), value);
        }
    }
    for line in fs::read_to_string("/proc/net/snmp6").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) else {
            continue;
        };
        if ["Ip6", "Udp6"].iter().any(|protocol| name.starts_with(protocol)) {
            counters.insert(name.to_owned(), value);
        }
    }
    let softnet = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let dropped = softnet
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    if !softnet.is_empty() {
        counters.insert("SoftnetDropped".to_owned(), dropped.sum());
    }
    counters
}

/// The drop counter of whatever UDP socket of this machine is bound to a port, from outside.
pub(crate) fn dropped_at_port(port: u16) -> Option<u64> {
    let mut found = None;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local_port = fields.get(1).and_then(|address| address.rsplit_once(':'));
            let local_port = local_port.and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
            if local_port == Some(port) {
                let drops: u64 = fields.last().and_then(|drops| drops.parse().ok())?;
                found = Some(found.unwrap_or(0) + drops);
            }
        }
    }
    found
}

/// What a run cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HostReport {
    /// How long the run took, in seconds.
    pub wall_s: f64,
    /// Processor seconds by thread.
    pub cpu_s: BTreeMap<String, f64>,
    /// The most memory in use, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Datagrams offered to the links, both directions.
    pub datagrams: u64,
    /// Processor time of all threads per datagram, in nanoseconds.
    pub ns_per_datagram: Option<f64>,
    /// Bytes of receive buffer that the kernel gave, by socket.
    pub receive_buffers: BTreeMap<String, usize>,
    /// By which calls datagrams went; none in the simulator.
    pub io: Option<Io>,
    /// System calls and what they carried, by side.
    pub traffic: BTreeMap<String, Traffic>,
    /// Why the built-in server could not send several datagrams as one message.
    pub without_segments: Option<&'static str>,
    /// The kernel's counters before the run.
    pub kernel_before: BTreeMap<String, u64>,
    /// The kernel's counters after the run.
    pub kernel_after: BTreeMap<String, u64>,
    /// How much later than planned clients sent, 99th percentile in seconds.
    pub lateness_p99_s: Option<f64>,
    /// The latest of all, in seconds.
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
