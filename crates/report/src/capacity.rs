//! The report of a ramp: every step, the last that held, and what was at its limit at the first that
//! did not.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;
use serde_json::{Value, json};
use skipbeat_measure::{Load, Outcome, Threshold};
use skipbeat_scenario::{Plan, Run, Study};

use crate::ending::Ending;
use crate::files::Cell;
use crate::summary::{UNKNOWN, got, percent, seconds, server_name, subject, table, thousands};

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
    let ramps = ramps(study, cells);
    for (name, own) in &ramps {
        text.push('\n');
        text.push_str(&table(name, &rows(study, key, own)));
    }
    text.push('\n');
    for (name, own) in &ramps {
        let _ = writeln!(text, "{BOLD}{name}{BOLD:#}");
        for line in knee(study, key, own) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// What each ramp of a study came to, for `run.json`: its name, and what there is to say of it.
pub(crate) fn knees(study: &Study, cells: &[Cell]) -> Value {
    let key = study.keys.last().map_or("", String::as_str);
    let of =
        |(name, own): &(String, Vec<&Cell>)| json!({ "ramp": name, "says": knee(study, key, own) });
    ramps(study, cells).iter().map(of).collect()
}

/// The steps of each ramp that were run, with its name.
fn ramps<'a>(study: &Study, cells: &'a [Cell]) -> Vec<(String, Vec<&'a Cell>)> {
    let mut ramps: BTreeMap<u32, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        ramps.entry(study.ramp_of(&study.runs[cell.run])).or_default().push(cell);
    }
    let named = |own: Vec<&'a Cell>| (ramp_name(study, &study.runs[own[0].run]), own);
    ramps.into_values().map(named).collect()
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

/// The last step that held, and what broke at the one behind it, in lines.
fn knee(study: &Study, key: &str, cells: &[&Cell]) -> Vec<String> {
    let held = cells.iter().take_while(|cell| holds(&study.runs[cell.run].plan, cell)).last();
    let broke = cells.iter().find(|cell| !holds(&study.runs[cell.run].plan, cell));
    let value = |cell: &Cell| study.runs[cell.run].values.last().cloned().unwrap_or_default();
    let figure =
        |cell: &Cell, name: &str| cell.figures.get(name).map_or(UNKNOWN.to_owned(), thousands);
    let mut lines = Vec::new();
    lines.push(match held {
        Some(cell) => {
            // In virtual time a server has no processor.
            let cost = ns_per_delivery(cell).map_or(String::new(), |ns| {
                format!(", {} ns of the server's processor each", thousands(ns))
            });
            format!(
                "holds {} clients, {} deliveries a second{cost} ({key} {})",
                figure(cell, "clients"),
                figure(cell, "deliveries_per_s"),
                value(cell)
            )
        }
        None => "holds not even the first step".to_owned(),
    });
    match broke {
        None if cells.len() < study.ramp.unwrap_or(1) as usize => {
            lines.push("nothing broke so far: the ramp did not come to its end".to_owned());
        }
        None => lines.push("nothing broke: the ramp ends before the limit".to_owned()),
        Some(cell) => {
            let plan = &study.runs[cell.run].plan;
            let Ending { judged, stopped_by, .. } = cell.ending(plan);
            let stopped = stopped_by.map(|threshold| format!("stopped early by {threshold}"));
            let unmet = judged.iter().filter(|judged| judged.met != Some(true));
            let unmet = unmet.map(|judged| {
                let Threshold { condition, .. } = &judged.threshold;
                format!("{} is {}, asked {condition}", subject(&judged.threshold), got(judged))
            });
            let reasons: Vec<String> =
                unmet.chain(stopped).chain(cell.doubts.iter().cloned()).collect();
            lines.push(format!("breaks at {key} {}: {}", value(cell), reasons.join("; ")));
            lines.push(format!("first at its limit: {}", limit(plan, cell)));
        }
    }
    lines
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
