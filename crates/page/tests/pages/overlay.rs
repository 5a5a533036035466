//! Several folders on one page: what compares is laid over each other, the rest follows.

use serde_json::json;

use crate::fixture::{Results, about, words};

fn named(results: &Results, name: &str) {
    let mut scenario = about()["scenario"].clone();
    scenario["name"] = json!(name);
    results.about(json!({ "scenario": scenario }));
}

#[test]
fn runs_stand_side_by_side_under_their_names() {
    let (one, other) = (Results::run(), Results::run());
    named(&one, "first");
    named(&other, "second");
    other.about(json!({ "verdict": "failed", "failure": "no socket" }));
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    let words = words(&page);
    assert!(words.contains("<th scope=\"col\" class=\"number\">first</th>"));
    assert!(words.contains("✓ Pass") && words.contains("! Failed"));
    let line = |name: &str| format!(r#""marked":false,"name":"{name}""#);
    assert!(page.contains(&line("first")) && page.contains(&line("second")));
}

#[test]
fn runs_of_one_scenario_are_told_apart_by_their_folders() {
    let (one, other) = (Results::run(), Results::run());
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    let folder = one.path().file_name().and_then(|name| name.to_str()).expect("it has a name");
    assert!(words(&page).contains(&format!("<td>{folder}</td>")));
}

#[test]
fn a_sweep_beside_a_run_has_its_own_part() {
    let (run, sweep) = (Results::run(), Results::sweep(2, 3));
    named(&sweep, "timeouts");
    let page = skipbeat_page::render(&[run.path(), sweep.path()]).expect("sound files");
    assert!(words(&page).contains("<summary>timeouts</summary>"));
    assert!(words(&page).contains("Speed against mistakes"));
}

#[test]
fn sweeps_over_the_same_keys_share_their_charts() {
    let (one, other) = (Results::sweep(2, 3), Results::sweep(2, 3));
    named(&one, "here");
    named(&other, "there");
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    assert_eq!(words(&page).matches("Speed against mistakes").count(), 1 + 1, "title and label");
    assert!(page.contains(r#""name":"here timeout 1000ms""#));
}

#[test]
fn each_of_several_large_sweeps_has_its_share_of_the_lines() {
    let (one, other) = (Results::sweep(20, 3), Results::sweep(20, 3));
    named(&one, "here");
    named(&other, "there");
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    assert!(words(&page).contains("The first 12 of 40 lines are drawn."));
    assert!(page.contains(r#""name":"there timeout 1000ms""#));
}
