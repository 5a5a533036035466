//! The summary of a run: what was asked beside what came, then the figures that matter.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use skipbeat_core::{Direction, Span, Time};
use skipbeat_measure::{Figures, HostReport, Judged, METRICS, Results, Threshold, metric};
use skipbeat_scenario::{Mode, Plan, Target};
use skipbeat_swarm::Acks;

use crate::ending::Ending;
use crate::host::host_summary;
use crate::links::{Unit, link_rows};

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What stands for a figure that is undefined.
pub(crate) const UNKNOWN: &str = "–";

/// The summary as text with terminal colours; print it through something that drops them where
/// they are not wanted.
pub fn text_summary(plan: &Plan, results: &Results, host: &HostReport, ending: &Ending) -> String {
    let mut text = String::new();
    let parts = [
        head(plan, results.end),
        asked_and_got(plan, results),
        outcome(plan, results),
        host_summary(host),
        ledger(results),
    ];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push_str(part);
        text.push('\n');
    }
    text.push_str(&thresholds(&ending.judged));
    text.push_str(&verdict(plan, results, ending));
    text
}

/// What the figures had to be, and whether they are.
fn thresholds(judged: &[Judged]) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let mut rows = vec![["", "asked", "got", ""].map(str::to_owned)];
    for judged in judged {
        let met = match (judged.met, judged.value) {
            (Some(true), _) => format!("{GOOD}met{GOOD:#}"),
            (Some(false), _) => format!("{BAD}not met{BAD:#}"),
            (None, None) => "cannot tell: there is no such figure".to_owned(),
            (None, Some(_)) => "cannot tell: the run ended early".to_owned(),
        };
        let threshold = &judged.threshold;
        rows.push([subject(threshold), threshold.condition.clone(), got(judged), met]);
    }
    table("thresholds", &rows) + "\n"
}

/// What a threshold is about.
pub(crate) fn subject(threshold: &Threshold) -> String {
    let group = threshold.group.as_ref().map_or(String::new(), |(_, name)| format!("{name} "));
    format!("{group}{}", threshold.metric)
}

/// What came, in the unit of the metric; to the last digit where that may be what decides.
pub(crate) fn got(judged: &Judged) -> String {
    let known = metric(judged.threshold.metric);
    let shown =
        show(known.map_or(skipbeat_measure::Unit::Number, |metric| metric.unit), judged.value);
    match (judged.met, judged.value) {
        (Some(false), Some(value)) if value.fract() != 0.0 => format!("{shown} ({value:.6})"),
        _ => shown,
    }
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
        thousands(plan.roster().clients().into()),
    );
    if !plan.description.is_empty() {
        let _ = writeln!(text, "{}", plan.description);
    }
    let seen = end.since(plan.measured_from());
    let measured = match seen {
        Span::ZERO => "nothing measured: the run ended in its warm-up".to_owned(),
        seen if seen < plan.duration => format!("measured {:.1} s of", seen.seconds()),
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

/// Which server is tested.
pub(crate) fn server_name(plan: &Plan) -> String {
    match &plan.server.target {
        Target::BuiltIn { .. } => "built-in server".to_owned(),
        Target::Address { address } => format!("server at {address}"),
        Target::Command { command, .. } => format!("server {}", command.join(" ")),
    }
}

/// The impairments that are switched on, as asked and as they came out, and how far off chance may
/// take them.
fn asked_and_got(plan: &Plan, results: &Results) -> String {
    let rows = link_rows(plan, results);
    if rows.is_empty() {
        return format!("{BOLD}links{BOLD:#}  no impairments\n");
    }
    let mut cells = vec![["", "asked", "got", ""].map(str::to_owned)];
    let mut warnings = String::new();
    for row in &rows {
        let show = |value: Option<f64>| match (value, row.unit) {
            (None, _) => String::new(),
            (value, Unit::Ratio) => percent(value),
            (value, Unit::Seconds) => seconds(value),
        };
        let interval = row.interval.filter(|interval| *interval > 0.0);
        let interval = interval.map_or(String::new(), |i| format!("± {}", show(Some(i))));
        let name = format!("{} {} {}", row.group, row.direction.name(), row.stage);
        if row.agrees() == Some(false) {
            let _ = writeln!(
                warnings,
                "  {BAD}warning{BAD:#}: {name} is off by more than chance allows, {} instead of {} \
                 {interval}",
                show(row.got),
                show(row.asked)
            );
        }
        cells.push([name, show(row.asked), show(row.got), interval]);
    }
    table("links", &cells) + &warnings
}

fn outcome(plan: &Plan, results: &Results) -> String {
    let f = |figures: &Figures, name: &str| figures.get(name);
    let mut rows = vec![vec![String::new()]];
    let several = plan.groups.len() > 1;
    rows[0].push("all".to_owned());
    if several {
        rows[0].extend(plan.groups.iter().map(|group| group.name.clone()));
    }
    let columns: Vec<&Figures> = std::iter::once(&results.figures)
        .chain(results.groups.iter().filter(|_| several))
        .collect();
    let mut row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells = columns.iter().map(|figures| cell(figures));
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    row("messages sent", &|x| count(f(x, "chat_sent")));
    row("deliveries expected", &|x| count(f(x, "deliveries_expected")));
    row("delivery ratio", &|x| percent(f(x, "delivery_ratio")));
    row("duplicates", &|x| percent(f(x, "duplicate_ratio")));
    row("latency p50 / p99", &|x| {
        format!("{} / {}", seconds(f(x, "latency_p50_s")), seconds(f(x, "latency_p99_s")))
    });
    row("reordered (RFC 4737)", &|x| percent(f(x, "reordered_ratio")));
    row("crashes", &|x| count(f(x, "crashes")));
    row("eviction latency mean", &|x| seconds(f(x, "eviction_latency_mean_s")));
    row("eviction latency p99", &|x| seconds(f(x, "eviction_latency_p99_s")));
    row("false evictions", &|x| count(f(x, "false_evictions")));
    row("  per client and hour", &|x| {
        let per_hour = f(x, "mistake_rate_per_s").map(|rate| rate * 3600.0);
        per_hour.map_or(UNKNOWN.to_owned(), |rate| format!("{rate:.3}"))
    });
    row("  lasting, mean", &|x| seconds(f(x, "mistake_duration_mean_s")));
    row("query accuracy", &|x| percent(f(x, "query_accuracy")));
    special_rows(plan, results, &mut row);
    for metric in METRICS.iter().filter(|metric| f(&results.figures, metric.name).is_some()) {
        if let Some(label) = metric.label {
            row(label, &|x| show(metric.unit, f(x, metric.name)));
        }
    }
    row("server received / s", &|x| count(f(x, "server_rx_per_s")));
    row("server sent / s", &|x| count(f(x, "server_tx_per_s")));
    let rows: Vec<Vec<String>> = rows;
    table("outcome", &rows)
}

/// What is shown only where the scenario asks for it.
fn special_rows(
    plan: &Plan,
    results: &Results,
    row: &mut impl FnMut(&str, &dyn Fn(&Figures) -> String),
) {
    let f = |figures: &Figures, name: &str| figures.get(name);
    if plan.groups.iter().any(|group| group.behaviour.acks != Acks::None) {
        row("sent again, up / down", &|x| {
            let (up, down) = (f(x, "up_retransmitted"), f(x, "down_retransmitted"));
            format!("{} / {}", count(up), count(down))
        });
        row("given up", &|x| count(f(x, "given_up")));
        row("datagrams per delivery", &|x| {
            f(x, "datagrams_per_delivery").map_or(UNKNOWN.to_owned(), |n| format!("{n:.3}"))
        });
    }
    if plan.server.options.heartbeat.by_server() {
        row("server taken for gone", &|x| count(f(x, "server_mistakes")));
        row("dead server noticed, mean", &|x| seconds(f(x, "server_detection_mean_s")));
        row("dead server noticed, last", &|x| seconds(f(x, "server_detection_max_s")));
    }
    let any = |name: &str| f(&results.figures, name).is_some_and(|n| n > 0.0);
    if any("rebinds") {
        row("changes of address", &|x| count(f(x, "rebinds")));
        row("  member again after, mean", &|x| seconds(f(x, "rebind_recovery_mean_s")));
    }
    if any("ghosts_mean") {
        row("ghosts at a time, mean", &|x| {
            f(x, "ghosts_mean").map_or(UNKNOWN.to_owned(), |n| format!("{n:.1}"))
        });
        row("  lasting, mean", &|x| seconds(f(x, "ghost_duration_mean_s")));
    }
    if any("misaddressed") {
        row("sent to nobody", &|x| count(f(x, "misaddressed")));
    }
    if any("expelled") {
        row("put out by a forged quit", &|x| count(f(x, "expelled")));
    }
    if plan.groups.iter().any(|group| group.behaviour.hostile.is_some()) {
        row("amplification", &|x| {
            f(x, "amplification").map_or(UNKNOWN.to_owned(), |n| format!("{n:.2}"))
        });
        row("most members", &|x| count(f(x, "members_max")));
    }
}

fn ledger(results: &Results) -> String {
    let mut text = format!("{BOLD}ledger{BOLD:#}\n");
    let names =
        [(Some(Direction::Up), "up"), (Some(Direction::Down), "down"), (None, "deliveries")];
    for (direction, name) in names {
        let whole = |side: &str| {
            let rows = (results.ledger.iter())
                .filter(|row| row.group.is_none() && row.direction == direction);
            let terms = rows.filter_map(|row| {
                let (of, term) = row.term.split_once(':')?;
                let shown = row.count != 0 || term == "unexplained" || side == "in";
                let shown = shown && !(term == "duplicated" && row.count == 0);
                (of == side && shown)
                    .then(|| format!("{} {}", thousands(row.count as f64), term.replace('-', " ")))
            });
            terms.collect::<Vec<_>>().join(" + ")
        };
        let _ = writeln!(text, "  {name:<10}  {} = {}", whole("in"), whole("out"));
    }
    if results.observed_every > 1 {
        let _ = writeln!(
            text,
            "  reordering, loss runs and jitter: seen on every {}th client's links",
            results.observed_every
        );
    }
    text
}

fn verdict(plan: &Plan, results: &Results, ending: &Ending) -> String {
    if let Some(failure) = &ending.failure {
        return format!("{BAD}failed{BAD:#}: the run ended early: {failure}\n");
    }
    let early = ending.early(results.end).unwrap_or_default();
    if results.doubts.is_empty() && results.end < plan.end() {
        return format!("{early}ended early: every datagram until then is accounted for\n");
    }
    if results.doubts.is_empty() {
        return format!("{GOOD}conclusive{GOOD:#}: every datagram is accounted for\n");
    }
    let reasons: String = results.doubts.iter().map(|doubt| format!("  {doubt}\n")).collect();
    format!("{early}{BAD}inconclusive{BAD:#}\n{reasons}")
}

/// The summary for programs: every metric, of the run and of each group.
pub fn json_summary(plan: &Plan, results: &Results, ending: &Ending, exit_code: u8) -> Value {
    let groups: Map<String, Value> = (plan.groups.iter().zip(&results.groups))
        .map(|(group, figures)| (group.name.clone(), json_metrics(figures).into()))
        .collect();
    json!({
        "version": 1,
        "scenario": plan.name,
        "mode": plan.mode.name(),
        "seed": plan.seed,
        "digest": format!("{:016x}", results.digest),
        "metrics": json_metrics(&results.figures),
        "groups": groups,
        "verdict": ending.outcome.name(),
        "thresholds": json_thresholds(&ending.judged),
        "stopped_by": ending.stopped_by,
        "inconclusive": results.doubts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "failure": ending.failure,
        "exit_code": exit_code,
    })
}

/// Every threshold, what came, and whether it is met: `null` where there is no such figure.
pub(crate) fn json_thresholds(judged: &[Judged]) -> Value {
    let one = |judged: &Judged| {
        let Judged { threshold, value, met } = judged;
        json!({
            "metric": threshold.metric,
            "group": threshold.group.as_ref().map(|(_, name)| name),
            "condition": threshold.condition,
            "actual": value,
            "met": met,
        })
    };
    judged.iter().map(one).collect()
}

/// Every metric by name.
pub(crate) fn json_metrics(figures: &Figures) -> Map<String, Value> {
    figures.iter().map(|(metric, value)| (metric.name.to_owned(), json!(value))).collect()
}

/// Columns as wide as they must be, the first to the left, the others to the right.
pub(crate) fn table<R: AsRef<[String]>>(title: &str, rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let first = &row.as_ref()[0];
        let label = if number == 0 { title } else { first };
        let margin = if number == 0 { "" } else { "  " };
        let padding = (widths[0] + 2).saturating_sub(label.chars().count() + margin.len());
        let style = if number == 0 { BOLD } else { Style::new() };
        let _ = write!(text, "{margin}{style}{label}{style:#}{}", " ".repeat(padding));
        for (cell, width) in row.as_ref().iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| UNKNOWN.to_owned(), |share| format!("{:.2} %", share * 100.0))
}

pub(crate) fn seconds(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.to_owned(),
        Some(s) if s != 0.0 && s.abs() < 1e-3 => format!("{:.0} µs", s * 1e6),
        Some(s) if s.abs() < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.3} s"),
    }
}

fn count(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), thousands)
}

/// A figure in its unit, for people.
pub fn show(unit: skipbeat_measure::Unit, value: Option<f64>) -> String {
    use skipbeat_measure::Unit;
    match unit {
        Unit::Ratio => percent(value),
        Unit::Seconds => seconds(value),
        // A rate of mistakes is a small number, whose first digits are what counts.
        Unit::PerSecond => match value.filter(|value| *value != 0.0 && value.abs() < 100.0) {
            Some(small) => {
                let decimals = (3 - small.abs().log10().floor() as i32).clamp(0, 12) as usize;
                format!("{small:.decimals$}")
            }
            None => count(value),
        },
        Unit::Count => count(value),
        Unit::Number => value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.3}")),
    }
}

/// A whole number with commas.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(thousands(-12.0), "-12");
        assert_eq!(
            (seconds(Some(0.0301)), seconds(Some(7.55))),
            ("30.1 ms".into(), "7.550 s".into())
        );
        assert_eq!(percent(None), UNKNOWN);
    }

    #[test]
    fn tables_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let text = table("t", &[row(["", "x"]), row(["name", "12"])]);
        assert_eq!(anstyle_free(&text), "t        x\n  name  12\n");
    }

    fn anstyle_free(text: &str) -> String {
        text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
    }
}
