//! The page of a run that ended early says so, and shows what was measured until then.

use serde_json::json;

use crate::fixture::{Results, timeline, words};

#[test]
fn the_page_says_when_the_run_ended_and_when_it_should_have() {
    let results = Results::run();
    let reason = "a signal ended the run; these are the figures up to then";
    results.ended(reason, json!({ "outcome": "interrupted", "ended_early_at_s": 6.5 }));
    results.file("timeline.csv", &timeline(7));
    let page = results.page();
    assert!(words(&page).contains("◼ Interrupted"));
    assert!(words(&page).contains(reason));
    assert!(words(&page).contains("It ended early, at 6.5 s of 20 s."));
    let window = r#"{"from":3.0,"measured":true,"name":"measured","to":6.5}"#;
    assert!(page.contains(window), "the measured window ends where the run does");
}

#[test]
fn the_reason_of_a_failure_is_shown_once() {
    let failure = json!({
        "outcome": "failed", "failure": "no socket left", "ended_early_at_s": 1.0,
    });
    for reason in ["the run ended early: no socket left", "an error ended the run"] {
        let results = Results::run();
        results.ended(reason, failure.clone());
        let page = results.page();
        assert!(words(&page).contains("! Failed"));
        assert_eq!(words(&page).matches("no socket left").count(), 1, "{reason}");
        assert!(!page.contains(r#""measured":true"#), "it ended in the warm-up");
    }
}

#[test]
fn the_page_of_a_complete_run_does_not_mention_an_early_end() {
    assert!(!words(&Results::run().page()).contains("ended early"));
}
