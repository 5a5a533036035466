//! The summary of a run for a terminal: links as configured and as observed, the main figures,
//! where time went, the ledger, the thresholds, and the verdict in one line.

use std::fmt::Write;

use skipbeat_core::{Direction, Span, Time, number};
use skipbeat_measure::UNEXPLAINED;
use skipbeat_measure::{
    Figures, HostReport, Judged, Level, Metric, Results, RunVerdict, Side, Tone,
};
use skipbeat_results::link_rows;
use skipbeat_scenario::{Mode, Plan, Target};

use crate::host::host_summary;
use crate::text::{BOLD, table, toned};

/// The summary of a run as text with terminal colours. Print it through a writer that strips
/// colours where they aren't wanted, such as `anstream`.
pub fn text_summary(
    plan: &Plan,
    results: &Results,
    host: &HostReport,
    verdict: &RunVerdict,
) -> String {
    let mut text = String::new();
    let parts = [
        head(plan, results.end()),
        links(plan, results),
        figures(plan, results),
        host_summary(host),
        ledger(results),
        thresholds(&verdict.thresholds),
    ];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push_str(part);
        text.push('\n');
    }
    text.push_str(&headline(verdict));
    text
}

/// The verdict on a run in one line, then the reasons to doubt it.
fn headline(verdict: &RunVerdict) -> String {
    let outcome = verdict.outcome;
    let mut text = format!("{}: {}", toned(outcome.tone(), outcome.words()), verdict.reason());
    if let Some(ended) = verdict.ended_early_at_s {
        let _ = write!(text, "; it ended early, at {}", number::span(ended));
    }
    text.push('\n');
    for doubt in &verdict.doubts {
        let _ = writeln!(text, "  {doubt}");
    }
    text
}

/// The table of thresholds: required, actual, and whether each is met.
fn thresholds(judged: &[Judged]) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let mut rows = vec![["", "required", "actual", ""].map(str::to_owned)];
    for one in judged {
        let tone = match one.met {
            Some(true) => Tone::Good,
            Some(false) => Tone::Bad,
            None => Tone::Unsure,
        };
        let met = toned(tone, one.words());
        rows.push([one.subject(), one.required.clone(), one.shown(), met]);
    }
    table("thresholds", &rows)
}

fn head(plan: &Plan, end: Time) -> String {
    let server = match plan.mode {
        Mode::Sim => "built-in server core".to_owned(),
        Mode::Net => server_name(plan),
    };
    let mut text = format!(
        "{BOLD}{}{BOLD:#}  {}, seed {}, {} clients, {server}\n",
        plan.name,
        plan.mode.name(),
        plan.seed,
        number::thousands(plan.roster().clients().into()),
    );
    if !plan.description.is_empty() {
        let _ = writeln!(text, "{}", plan.description);
    }
    let seen = end.since(plan.measured_from());
    let measured = match seen {
        Span::ZERO => "nothing measured: the run ended in its warm-up".to_owned(),
        seen if seen < plan.duration => format!("measured {} of", number::span(seen.seconds())),
        _ => "measured".to_owned(),
    };
    let _ = match seen {
        Span::ZERO => writeln!(text, "{measured}"),
        _ => writeln!(
            text,
            "{measured} {} after {} of warm-up, {} of drain",
            plan.duration, plan.warmup, plan.drain
        ),
    };
    text
}

/// The server under test, in words.
pub(crate) fn server_name(plan: &Plan) -> String {
    match &plan.server.target {
        Target::BuiltIn { .. } => "built-in server".to_owned(),
        Target::Address { address } => format!("server at {address}"),
        Target::Command { command, .. } => format!("server {}", command.join(" ")),
    }
}

/// The table of impairments that are switched on: configured, observed, and how far the two may
/// differ by chance.
fn links(plan: &Plan, results: &Results) -> String {
    let rows = link_rows(plan, results);
    if rows.is_empty() {
        return format!("{BOLD}links{BOLD:#}  no impairments\n");
    }
    let mut cells = vec![["", "configured", "observed", ""].map(str::to_owned)];
    let mut warnings = String::new();
    for row in &rows {
        let show = |value: Option<f64>| value.map_or(String::new(), |v| row.unit.show(Some(v)));
        let interval = row.interval.filter(|interval| *interval > 0.0);
        let interval = interval.map_or(String::new(), |i| format!("± {}", show(Some(i))));
        let name = format!("{} {} {}", row.group, row.direction.name(), row.stage);
        if row.agrees() == Some(false) {
            let _ = writeln!(
                warnings,
                "  {}: {name} is off by more than chance explains, {} instead of {} {interval}",
                toned(Tone::Bad, "warning"),
                show(row.observed),
                show(row.configured)
            );
        }
        cells.push([name, show(row.configured), show(row.observed), interval]);
    }
    table("links", &cells) + &warnings
}

/// The headline figures that are worth showing for this run, for all clients together and, if
/// there are several groups, for each group.
fn figures(plan: &Plan, results: &Results) -> String {
    let several = plan.groups.len() > 1;
    let mut rows = vec![vec![String::new(), "all".to_owned()]];
    if several {
        rows[0].extend(plan.groups.iter().map(|group| group.name.clone()));
    }
    let columns: Vec<&Figures> = std::iter::once(&results.figures)
        .chain(results.groups.iter().filter(|_| several))
        .collect();
    for metric in Metric::headlines() {
        if columns.iter().any(|figures| figures.say(metric)) {
            let cell = |figures: &&Figures| metric.unit().show(figures.figure(metric));
            let cells = columns.iter().map(cell);
            rows.push(std::iter::once(metric.label()).chain(cells).collect());
        }
    }
    table("figures", &rows)
}

fn ledger(results: &Results) -> String {
    let mut text = format!("{BOLD}ledger{BOLD:#}\n");
    let equations = [
        (Level::Datagrams, Some(Direction::Up), "up"),
        (Level::Datagrams, Some(Direction::Down), "down"),
        (Level::Deliveries, None, "deliveries"),
    ];
    for (level, direction, name) in equations {
        let rows = results.ledger.iter().filter(|row| row.group.is_none());
        let rows = rows.filter(|row| row.level == level && row.direction == direction);
        let side = |side: Side| {
            let shown = rows.clone().filter(|row| {
                let always =
                    row.term == UNEXPLAINED || row.term == "sent" || row.term == "expected";
                row.side == side && (row.count != 0 || always)
            });
            let terms = shown.map(|row| {
                let count = number::thousands(row.count as f64);
                format!("{count} {}", row.term.replace('-', " "))
            });
            terms.collect::<Vec<_>>().join(" + ")
        };
        let _ = writeln!(text, "  {name:<10}  {} = {}", side(Side::In), side(Side::Out));
    }
    let every = results.tally.facts.observed_every;
    if every > 1 {
        let _ = writeln!(
            text,
            "  reordering, loss runs and jitter: observed on the links of one client in {every}"
        );
    }
    text
}
