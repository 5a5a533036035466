//! The ledgers: where every datagram and every delivery went, as flows and as sums.

use maud::{Markup, html};

use crate::chart::{Chart, Charts, Flow, Stream, Tone};
use crate::format::{Unit, thousands};
use crate::read::{Table, TableRow};
use crate::sections::{section, table};

/// One of the ledgers.
struct Account {
    title: &'static str,
    sentence: &'static str,
    middle: &'static str,
    ledger: &'static str,
    direction: &'static str,
}

const ACCOUNTS: [Account; 3] = [
    Account {
        title: "Datagrams to the server",
        sentence: "What clients sent and links duplicated, and what became of it.",
        middle: "links up",
        ledger: "datagrams",
        direction: "up",
    },
    Account {
        title: "Datagrams to the clients",
        sentence: "What the server sent and links duplicated, and what became of it.",
        middle: "links down",
        ledger: "datagrams",
        direction: "down",
    },
    Account {
        title: "Deliveries",
        sentence: "Each message × each client that was up when it was due, and what became of it.",
        middle: "expected",
        ledger: "deliveries",
        direction: "",
    },
];

/// A row of the ledger.
struct Entry<'a> {
    term: &'a str,
    count: f64,
}

impl<'a> Entry<'a> {
    fn of(row: TableRow<'a>) -> Entry<'a> {
        Entry { term: row.text("term"), count: row.number("count").unwrap_or(0.0) }
    }
}

/// All three ledgers.
pub(crate) fn flows(ledger: &Table, charts: &mut Charts) -> Markup {
    if ledger.is_empty() {
        return html! {};
    }
    let content = html! {
        div.charts.flows { @for account in &ACCOUNTS { (one(account, ledger, charts)) } }
    };
    let sentence = "Every datagram and every delivery stands in here exactly once. What is \
                    unexplained must be 0.";
    section("Where everything went", sentence, content)
}

fn one(account: &Account, ledger: &Table, charts: &mut Charts) -> Markup {
    let of_account = |row: &TableRow<'_>| {
        row.text("ledger") == account.ledger
            && row.text("direction") == account.direction
            && row.text("group").is_empty()
    };
    let side = |side: &str| -> Vec<Entry<'_>> {
        let rows = ledger.rows().filter(of_account).filter(|row| row.text("side") == side);
        rows.map(Entry::of).collect()
    };
    let (sources, sinks, beside) = (side("in"), side("out"), side("beside"));
    let total: f64 = sources.iter().map(|entry| entry.count).sum();
    html! {
        div.account {
            @if total > 0.0 {
                (charts.add(account.title, account.sentence, flow(account, &sources, &sinks)))
            } @else {
                h3 { (account.title) }
                p.note { "There were none." }
            }
            @if !sources.is_empty() {
                p.identity { (identity(&sources, &sinks)) }
                (terms(&sources, &sinks, &beside, total))
            }
        }
    }
}

fn flow(account: &Account, sources: &[Entry<'_>], sinks: &[Entry<'_>]) -> Chart {
    let stream = |entry: &Entry<'_>| Stream {
        name: words(entry.term),
        count: entry.count,
        tone: tone(entry.term),
    };
    let drawn = |entries: &[Entry<'_>]| -> Vec<Stream> {
        entries.iter().filter(|entry| entry.count > 0.0).map(stream).collect()
    };
    let mut sources = drawn(sources);
    let mut middle = account.middle.to_owned();
    if sources.len() == 1 {
        // A single source is all that passes, so that one bar is enough.
        middle = sources.remove(0).name;
    }
    // What was to happen comes first, so that the widest band runs straight.
    let mut sinks = drawn(sinks);
    sinks.sort_by_key(|stream| stream.tone != Tone::Good);
    Chart::Flow(Flow { middle, sources, sinks })
}

fn words(term: &str) -> String {
    term.replace('-', " ")
}

fn tone(term: &str) -> Tone {
    match term {
        "received" | "delivered" | "handed-to-target" | "sent" | "expected" => Tone::Good,
        "unexplained" => Tone::Wrong,
        "in-flight" | "duplicated" | "target" => Tone::Neutral,
        _ => Tone::Lost,
    }
}

/// The ledger as a sum: terms that are 0 are left out, but never what is unexplained.
fn identity(sources: &[Entry<'_>], sinks: &[Entry<'_>]) -> String {
    let sum = |entries: &[Entry<'_>]| {
        let shown = entries.iter().filter(|one| one.count != 0.0 || one.term == "unexplained");
        let words = |one: &Entry<'_>| format!("{}\u{a0}{}", thousands(one.count), words(one.term));
        let sum = shown.map(words).collect::<Vec<_>>().join(" + ");
        if sum.is_empty() { "0".to_owned() } else { sum }
    };
    format!("{} = {}", sum(sources), sum(sinks))
}

fn terms(sources: &[Entry<'_>], sinks: &[Entry<'_>], beside: &[Entry<'_>], total: f64) -> Markup {
    let share = |count: f64| (total > 0.0).then(|| count / total);
    let mut rows = Vec::new();
    for (side, entries) in [("in", sources), ("out", sinks), ("beside", beside)] {
        for entry in entries {
            if entry.count == 0.0 && entry.term != "unexplained" {
                continue;
            }
            let share = if side == "beside" { None } else { share(entry.count) };
            rows.push(vec![
                html! { (words(entry.term)) },
                html! { (side) },
                html! { (thousands(entry.count)) },
                html! { (Unit::Ratio.show(share)) },
            ]);
        }
    }
    html! {
        details {
            summary { "As a table" }
            (table(&["Term", "Side", "Count", "Share"], 2, &rows))
            p.note { "Terms that are 0 are left out. What stands beside is part of other terms." }
        }
    }
}
