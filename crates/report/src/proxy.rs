//! The summary of a proxy: what happened to the datagrams of each direction.

use skipbeat_core::Distribution;
use skipbeat_core::number::thousands;
use skipbeat_link::Cause;
use skipbeat_measure::DatagramTally;

use crate::text::{seconds, table};

/// The totals of a proxy as text with terminal colours.
///
/// Pairs are up, then down. `not_sent` counts datagrams that left a link but could not be sent;
/// `added` is the delay in seconds that the proxy itself added; `refused` counts datagrams of
/// clients beyond the session limit. The last pair counts datagrams for which no socket could be
/// opened, with the reason.
pub fn proxy_summary(
    links: &[DatagramTally; 2],
    not_sent: [u64; 2],
    added: &[Distribution; 2],
    sessions: u32,
    refused: u64,
    (no_socket, why): (u64, Option<&str>),
) -> String {
    let both: Vec<_> = links.iter().zip(not_sent).collect();
    let mut rows = vec![vec![String::new(), "up".to_owned(), "down".to_owned()]];
    let mut row = |name: &str, cell: &dyn Fn(&DatagramTally, u64) -> String| {
        let cells = both.iter().map(|(links, not_sent)| cell(links, *not_sent));
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    let number = |count: u64| thousands(count as f64);
    row("came", &|links, _| number(links.offered));
    row("+ duplicated", &|links, _| number(links.duplicated));
    for cause in Cause::ALL {
        if both.iter().any(|(links, _)| links.lost[cause as usize] > 0) {
            let name = format!("- {}", cause.name());
            row(&name, &|links, _| number(links.lost[cause as usize]));
        }
    }
    row("- in flight", &|links, _| number(links.in_flight));
    row("- not sent", &|_, not_sent| number(not_sent));
    row("= went on", &|links, not_sent| number(links.arrived.saturating_sub(not_sent)));
    row("changed", &|links, _| number(links.changed));
    row("held back or early", &|links, _| number(links.held));
    let arrived = |links: &DatagramTally| links.offered - links.all_lost();
    let mean = |sum: u128, n: u64| seconds((n > 0).then(|| sum as f64 / n as f64 / 1e9));
    row("travelled, mean", &|links, _| mean(links.delay_ns, arrived(links)));
    row("waited, mean", &|links, _| mean(links.waited_ns, arrived(links)));
    for (name, q) in [("added here, median", 0.5), ("added here, p99", 0.99)] {
        let cells = added.iter().map(|added| seconds(added.quantile(q)));
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    let more = if refused > 0 {
        format!("; {} datagrams beyond the most sessions", number(refused))
    } else {
        String::new()
    };
    let failed = match why {
        Some(why) => format!("; {} datagrams without a socket: {why}", number(no_socket)),
        None => String::new(),
    };
    format!("{}{sessions} sessions{more}{failed}\n", table("datagrams", &rows))
}
