//! The report of a ramp: every step, the last that held, and what was at its limit at the first that
//! did not.

use std::fmt::Write;

use anstyle::Style;
use skipbeat_measure::{Judged, Load, Outcome};
use skipbeat_scenario::{Plan, Run, Study};

use crate::files::Cell;
use crate::summary::{UNKNOWN, percent, seconds, server_name, table, thousands};

const BOLD: Style = Style::new().bold();
/// A thread that is busy for more of the time than this has no time left for a burst.
const BUSY: f64 = 0.85;

/// Whether a run held what its scenario demands: every threshold is met, and nothing is in doubt.
pub fn holds(plan: &Plan, cell: &Cell) -> bool {
    cell.ending(plan).outcome == Outcome::Pass
}

/// The summary of a study with a ramp, as text with terminal colours.
pub fn capacity_summary(study: &Study, cells: &[Cell]) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}  {}\n", study.base.name, study.base.mode.name());
    if !study.base.description.is_empty() {
        let _ = writeln!(text, "{}", study.base.description);
    }
    let thresholds: Vec<String> = study.base.thresholds.iter().map(ToString::to_string).collect();
    let key = study.keys.last().map_or("", String::as_str);
    let _ = writeln!(text, "{key} rises until this does not hold: {}", thresholds.join(", "));
    let mut knees = String::new();
    let of = |cell: &&Cell| study.ramp_of(&study.runs[cell.run]);
    let ramps = cells.iter().map(|cell| of(&cell)).max().map_or(0, |last| last + 1);
    for ramp in 0..ramps {
        let own: Vec<&Cell> = cells.iter().filter(|cell| of(cell) == ramp).collect();
        let Some(first) = own.first() else { continue };
        let name = ramp_name(study, &study.runs[first.run]);
        text.push('\n');
        text.push_str(&table(&name, &rows(study, key, &own)));
        knees.push_str(&knee(study, &name, key, &own));
    }
    text.push('\n');
    text.push_str(&knees);
    text
}

/// What tells a ramp from the others: the server, and the values of the other keys but the last.
fn ramp_name(study: &Study, run: &Run) -> String {
    let others = study.keys.iter().zip(&run.values).take(study.keys.len().saturating_sub(1));
    let others = others.filter(|(key, _)| *key != "server");
    let others = others.map(|(key, value)| format!("{key} {value}"));
    std::iter::once(server_name(&run.plan)).chain(others).collect::<Vec<_>>().join(", ")
}

/// Share of the time that a side's processor was busy.
fn busy(cpu_s: Option<f64>, load: &Load) -> Option<f64> {
    cpu_s.filter(|_| load.wall_s > 0.0).map(|cpu| cpu / load.wall_s)
}

/// The same of the swarm, for each of its threads.
fn swarm_busy(plan: &Plan, load: &Load) -> Option<f64> {
    let threads = if plan.swarm.threads > 1 { plan.swarm.threads + 1 } else { 1 };
    busy(load.swarm_cpu_s, load).map(|share| share / f64::from(threads))
}

/// Server time per delivery, in nanoseconds: of the whole run, for what was sent in it.
fn ns_per_delivery(cell: &Cell) -> Option<f64> {
    let cpu = cell.load?.server_cpu_s?;
    let sent = cell.figures.get("down_sent").filter(|sent| *sent > 0.0)?;
    Some(cpu * 1e9 / sent)
}

fn rows(study: &Study, key: &str, cells: &[&Cell]) -> Vec<Vec<String>> {
    let short = key.rsplit('.').next().unwrap_or(key);
    let head = [
        "",
        short,
        "clients",
        "deliveries/s",
        "delivered",
        "latency p99",
        "server CPU",
        "ns each",
        "swarm CPU",
        "drops",
        "holds",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for cell in cells {
        let run = &study.runs[cell.run];
        let load = cell.load.unwrap_or_default();
        let figure = |name: &str| cell.figures.get(name);
        let drops = load.server_drops.map_or(UNKNOWN.to_owned(), |n| thousands(n as f64));
        let holds = if holds(&run.plan, cell) { "yes" } else { "no" };
        rows.push(vec![
            String::new(),
            run.values.last().cloned().unwrap_or_default(),
            figure("clients").map_or(UNKNOWN.to_owned(), thousands),
            figure("deliveries_per_s").map_or(UNKNOWN.to_owned(), thousands),
            percent(figure("delivery_ratio")),
            seconds(figure("latency_p99_s")),
            percent(busy(load.server_cpu_s, &load)),
            ns_per_delivery(cell).map_or(UNKNOWN.to_owned(), thousands),
            percent(swarm_busy(&run.plan, &load)),
            drops,
            holds.to_owned(),
        ]);
    }
    rows
}

/// The last step that held, and what broke at the one behind it.
fn knee(study: &Study, name: &str, key: &str, cells: &[&Cell]) -> String {
    let held = cells.iter().take_while(|cell| holds(&study.runs[cell.run].plan, cell)).last();
    let broke = cells.iter().find(|cell| !holds(&study.runs[cell.run].plan, cell));
    let value = |cell: &Cell| study.runs[cell.run].values.last().cloned().unwrap_or_default();
    let figure =
        |cell: &Cell, name: &str| cell.figures.get(name).map_or(UNKNOWN.to_owned(), thousands);
    let mut text = format!("{BOLD}{name}{BOLD:#}\n");
    match held {
        Some(cell) => {
            let _ = writeln!(
                text,
                "  holds {} clients, {} deliveries a second, {} ns of the server's processor each \
                 ({key} {})",
                figure(cell, "clients"),
                figure(cell, "deliveries_per_s"),
                ns_per_delivery(cell).map_or(UNKNOWN.to_owned(), thousands),
                value(cell)
            );
        }
        None => text.push_str("  holds not even the first step\n"),
    }
    match broke {
        None if cells.len() < study.ramp.unwrap_or(1) as usize => {
            text.push_str("  nothing broke so far: the ramp did not come to its end\n");
        }
        None => text.push_str("  nothing broke: the ramp ends before the limit\n"),
        Some(cell) => {
            let plan = &study.runs[cell.run].plan;
            let judged = cell.ending(plan).judged;
            let unmet = judged.iter().filter(|judged| judged.met != Some(true));
            let unmet = unmet.map(|Judged { threshold, value, .. }| {
                let got = value.map_or(UNKNOWN.to_owned(), |value| format!("{value:.4}"));
                let group = threshold.group.as_ref();
                let group = group.map_or(String::new(), |(_, name)| format!("{name} "));
                format!("{group}{} is {got}, asked {}", threshold.metric, threshold.condition)
            });
            let reasons: Vec<String> = unmet.chain(cell.doubts.iter().cloned()).collect();
            let _ = writeln!(text, "  breaks at {key} {}: {}", value(cell), reasons.join("; "));
            let _ = writeln!(text, "  first at its limit: {}", limit(plan, cell));
        }
    }
    text
}

/// What was at its limit in a step that did not hold: the generator first, since nothing can be said
/// of a server that was not asked in time.
fn limit(plan: &Plan, cell: &Cell) -> String {
    let Some(load) = cell.load else { return "not known: the run was in virtual time".to_owned() };
    let server = busy(load.server_cpu_s, &load);
    let swarm = swarm_busy(plan, &load);
    let shown = |share: Option<f64>| percent(share);
    let late = load.lateness_p99_s.filter(|late| *late > plan.swarm.lateness_limit.seconds());
    if let Some(late) = late {
        return format!(
            "the generator, which was {} late (swarm CPU {})",
            seconds(Some(late)),
            shown(swarm)
        );
    }
    if let Some(drops) = load.swarm_drops.filter(|drops| *drops > 0) {
        return format!(
            "the generator, whose receive buffer overflowed by {} (swarm CPU {})",
            thousands(drops as f64),
            shown(swarm)
        );
    }
    if let Some(drops) = load.server_drops.filter(|drops| *drops > 0) {
        return format!(
            "the server's receive buffer, which dropped {} (server CPU {})",
            thousands(drops as f64),
            shown(server)
        );
    }
    if server.is_some_and(|share| share > BUSY) {
        return format!("the server's processor, busy {} of the time", shown(server));
    }
    if swarm.is_some_and(|share| share > BUSY) {
        return format!("the generator's processor, busy {} of the time", shown(swarm));
    }
    format!(
        "no processor and no buffer (server CPU {}, swarm CPU {}): look at links and limits of the \
         scenario",
        shown(server),
        shown(swarm)
    )
}
