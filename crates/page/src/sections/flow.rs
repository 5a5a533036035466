//! The ledgers: where every datagram and every delivery went, as flows and as sums, and whether the
//! sums add up.

use maud::{Markup, html};
use skipbeat_core::number::{share, thousands};
use skipbeat_core::{Direction, Unit};
use skipbeat_measure::{Level, Side, UNEXPLAINED};
use skipbeat_results::LedgerLine;

use crate::chart::{Chart, Charts, Flow, FlowPart, FlowTone};
use crate::parts::{section, table};

/// One of the three equations.
struct Account {
    title: &'static str,
    sentence: &'static str,
    middle: &'static str,
    level: Level,
    direction: Option<Direction>,
}

const ACCOUNTS: [Account; 3] = [
    Account {
        title: "Datagrams to the server",
        sentence: "What clients sent and links duplicated, and what became of it.",
        middle: "links up",
        level: Level::Datagrams,
        direction: Some(Direction::Up),
    },
    Account {
        title: "Datagrams to the clients",
        sentence: "What the server sent and links duplicated, and what became of it.",
        middle: "links down",
        level: Level::Datagrams,
        direction: Some(Direction::Down),
    },
    Account {
        title: "Deliveries",
        sentence: "Each message × each client that was up when it was due, and what became of it.",
        middle: "expected",
        level: Level::Deliveries,
        direction: None,
    },
];

/// The terms of an equation, for all groups together.
struct Equation<'a> {
    account: &'static Account,
    sources: Vec<&'a LedgerLine>,
    sinks: Vec<&'a LedgerLine>,
    beside: Vec<&'a LedgerLine>,
}

fn sum(lines: &[&LedgerLine]) -> i64 {
    lines.iter().map(|line| line.count).sum()
}

impl<'a> Equation<'a> {
    fn of(account: &'static Account, ledger: &'a [LedgerLine]) -> Self {
        let own = |line: &&LedgerLine| {
            line.level == account.level
                && line.direction == account.direction
                && line.group.is_none()
        };
        let side = |side: Side| -> Vec<&LedgerLine> {
            ledger.iter().filter(own).filter(|line| line.side == side).collect()
        };
        let (sources, sinks, beside) = (side(Side::In), side(Side::Out), side(Side::Beside));
        Equation { account, sources, sinks, beside }
    }

    /// Why not everything in it is accounted for; `None` if everything is.
    fn fault(&self) -> Option<String> {
        let title = self.account.title;
        let unexplained = self.sinks.iter().find(|line| line.term == UNEXPLAINED);
        let (Some(unexplained), false) = (unexplained, self.sources.is_empty()) else {
            return Some(format!("{title}: not in ledger.csv."));
        };
        let (from, to) = (sum(&self.sources), sum(&self.sinks));
        let count = |count: i64| thousands(count as f64);
        match unexplained.count {
            0 if from == to => None,
            0 => Some(format!("{title}: {} went in, but {} came out.", count(from), count(to))),
            lost => Some(format!("{title}: {} of {} unexplained.", count(lost), count(from))),
        }
    }
}

/// All three ledgers.
pub(crate) fn flows(ledger: &[LedgerLine], charts: &mut Charts) -> Markup {
    let equations: Vec<Equation<'_>> =
        ACCOUNTS.iter().map(|account| Equation::of(account, ledger)).collect();
    let faults: Vec<String> = equations.iter().filter_map(Equation::fault).collect();
    let content = html! {
        @if !faults.is_empty() {
            ul.faults.bad { @for fault in &faults { li { "✗ " (fault) } } }
        }
        div.charts.flows {
            @for equation in &equations {
                @if !equation.sources.is_empty() { (one(equation, charts)) }
            }
        }
    };
    let sentence = if faults.is_empty() {
        "Every datagram and every delivery is counted here exactly once, and none is unexplained."
    } else {
        "The ledger does not add up, so these figures can't be relied on."
    };
    section("Where everything went", sentence, content)
}

fn one(equation: &Equation<'_>, charts: &mut Charts) -> Markup {
    let Account { title, sentence, .. } = equation.account;
    html! {
        div.account {
            @if sum(&equation.sources) > 0 {
                (charts.add(title, html! { (sentence) }, flow(equation)))
            } @else {
                h3 { (title) }
                p.note { "There were none." }
            }
            p.identity { (identity(equation)) }
            (terms(equation))
        }
    }
}

fn flow(equation: &Equation<'_>) -> Chart {
    let part = |line: &&LedgerLine| FlowPart {
        name: words(&line.term),
        count: line.count as f64,
        tone: tone(&line.term),
    };
    let drawn = |lines: &[&LedgerLine]| -> Vec<FlowPart> {
        lines.iter().filter(|line| line.count > 0).map(part).collect()
    };
    let mut sources = drawn(&equation.sources);
    let mut middle = equation.account.middle.to_owned();
    if sources.len() == 1 {
        // A single source is the same as the middle, so one bar is enough.
        middle = sources.remove(0).name;
    }
    // The good part comes first, so that the widest band runs straight.
    let mut sinks = drawn(&equation.sinks);
    sinks.sort_by_key(|part| part.tone != FlowTone::Good);
    Chart::Flow(Flow { middle, sources, sinks })
}

fn words(term: &str) -> String {
    term.replace('-', " ")
}

fn tone(term: &str) -> FlowTone {
    match term {
        "received" | "delivered" | "handed-to-target" | "sent" | "expected" => FlowTone::Good,
        UNEXPLAINED => FlowTone::Wrong,
        "in-flight" | "duplicated" | "target" => FlowTone::Neutral,
        _ => FlowTone::Lost,
    }
}

/// Whether a term is shown. Terms that are 0 are left out, except for what is unexplained.
fn matters(line: &LedgerLine) -> bool {
    line.count != 0 || line.term == UNEXPLAINED
}

/// The equation as a sum.
fn identity(equation: &Equation<'_>) -> String {
    let written = |lines: &[&LedgerLine]| {
        let words = |line: &&LedgerLine| {
            format!("{}\u{a0}{}", thousands(line.count as f64), words(&line.term))
        };
        let shown = lines.iter().filter(|line| matters(line));
        let text = shown.map(words).collect::<Vec<_>>().join(" + ");
        if text.is_empty() { "0".to_owned() } else { text }
    };
    let equals = if sum(&equation.sources) == sum(&equation.sinks) { "=" } else { "≠" };
    format!("{} {equals} {}", written(&equation.sources), written(&equation.sinks))
}

fn terms(equation: &Equation<'_>) -> Markup {
    let total = sum(&equation.sources) as f64;
    let Equation { sources, sinks, beside, .. } = equation;
    let mut rows = Vec::new();
    for line in sources.iter().chain(sinks).chain(beside).filter(|line| matters(line)) {
        let count = line.count as f64;
        let part = (line.side != Side::Beside && total > 0.0).then(|| share(count / total));
        rows.push(vec![
            html! { (words(&line.term)) },
            html! { (line.side.name()) },
            html! { (Unit::Count.show(Some(count))) },
            html! { (part.unwrap_or_default()) },
        ]);
    }
    html! {
        details {
            summary { "As a table" }
            (table(&["Term", "Side", "Count", "Share"], 2, &rows))
            p.note {
                "Terms that are 0 are left out. A term beside the equation is part of other terms."
            }
        }
    }
}
