//! The host section of a run on real sockets: processor time, memory, system calls, datagrams per
//! call, and the kernel counters that changed.

use std::fmt::Write;

use skipbeat_core::number::{self, UNKNOWN, thousands};
use skipbeat_measure::{HostReport, Traffic};

use crate::text::{BOLD, percent, seconds, table};

/// The host section of the summary; empty for a run in virtual time.
pub(crate) fn host_summary(host: &HostReport) -> String {
    if host.traffic.is_empty() {
        return String::new();
    }
    let sides = ["server", "swarm"];
    let mut rows = vec![vec![String::new(); 1]];
    rows[0].extend(sides.map(str::to_owned));
    let mut row = |name: &str, cell: &dyn Fn(&str) -> Option<String>| {
        let cells = sides.map(|side| cell(side).unwrap_or_else(|| UNKNOWN.to_owned()));
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    let cpu = |side: &str| host.cpu_s.get(side).copied();
    row("processor", &|side| Some(seconds(Some(cpu(side)?))));
    row("  of the time", &|side| {
        let cpu = cpu(side).filter(|_| host.wall_s > 0.0)?;
        Some(percent(Some(cpu / host.wall_s)))
    });
    row("peak memory", &|side| {
        let bytes =
            if side == "server" { host.server_memory_bytes } else { host.peak_memory_bytes };
        Some(number::bytes(bytes? as f64))
    });
    let of = |side: &str, figure: &dyn Fn(&Traffic) -> String| host.traffic.get(side).map(figure);
    let mean = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), number::number);
    row("calls that send", &|side| of(side, &|t| thousands(t.send_calls as f64)));
    row("  datagrams in each", &|side| of(side, &|t| mean(t.sent_per_call())));
    row("  datagrams per message", &|side| of(side, &|t| mean(t.segments_per_send())));
    row("  send buffer full", &|side| of(side, &|t| thousands(t.send_buffer_full as f64)));
    row("calls that receive", &|side| of(side, &|t| thousands(t.receive_calls as f64)));
    row("  datagrams in each", &|side| of(side, &|t| mean(t.received_per_call())));
    let drops = |side: &str| if side == "server" { host.server_drops } else { host.swarm_drops };
    row("dropped by its socket", &|side| drops(side).map(|n| thousands(n as f64)));
    let mut text = table("host", &rows);
    let _ = writeln!(
        text,
        "  lateness p99 / max {} / {}, by {} calls{}",
        seconds(host.lateness_p99_s),
        seconds(host.lateness_max_s),
        host.io.as_deref().unwrap_or(UNKNOWN),
        host.without_segments
            .as_ref()
            .map_or(String::new(), |why| format!("; one datagram a message, {why}"))
    );
    let moved: Vec<String> =
        host.kernel_moved().map(|(name, by)| format!("{name} {by:+}")).collect();
    if !moved.is_empty() {
        let _ = writeln!(text, "  {BOLD}kernel{BOLD:#} {}", moved.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_not_zero_and_the_simulator_has_no_such_section() {
        assert_eq!(host_summary(&HostReport::default()), "");
        let mut host = HostReport { wall_s: 2.0, ..HostReport::default() };
        host.traffic.insert(
            "swarm".to_owned(),
            Traffic { send_calls: 4, datagrams_sent: 6, ..Traffic::default() },
        );
        host.cpu_s.insert("swarm".to_owned(), 0.5);
        host.kernel_before.insert("UdpRcvbufErrors".to_owned(), 3);
        host.kernel_after.insert("UdpRcvbufErrors".to_owned(), 5);
        let text = host_summary(&host);
        let line =
            |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
        assert!(
            line("processor").contains(UNKNOWN) && line("processor").contains("500.0 ms"),
            "{text}"
        );
        assert!(line("datagrams in each").ends_with("1.5"), "{text}");
        assert!(line("datagrams per message").ends_with(UNKNOWN), "{text}");
        assert!(text.contains("UdpRcvbufErrors +2"), "{text}");
    }
}
