//! Compares two results folders: simulated figures must be equal, seed by seed; figures measured on
//! sockets are inconclusive.

use std::fs;
use std::path::Path;

use serde_json::json;
use skipbeat_compare::{Comparison, Finding, Sheet, compare_exactly};
use skipbeat_measure::Outcome;
use tempfile::TempDir;

const HEAD: &str = "scenario,mode,seed,point,replication,server.timeout";

/// A results folder whose runs have this digest. A row is a seed, a point, and the cells of
/// delivery ratio, latency and datagrams sent.
fn folder(mode: &str, rows: &[(u32, u32, &str)], digest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    // Metrics begin with the column `clients`.
    let mut summary = format!("{HEAD},clients,delivery_ratio,latency_p99_s,up_sent\n");
    let mut runs = Vec::new();
    for (seed, point, figures) in rows {
        let timeout = format!("{}s", point + 1);
        summary += &format!("s,{mode},{seed},{point},{seed},{timeout},10,{figures}\n");
        runs.push(json!({
            "point": point,
            "replication": seed,
            "values": { "server.timeout": timeout },
            "scenario_hash": format!("h{point}"),
            "seed": seed,
            "digest": digest,
            "verdict": {
                "outcome": "nothing-required",
                "thresholds": [],
                "doubts": [],
                "stopped_by": null,
                "failure": null,
                "ended_early_at_s": null,
            },
        }));
    }
    let groups = summary.replacen("server.timeout,", "server.timeout,group,", 1);
    let groups = groups.lines().next().unwrap();
    let run = json!({
        "version": 2,
        "skipbeat": { "version": "0.1.0", "commit": "abc" },
        "scenario": { "name": "s" },
        "scenario_hash": "h",
        "settings": [],
        "replications": null,
        "mode": mode,
        "seed": 1,
        "outcome": "nothing-required",
        "reason": "no threshold was set",
        "run": null,
        "sweep": {
            "keys": ["server.timeout"],
            "runs_planned": rows.len(),
            "ramps": null,
            "runs": runs,
        },
    });
    let run = run.to_string();
    write(folder.path(), [("summary.csv", &summary), ("groups.csv", groups), ("run.json", &run)]);
    folder
}

fn write(folder: &Path, files: [(&str, &str); 3]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn compare(base: &TempDir, new: &TempDir, minimum: Option<f64>) -> Comparison {
    let [base, new] = [base, new].map(|folder| Sheet::read(folder.path()).unwrap());
    compare_exactly(("base", &base), ("new", &new), minimum)
}

fn finding(comparison: &Comparison, point: &str, metric: &str) -> Finding {
    let row = comparison.rows.iter().find(|row| row.point == point && row.metric == metric);
    row.unwrap_or_else(|| panic!("no {metric} at {point}")).finding
}

#[test]
fn equal_figures_pass_and_the_smallest_difference_does_not() {
    let base = folder("sim", &[(1, 0, "0.91,0.25,100"), (1, 1, "0.8,0.5,100")], "d");
    let same = compare(&base, &base, None);
    assert_eq!((same.outcome, same.pairs), (Outcome::Pass, 2));
    assert!(same.rows.iter().all(|row| row.finding == Finding::Same) && same.notes.is_empty());

    let worse = folder("sim", &[(1, 0, "0.91,0.25,100"), (1, 1, "0.8,0.5000001,100")], "d");
    let worse = compare(&base, &worse, None);
    assert_eq!(worse.outcome, Outcome::Regression);
    assert_eq!(finding(&worse, "server.timeout=2s", "latency_p99_s"), Finding::Worse);
    assert_eq!(finding(&worse, "server.timeout=1s", "latency_p99_s"), Finding::Same);
}

#[test]
fn a_change_is_better_or_worse_only_if_its_metric_has_a_direction() {
    let base = folder("sim", &[(1, 0, "0.91,0.25,100")], "d");
    let new = folder("sim", &[(1, 0, "0.92,0.30,101")], "d");
    let comparison = compare(&base, &new, None);
    let of = |metric| finding(&comparison, "server.timeout=1s", metric);
    assert_eq!(of("delivery_ratio"), Finding::Better);
    assert_eq!(of("latency_p99_s"), Finding::Worse);
    assert_eq!(of("up_sent"), Finding::Changed);
    let effect = comparison.rows.iter().find(|row| row.metric == "latency_p99_s").unwrap().effect;
    assert!((effect.unwrap() - 0.2).abs() < 1e-12);

    let better = folder("sim", &[(1, 0, "0.95,0.25,100")], "d");
    assert_eq!(compare(&base, &better, None).outcome, Outcome::Pass);
}

#[test]
fn seeds_that_contradict_each_other_tell_nothing() {
    let base = folder("sim", &[(1, 0, "0.9,0.2,1"), (2, 0, "0.9,0.2,1")], "d");
    let new = folder("sim", &[(1, 0, "0.8,0.2,1"), (2, 0, "1.0,0.2,1")], "d");
    let comparison = compare(&base, &new, None);
    assert_eq!(finding(&comparison, "server.timeout=1s", "delivery_ratio"), Finding::CannotTell);
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    let row = comparison.rows.iter().find(|row| row.metric == "delivery_ratio").unwrap();
    let [low, high] = row.interval.unwrap();
    assert!(low < -0.1 && high > 0.1);
}

#[test]
fn a_change_of_the_digest_alone_is_a_regression() {
    let base = folder("sim", &[(1, 0, "0.91,0.25,100")], "d");
    let other = folder("sim", &[(1, 0, "0.91,0.25,100")], "e");
    let comparison = compare(&base, &other, None);
    assert_eq!(comparison.outcome, Outcome::Regression);
    assert!(comparison.notes[0].contains("the behaviour changed"));
    // With a minimum effect only the figures count, not the digest.
    assert_eq!(compare(&base, &other, Some(0.02)).outcome, Outcome::Pass);
}

#[test]
fn changes_below_the_minimum_effect_pass() {
    let base = folder("sim", &[(1, 0, "0.91,0.250,100")], "d");
    let new = folder("sim", &[(1, 0, "0.91,0.251,100")], "e");
    assert_eq!(compare(&base, &new, Some(0.01)).outcome, Outcome::Pass);
    assert_eq!(compare(&base, &new, Some(0.001)).outcome, Outcome::Regression);
}

#[test]
fn a_figure_that_becomes_undefined_is_changed_and_not_zero() {
    let base = folder("sim", &[(1, 0, "0.91,0.25,100")], "d");
    let new = folder("sim", &[(1, 0, ",0.25,100")], "d");
    let comparison = compare(&base, &new, None);
    let row = comparison.rows.iter().find(|row| row.metric == "delivery_ratio").unwrap();
    assert_eq!((row.finding, row.new, row.effect), (Finding::Changed, None, None));
}

#[test]
fn figures_from_sockets_and_missing_points_are_inconclusive() {
    let base = folder("net", &[(1, 0, "0.91,0.25,100")], "d");
    let new = folder("net", &[(1, 0, "0.5,0.25,100")], "e");
    let comparison = compare(&base, &new, None);
    assert_eq!(finding(&comparison, "server.timeout=1s", "delivery_ratio"), Finding::CannotTell);
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    assert!(comparison.notes.iter().any(|note| note.contains("interleaved pairs")));

    let two = folder("sim", &[(1, 0, "0.91,0.25,100"), (1, 1, "0.9,0.25,100")], "d");
    let one = folder("sim", &[(1, 0, "0.91,0.25,100")], "d");
    let comparison = compare(&two, &one, None);
    assert_eq!((comparison.outcome, comparison.pairs), (Outcome::Inconclusive, 1));
    assert!(comparison.notes[0].contains("1 run of the base results without a partner"));
}

#[test]
fn the_error_of_an_unreadable_folder_names_what_is_missing() {
    let nothing = tempfile::tempdir().unwrap();
    let error = Sheet::read(nothing.path()).unwrap_err().to_string();
    assert!(error.contains("run.json"), "{error}");
    let folder = folder("sim", &[(1, 0, "0.91,0.25,100")], "d");
    fs::write(folder.path().join("summary.csv"), "a,b\n1,2\n").unwrap();
    let error = Sheet::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("summary.csv:1: column 1: expected scenario"), "{error}");
}
