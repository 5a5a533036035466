//! What no seed fixes: memory and kernel counters from `/proc`, and the report that has it all.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

/// The most memory that this process has had in use, in bytes.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The counters of the kernel's UDP, by name.
pub fn udp_counters() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return BTreeMap::new() };
    let values = values.split_whitespace().map(|value| value.parse().unwrap_or(0));
    names.split_whitespace().map(str::to_owned).zip(values).collect()
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
    /// The kernel's UDP counters before the run.
    pub udp_before: BTreeMap<String, u64>,
    /// The kernel's UDP counters after the run.
    pub udp_after: BTreeMap<String, u64>,
    /// How much later than planned clients sent, 99th percentile in seconds.
    pub lateness_p99_s: Option<f64>,
    /// The latest of all, in seconds.
    pub lateness_max_s: Option<f64>,
}
