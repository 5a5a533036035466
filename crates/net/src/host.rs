//! Memory, processor time and kernel counters, read from `/proc`. On systems without `/proc` all of
//! these are unknown.

use std::collections::BTreeMap;
use std::fs;

use skipbeat_core::Span;

/// The peak memory of this process in bytes, or `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    peak_memory_of(std::process::id())
}

/// The peak memory of a process in bytes.
pub(crate) fn peak_memory_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Processor time of all threads of a process. For running threads the scheduler tells it to the
/// nanosecond; with those that have ended it is known to a hundredth of a second.
pub(crate) fn cpu_of(process: u32) -> Option<Span> {
    coarse_cpu_of(process).max(fine_cpu_of(process))
}

fn fine_cpu_of(process: u32) -> Option<Span> {
    let mut sum = Span::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let schedstat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        let nanos: u64 = schedstat.split(' ').next()?.parse().ok()?;
        sum = sum + Span::from_nanos(nanos);
    }
    Some(sum)
}

fn coarse_cpu_of(process: u32) -> Option<Span> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is in brackets and may contain spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Span::from_millis((user + system) * 10))
}

/// The counters of the kernel about datagrams, by protocol and name: UDP and IP of both families
/// (`/proc/net/snmp`, `snmp6`), and what the queues between network card and IP dropped
/// (`softnet_stat`). They are for the whole network namespace. Empty where the system has none.
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

/// The drop counter of the UDP sockets that are bound to a port of this machine, by any program.
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
