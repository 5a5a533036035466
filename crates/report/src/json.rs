//! The summary as JSON, for other programs: every metric of the run and of each group.

use serde_json::{Map, Value, json};
use skipbeat_measure::{Figures, Outcome, Results, RunVerdict};
use skipbeat_results::{FinishedRun, RunEntry};
use skipbeat_scenario::{Plan, Study};

/// The version of both summaries, raised when a name in them changes its meaning.
const VERSION: u32 = 2;

/// The JSON summary of a run; `exit_code` is the one that the program exits with.
pub fn json_summary(plan: &Plan, results: &Results, verdict: &RunVerdict, exit_code: u8) -> Value {
    json!({
        "version": VERSION,
        "scenario": plan.name,
        "mode": plan.mode.name(),
        "seed": plan.seed,
        "digest": format!("{:016x}", results.tally.digest),
        "metrics": metrics(&results.figures),
        "groups": groups(plan, &results.groups),
        "outcome": verdict.outcome,
        "reason": verdict.reason(),
        "verdict": verdict,
        "exit_code": exit_code,
    })
}

/// The JSON summary of a sweep; `exit_code` is the one that the program exits with.
pub fn json_sweep(
    study: &Study,
    runs: &[FinishedRun],
    (outcome, reason): (Outcome, &str),
    exit_code: u8,
) -> Value {
    let one = |finished: &FinishedRun| {
        let RunEntry { point, replication, values, seed, digest, verdict, .. } =
            RunEntry::of(study, finished);
        json!({
            "point": point,
            "replication": replication,
            "values": values,
            "seed": seed,
            "digest": digest,
            "metrics": metrics(&finished.figures),
            "groups": groups(&study.runs[finished.run].plan, &finished.groups),
            "outcome": verdict.outcome,
            "reason": verdict.reason(),
            "verdict": verdict,
            "load": finished.load,
        })
    };
    json!({
        "version": VERSION,
        "scenario": study.base.name,
        "mode": study.base.mode.name(),
        "runs_planned": study.runs.len(),
        "runs": runs.iter().map(one).collect::<Vec<_>>(),
        "outcome": outcome,
        "reason": reason,
        "exit_code": exit_code,
    })
}

fn groups(plan: &Plan, groups: &[Figures]) -> Map<String, Value> {
    let named = plan.groups.iter().zip(groups);
    named.map(|(group, figures)| (group.name.clone(), metrics(figures).into())).collect()
}

fn metrics(figures: &Figures) -> Map<String, Value> {
    figures.iter().map(|(name, _, value)| (name.to_owned(), json!(value))).collect()
}
