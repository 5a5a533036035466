//! A page shows the verdict, and the thresholds with their actual values.

use serde_json::json;

use crate::fixture::{Results, words};

#[test]
fn every_threshold_is_shown_with_its_actual_value() {
    let results = Results::run();
    results.about(json!({
        "verdict": "threshold",
        "thresholds": [
            { "metric": "delivery_ratio", "group": null, "condition": ">= 0.99", "value": 0.9191,
              "met": false },
            { "metric": "latency_p99_s", "group": "phones", "condition": "<= 200 ms",
              "actual": 0.157951, "met": true },
            { "metric": "crashes", "group": null, "condition": "<= 3", "value": null, "met": null },
        ],
    }));
    let page = results.page();
    let words = words(&page);
    for text in [
        "✗ Threshold not met",
        "1 of 3 thresholds is not met.",
        "&gt;= 0.99",
        "91.91 %",
        "✗ not met",
        "158.0 ms",
        "✓ met",
        "? unknown",
    ] {
        assert!(words.contains(text), "{text}");
    }
}

#[test]
fn the_reasons_to_doubt_a_run_are_shown() {
    let results = Results::run();
    results.about(json!({ "verdict": "inconclusive", "inconclusive": ["the generator was late"] }));
    let page = results.page();
    assert!(words(&page).contains("? Inconclusive"));
    assert!(words(&page).contains("the generator was late"));
}

#[test]
fn the_threshold_that_ended_a_run_is_named() {
    let results = Results::run();
    let stopped = "false_evictions <= 10";
    results.about(json!({ "verdict": "threshold", "stopped_by": stopped, "ended_at_s": 9.0 }));
    let page = results.page();
    assert!(words(&page).contains("It ended early, at 9 s of 20 s."));
    assert!(words(&page).contains("this was not met: false_evictions &lt;= 10"));
}

#[test]
fn points_of_a_sweep_that_miss_a_threshold_are_marked() {
    let results = Results::sweep(2, 2);
    results.about(json!({
        "verdict": "threshold",
        "runs": [
            { "point": 0, "verdict": "pass" },
            { "point": 3, "verdict": "threshold", "thresholds": [
                { "metric": "delivery_ratio", "condition": ">= 0.99", "value": 0.9, "met": false },
            ] },
        ],
    }));
    let page = results.page();
    assert!(words(&page).contains("Some points do not meet what was demanded."));
    assert_eq!(words(&page).matches("✗ Threshold not met").count(), 2, "the badge and point 3");
    assert!(page.contains("\"✗ Threshold not met\",true]"), "charts mark it too");
}
