//! What the machine had to do with it. In virtual time much of this does not exist.

use maud::{Markup, html};
use serde_json::Value;

use crate::format::{Unit, bytes, thousands};
use crate::sections::{facts, section, table};

/// Time, memory, traffic and what the kernel counted.
pub(crate) fn host(host: &Value) -> Markup {
    if !host.is_object() {
        return html! {};
    }
    let shares = host.get("shares").and_then(Value::as_array);
    let content = html! {
        @if let Some(shares) = shares {
            @for (number, share) in shares.iter().enumerate() {
                h3 { "Share " (number + 1) " of " (shares.len()) }
                (one(share))
            }
        } @else {
            (one(host))
        }
    };
    section("The machine", "What no seed fixes.", content)
}

fn one(host: &Value) -> Markup {
    html! {
        (facts(&costs(host)))
        (traffic(host))
        (counters(host))
    }
}

fn costs(host: &Value) -> Vec<(&'static str, String)> {
    let of = |key: &str| host.get(key).and_then(Value::as_f64);
    let time = |key: &str| of(key).map(|s| Unit::Seconds.show(Some(s))).unwrap_or_default();
    let size = |key: &str| of(key).map(bytes).unwrap_or_default();
    let count = |key: &str| of(key).map(thousands).unwrap_or_default();
    let named = |key: &str, show: fn(f64) -> String| {
        let entries = host.get(key).and_then(Value::as_object).into_iter().flatten();
        let known = entries.filter_map(|(name, value)| Some((name, value.as_f64()?)));
        known.map(|(name, value)| format!("{name} {}", show(value))).collect::<Vec<_>>().join(", ")
    };
    let text = |key: &str| host.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let nanos = of("ns_per_datagram").map(|ns| format!("{} ns", thousands(ns)));
    vec![
        ("Wall time", time("wall_s")),
        ("Processor time", named("cpu_s", |s| Unit::Seconds.show(Some(s)))),
        ("Processor time per datagram", nanos.unwrap_or_default()),
        ("Datagrams", count("datagrams")),
        ("Peak memory", size("peak_memory_bytes")),
        ("Peak memory of the server", size("server_memory_bytes")),
        ("Dropped at the server's sockets", count("server_drops")),
        ("Dropped at the swarm's sockets", count("swarm_drops")),
        ("Receive buffers", named("receive_buffers", bytes)),
        ("System calls", text("io")),
        ("Sent without segments, since", text("without_segments")),
        ("Lateness, 99th percentile", time("lateness_p99_s")),
        ("Lateness, most", time("lateness_max_s")),
    ]
}

/// Calls, messages and datagrams of each side.
fn traffic(host: &Value) -> Markup {
    let sides = host.get("traffic").and_then(Value::as_object);
    let Some(sides) = sides.filter(|sides| !sides.is_empty()) else { return html! {} };
    let mut rows = Vec::new();
    for (side, traffic) in sides {
        let of = |key: &str| traffic.get(key).and_then(Value::as_f64);
        for (way, calls, messages, datagrams) in [
            ("sent", "send_calls", "sends", "datagrams_sent"),
            ("received", "receive_calls", "receives", "datagrams_received"),
        ] {
            let per_call = of(calls).filter(|calls| *calls > 0.0);
            let per_call = per_call.and_then(|calls| Some(of(datagrams)? / calls));
            let full = if way == "sent" { of("send_buffer_full") } else { None };
            let mut row = vec![html! { (side) }, html! { (way) }];
            let counts = [of(calls), of(messages), of(datagrams), per_call, full];
            row.extend(counts.map(|count| html! { (Unit::Number.show(count)) }));
            rows.push(row);
        }
    }
    let head = ["Side", "", "Calls", "Messages", "Datagrams", "Datagrams per call", "Buffer full"];
    html! { h3 { "Traffic" } (table(&head, 2, &rows)) }
}

/// The kernel's counters that moved while the run went on.
fn counters(host: &Value) -> Markup {
    let of = |key: &str| host.get(key).and_then(Value::as_object);
    let (Some(before), Some(after)) = (of("kernel_before"), of("kernel_after")) else {
        return html! {};
    };
    let moved: Vec<Vec<Markup>> = after
        .iter()
        .filter_map(|(name, after)| {
            let by = after.as_f64()? - before.get(name)?.as_f64()?;
            (by != 0.0).then(|| vec![html! { code { (name) } }, html! { (thousands(by)) }])
        })
        .collect();
    html! {
        @if !moved.is_empty() {
            details {
                summary { "Kernel counters that moved (" (moved.len()) ")" }
                p.note { "Of the whole network namespace, so of other programs too." }
                (table(&["Counter", "Moved by"], 1, &moved))
            }
        }
    }
}
