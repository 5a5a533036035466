//! The counters of a server as Prometheus text (exposition format 0.0.4) over plain HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;
use skipbeat_net::Stats;

/// How long to wait for a scraper.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every figure: its name (with a label if it has one), its value, and its Prometheus type.
pub(crate) fn figures(stats: &Stats) -> Vec<(String, u64, &'static str)> {
    let mut figures = vec![
        ("members".to_owned(), stats.members.into(), "gauge"),
        ("peers".to_owned(), stats.peers, "gauge"),
        ("joins_total".to_owned(), stats.joins, "counter"),
        ("quits_total".to_owned(), stats.quits, "counter"),
        ("evictions_total".to_owned(), stats.evictions, "counter"),
        ("broadcasts_total".to_owned(), stats.broadcasts, "counter"),
        ("moved_total".to_owned(), stats.moved, "counter"),
        ("texts_repeated_total".to_owned(), stats.repeated, "counter"),
        ("samples_total".to_owned(), stats.taken, "counter"),
        ("queries_total".to_owned(), stats.served, "counter"),
        ("texts_acked_total".to_owned(), stats.acked, "counter"),
        ("texts_given_up_total".to_owned(), stats.given_up, "counter"),
        ("datagrams_received_total".to_owned(), stats.received, "counter"),
        ("datagrams_sent_total".to_owned(), stats.sent, "counter"),
        ("datagrams_not_sent_total".to_owned(), stats.not_sent, "counter"),
        ("datagrams_dropped_total".to_owned(), stats.dropped, "counter"),
    ];
    let refused = stats.refused.iter();
    figures.extend(
        refused.map(|(cause, count)| {
            (format!("refused_total{{cause=\"{cause}\"}}"), *count, "counter")
        }),
    );
    figures
}

fn exposition(stats: &Stats) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for (name, value, kind) in figures(stats) {
        let family = name.split('{').next().unwrap_or_default().to_owned();
        if family != last {
            text += &format!("# TYPE skipbeat_{family} {kind}\n");
            last = family;
        }
        text += &format!("skipbeat_{name} {value}\n");
    }
    text
}

/// Serves `stats` at `/metrics` on a thread of its own, one scraper after the other, and returns
/// the address. The thread ends when `stats` returns `None`.
pub(crate) fn serve(
    address: SocketAddr,
    stats: impl Fn() -> Option<Stats> + Send + 'static,
) -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("can't serve metrics at {address}"))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("skipbeat-metrics".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(stats) = stats() else { break };
            // If one scraper breaks off, the next one is served.
            let _ = respond(stream, &stats);
        }
    })?;
    Ok(address)
}

fn respond(mut stream: TcpStream, stats: &Stats) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The headers don't matter, but some clients fail if they are not read.
    for line in lines.take(100) {
        if line?.is_empty() {
            break;
        }
    }
    let (status, body) = match request.split(' ').collect::<Vec<_>>()[..] {
        ["GET", "/metrics" | "/", _] => ("200 OK", exposition(stats)),
        _ => ("404 Not Found", "the metrics are at /metrics\n".to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
