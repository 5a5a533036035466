//! The report of a ramp: a table of its steps, the last step that met every threshold, and what was
//! at its limit at the first step that did not.

use std::collections::BTreeMap;
use std::fmt::Write;

use skipbeat_core::Unit;
use skipbeat_core::number::{UNKNOWN, number, thousands};
use skipbeat_measure::{Load, Outcome};
use skipbeat_results::{FinishedRun, RampSummary};
use skipbeat_scenario::{Plan, Run, Study};

use crate::summary::server_name;
use crate::sweep::{headline, tone_of};
use crate::text::{BOLD, percent, seconds, table, toned};

/// A thread that is busy for more than this share of the time has no room left for a burst.
const BUSY: f64 = 0.85;

/// Whether a run meets every threshold of its scenario and its figures can be trusted.
pub fn holds(plan: &Plan, run: &FinishedRun) -> bool {
    run.verdict(plan).outcome == Outcome::Pass
}

/// The summary of a study with a ramp, as text with terminal colours.
pub fn capacity_summary(study: &Study, runs: &[FinishedRun], outcome: (Outcome, &str)) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}  {}\n", study.base.name, study.base.mode.name());
    if !study.base.description.is_empty() {
        let _ = writeln!(text, "{}", study.base.description);
    }
    let thresholds: Vec<String> = study.base.thresholds.iter().map(ToString::to_string).collect();
    let key = study.keys.last().map_or("", String::as_str);
    let _ = writeln!(text, "{key} rises until one of these is not met: {}", thresholds.join(", "));
    let ramps = ramps(study, runs);
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
    text.push('\n');
    text.push_str(&headline(study, runs, outcome));
    text
}

/// A summary of each ramp of a study: the last step that held, and what broke after it.
pub fn ramp_summaries(study: &Study, runs: &[FinishedRun]) -> Vec<RampSummary> {
    let key = study.keys.last().map_or("", String::as_str);
    let ramps = ramps(study, runs).into_iter();
    ramps.map(|(ramp, own)| RampSummary { ramp, lines: knee(study, key, &own) }).collect()
}

/// The name of each ramp, with those of its steps that were run.
fn ramps<'a>(study: &Study, runs: &'a [FinishedRun]) -> Vec<(String, Vec<&'a FinishedRun>)> {
    let mut ramps: BTreeMap<u32, Vec<&FinishedRun>> = BTreeMap::new();
    for run in runs {
        ramps.entry(study.ramp_of(&study.runs[run.run])).or_default().push(run);
    }
    let named = |own: Vec<&'a FinishedRun>| (ramp_name(study, &study.runs[own[0].run]), own);
    ramps.into_values().map(named).collect()
}

/// A ramp's name: the server, then the values of all swept keys except the last, which rises.
fn ramp_name(study: &Study, run: &Run) -> String {
    let others = study.keys.iter().zip(&run.values).take(study.keys.len().saturating_sub(1));
    let others = others.filter(|(key, _)| *key != "server");
    let others = others.map(|(key, value)| format!("{key} {value}"));
    std::iter::once(server_name(&run.plan)).chain(others).collect::<Vec<_>>().join(", ")
}

/// Processor time of one side as a share of wall-clock time. It is above 1 if several processors
/// were busy.
fn busy(cpu_s: Option<f64>, load: &Load) -> Option<f64> {
    cpu_s.filter(|_| load.wall_s > 0.0).map(|cpu| cpu / load.wall_s)
}

/// Processor time of the swarm as a share of wall-clock time, averaged over its threads.
fn swarm_busy(plan: &Plan, load: &Load) -> Option<f64> {
    let threads = if plan.swarm.threads > 1 { plan.swarm.threads + 1 } else { 1 };
    busy(load.swarm_cpu_s, load).map(|share| share / f64::from(threads))
}

/// The server's processor time per delivery that it sent, in nanoseconds.
fn ns_per_delivery(run: &FinishedRun) -> Option<f64> {
    let cpu = run.load?.server_cpu_s?;
    let sent = run.figures.get("down_sent").filter(|sent| *sent > 0.0)?;
    Some(cpu * 1e9 / sent)
}

fn rows(study: &Study, key: &str, runs: &[&FinishedRun]) -> Vec<Vec<String>> {
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
    for finished in runs {
        let step = &study.runs[finished.run];
        let load = finished.load.unwrap_or_default();
        let figure = |name: &str, unit: Unit| unit.show(finished.figures.get(name));
        let holds = holds(&step.plan, finished);
        rows.push(vec![
            String::new(),
            step.values.last().cloned().unwrap_or_default(),
            figure("clients", Unit::Count),
            figure("deliveries_per_s", Unit::PerSecond),
            figure("delivery_ratio", Unit::Ratio),
            figure("latency_p99_s", Unit::Seconds),
            percent(busy(load.server_cpu_s, &load)),
            Unit::Nanoseconds.show(ns_per_delivery(finished)),
            percent(swarm_busy(&step.plan, &load)),
            load.server_drops.map_or(UNKNOWN.to_owned(), |drops| thousands(drops as f64)),
            toned(tone_of(holds), if holds { "yes" } else { "no" }),
        ]);
    }
    rows
}

/// Lines that name the last step that held, the first that broke, and why it broke.
fn knee(study: &Study, key: &str, runs: &[&FinishedRun]) -> Vec<String> {
    let plan = |finished: &FinishedRun| &study.runs[finished.run].plan;
    let held = runs.iter().take_while(|run| holds(plan(run), run)).last();
    let broke = runs.iter().find(|run| !holds(plan(run), run));
    let value = |run: &FinishedRun| study.runs[run.run].values.last().cloned().unwrap_or_default();
    let figure =
        |run: &FinishedRun, name: &str| run.figures.get(name).map_or(UNKNOWN.to_owned(), number);
    let mut lines = Vec::new();
    lines.push(match held {
        Some(run) => {
            // There is no processor time of a server in virtual time.
            let cost = ns_per_delivery(run).map_or(String::new(), |ns| {
                format!(", {} of the server's processor each", Unit::Nanoseconds.show(Some(ns)))
            });
            format!(
                "holds {} clients and {} deliveries per second{cost} ({key} {})",
                figure(run, "clients"),
                figure(run, "deliveries_per_s"),
                value(run)
            )
        }
        None => "the first step already breaks".to_owned(),
    });
    match broke {
        None if runs.len() < study.ramp.unwrap_or(1) as usize => {
            lines.push("nothing broke so far: the ramp was cut short".to_owned());
        }
        None => lines.push("nothing broke: the ramp ends before the limit".to_owned()),
        Some(run) => {
            let verdict = run.verdict(plan(run));
            let stopped = verdict.stopped_by.map(|by| format!("stopped early by {by}"));
            let missed = verdict.thresholds.iter().filter(|one| one.met != Some(true));
            let missed = missed.map(|one| {
                format!("{} is {}, required {}", one.subject(), one.shown(), one.required)
            });
            let reasons: Vec<String> = missed.chain(stopped).chain(verdict.doubts).collect();
            lines.push(format!("breaks at {key} {}: {}", value(run), reasons.join("; ")));
            lines.push(format!("first at its limit: {}", limit(plan(run), run)));
        }
    }
    lines
}

/// What was at its limit in a step that did not hold. The generator is checked first: if it was
/// late, the step says nothing about the server.
fn limit(plan: &Plan, run: &FinishedRun) -> String {
    let Some(load) = run.load else { return "not known: the run was in virtual time".to_owned() };
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
