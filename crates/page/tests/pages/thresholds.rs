//! A page shows the verdict exactly as it is in `run.json`, and the thresholds with their actual
//! values.

use serde_json::{Value, json};

use crate::fixture::{Results, passed, words};

fn missed() -> Value {
    json!({
        "metric": "delivery_ratio", "group": null, "required": ">= 99 %", "actual": 0.9191,
        "met": false,
    })
}

#[test]
fn every_threshold_is_shown_with_its_actual_value() {
    let results = Results::run();
    let thresholds = json!([
        missed(),
        { "metric": "latency_p99_s", "group": "phones", "required": "<= 200 ms",
          "actual": 0.157951, "met": true },
        { "metric": "crashes", "group": null, "required": "<= 3", "actual": null, "met": null },
        { "metric": "clients", "group": null, "required": "> 1", "actual": 5.0, "met": null },
    ]);
    let verdict = json!({ "outcome": "threshold", "thresholds": thresholds });
    results.ended("1 of 4 thresholds is not met", verdict);
    let page = results.page();
    let words = words(&page);
    for text in [
        "✗ Threshold not met",
        "1 of 4 thresholds is not met",
        "delivery_ratio &gt;= 99 %",
        "91.91 % (0.919100)",
        "✗ not met",
        "phones latency_p99_s &lt;= 200 ms",
        "158.0 ms",
        "✓ met",
        "? undefined",
        "? not judged",
    ] {
        assert!(words.contains(text), "{text}");
    }
}

#[test]
fn a_run_of_which_nothing_is_required_is_no_pass() {
    let results = Results::run();
    let reason = "no threshold was set; the figures can be relied on";
    results.ended(reason, json!({ "outcome": "nothing-required", "thresholds": [] }));
    let page = results.page();
    assert!(words(&page).contains("<p class=\"badge plain\">○ Nothing required</p>"));
    assert!(words(&page).contains("<div class=\"outcome plain\">"));
    assert!(words(&page).contains(reason));
    assert!(!words(&page).contains("Pass"));
}

#[test]
fn the_reasons_to_doubt_a_run_are_shown() {
    let results = Results::run();
    let verdict = json!({ "outcome": "inconclusive", "doubts": ["the generator was late"] });
    results.ended("the figures can't be relied on", verdict);
    let page = results.page();
    assert!(words(&page).contains("? Inconclusive"));
    assert!(words(&page).contains("the generator was late"));
}

#[test]
fn the_threshold_that_ended_a_run_is_named_once() {
    let stopped = "false_evictions <= 10";
    for (outcome, reason) in [
        ("threshold", format!("the run was stopped: not met: {stopped}")),
        ("inconclusive", "the figures can't be relied on".to_owned()),
    ] {
        let results = Results::run();
        let verdict = json!({
            "outcome": outcome, "doubts": ["late"], "stopped_by": stopped, "ended_early_at_s": 9.0,
        });
        results.ended(&reason, verdict);
        let page = results.page();
        assert!(words(&page).contains("It ended early, at 9 s of 20 s."));
        assert_eq!(words(&page).matches("false_evictions &lt;= 10").count(), 1, "{reason}");
    }
}

#[test]
fn points_of_a_sweep_that_miss_a_threshold_are_marked() {
    let results = Results::sweep(2, 2);
    let mut bad = passed();
    bad["outcome"] = json!("threshold");
    bad["thresholds"] = json!([missed(), passed()["thresholds"][0]]);
    bad["doubts"] = json!(["the generator was late"]);
    let runs = [(0, passed()), (1, passed()), (3, passed()), (3, bad.clone()), (3, bad)];
    let runs = runs.map(|(point, verdict)| Results::entry(point, verdict));
    results.change(|file| {
        file["outcome"] = json!("threshold");
        file["reason"] = json!("2 of 5 runs do not meet their thresholds");
        file["sweep"]["runs"] = json!(runs);
    });
    let page = results.page();
    let words = words(&page);
    assert!(words.contains("2 of 5 runs do not meet their thresholds"));
    assert!(words.contains("<p class=\"badge bad\">✗ Threshold not met</p>"));
    assert_eq!(words.matches("✗ threshold not met</span>").count(), 1, "point 3");
    assert_eq!(words.matches("✓ pass</span>").count(), 2, "points 0 and 1, but not 2");
    assert!(words.contains("the generator was late (2 runs)"));
    let row = |name: &str, counts: [u32; 3]| {
        let cells = counts.map(|count| format!("<td class=\"number\">{count}</td>")).join("");
        format!("<td><code>{name}</code></td>{cells}")
    };
    assert!(words.contains(&row("query_accuracy &gt;= 99 %", [5, 0, 0])));
    assert!(words.contains(&row("delivery_ratio &gt;= 99 %", [0, 2, 0])));
    assert!(page.contains("\"✗ threshold not met\",true]"), "charts mark it too");
    assert_eq!(page.matches("✓ pass\",true]").count(), 0, "a pass is not marked");
}
