//! What a run cost on its machine. A run in virtual time lacks much of this.

use std::collections::BTreeMap;

use maud::{Markup, html};
use skipbeat_core::Unit;
use skipbeat_core::number::{bytes, span, thousands};
use skipbeat_measure::{HostReport, Traffic};
use skipbeat_results::{HostFile, Shard};

use crate::parts::{facts, section, table};

/// Time, memory, traffic and what the kernel counted.
pub(crate) fn host(host: Option<&HostFile>) -> Markup {
    let content = match host {
        None => html! { p.note { "Not recorded: the folder has no host.json." } },
        Some(HostFile::Machine(report)) => one(report),
        Some(HostFile::Shares(shares)) => html! {
            @for (share, report) in in_order(shares) {
                h3 { "Share " (share) }
                (one(report))
            }
        },
    };
    section("This machine", "What it cost here. It differs from run to run.", content)
}

/// Shares by their number, so that 10/16 comes after 2/16.
fn in_order(shares: &BTreeMap<String, HostReport>) -> Vec<(&String, &HostReport)> {
    let mut all: Vec<_> = shares.iter().collect();
    all.sort_by_key(|(share, _)| share.parse::<Shard>().ok());
    all
}

fn one(report: &HostReport) -> Markup {
    html! {
        (facts(&costs(report)))
        (traffic(&report.traffic))
        (counters(report))
    }
}

fn costs(report: &HostReport) -> Vec<(&'static str, String)> {
    let time = |seconds: Option<f64>| seconds.map(span).unwrap_or_default();
    let size = |size: Option<u64>| size.map(|size| bytes(size as f64)).unwrap_or_default();
    let count = |count: Option<u64>| count.map(|n| thousands(n as f64)).unwrap_or_default();
    let listed = |entries: Vec<String>| entries.join(", ");
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let processor = report.cpu_s.iter().map(|(thread, cpu)| format!("{thread} {}", span(*cpu)));
    let buffers = report.receive_buffers.iter();
    let buffers = buffers.map(|(socket, size)| format!("{socket} {}", bytes(*size as f64)));
    let per_datagram = report.ns_per_datagram.map(|ns| Unit::Nanoseconds.show(Some(ns)));
    vec![
        ("Wall time", span(report.wall_s)),
        ("Processor time", listed(processor.collect())),
        ("Processor time per datagram", per_datagram.unwrap_or_default()),
        ("Datagrams", thousands(report.datagrams as f64)),
        ("Peak memory", size(report.peak_memory_bytes)),
        ("Peak memory of the server", size(report.server_memory_bytes)),
        ("Dropped at the server's sockets", count(report.server_drops)),
        ("Dropped at the swarm's sockets", count(report.swarm_drops)),
        ("Receive buffers", listed(buffers.collect())),
        ("System calls", text(&report.io)),
        ("One datagram per message because", text(&report.without_segments)),
        ("Lateness, p99", time(report.lateness_p99_s)),
        ("Lateness, max", time(report.lateness_max_s)),
    ]
}

/// Calls, messages and datagrams of each side.
fn traffic(sides: &BTreeMap<String, Traffic>) -> Markup {
    if sides.is_empty() {
        return html! {};
    }
    let count = |count: u64| Some(count as f64);
    let mut rows = Vec::new();
    for (side, traffic) in sides {
        let sent = [
            count(traffic.send_calls),
            count(traffic.sends),
            count(traffic.datagrams_sent),
            traffic.sent_per_call(),
            count(traffic.send_buffer_full),
        ];
        let received = [
            count(traffic.receive_calls),
            count(traffic.receives),
            count(traffic.datagrams_received),
            traffic.received_per_call(),
            None,
        ];
        for (way, figures) in [("sent", sent), ("received", received)] {
            let cells = figures.map(|figure| html! { (Unit::Number.show(figure)) });
            rows.push([html! { (side) }, html! { (way) }].into_iter().chain(cells).collect());
        }
    }
    let head = ["Side", "", "Calls", "Messages", "Datagrams", "Datagrams per call", "Buffer full"];
    html! { h3 { "Traffic" } (table(&head, 2, &rows)) }
}

/// The kernel's counters that changed during the run.
fn counters(report: &HostReport) -> Markup {
    let moved = report.kernel_moved();
    let rows =
        moved.map(|(name, by)| vec![html! { code { (name) } }, html! { (thousands(by as f64)) }]);
    let rows: Vec<_> = rows.collect();
    html! {
        @if !rows.is_empty() {
            details {
                summary { "Kernel counters that moved (" (rows.len()) ")" }
                p.note { "Of the whole network namespace, so of other programs too." }
                (table(&["Counter", "Moved by"], 1, &rows))
            }
        }
    }
}
