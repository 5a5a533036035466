//! Several folders on one page: runs are overlaid in the same charts, and sections that can't be
//! overlaid follow.

use serde_json::json;

use crate::fixture::{Results, words};

#[test]
fn runs_are_overlaid_under_their_names() {
    let (one, other) = (Results::run(), Results::run());
    one.name("first");
    other.name("second");
    let failure = json!({ "outcome": "failed", "failure": "no socket" });
    other.ended("the run ended early: no socket", failure);
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    let words = words(&page);
    assert!(words.contains("<th scope=\"col\" class=\"number\">first</th>"));
    assert!(words.contains("✓ pass</span>") && words.contains("! failed</span>"));
    let line = |name: &str| format!(r#""marked":false,"name":"{name}""#);
    assert!(page.contains(&line("first")) && page.contains(&line("second")));
}

#[test]
fn runs_of_one_scenario_are_named_by_their_folders() {
    let (one, other) = (Results::run(), Results::run());
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    let folder = one.path().file_name().and_then(|name| name.to_str()).expect("it has a name");
    assert!(words(&page).contains(&format!("<td>{folder}</td>")));
}

#[test]
fn a_sweep_beside_a_run_has_a_part_of_its_own() {
    let (run, sweep) = (Results::run(), Results::sweep(2, 3));
    sweep.name("timeouts");
    let page = skipbeat_page::render(&[run.path(), sweep.path()]).expect("sound files");
    assert!(words(&page).contains("<summary>timeouts</summary>"));
    assert!(words(&page).contains("Speed against mistakes"));
}

#[test]
fn sweeps_over_the_same_keys_share_their_charts() {
    let (one, other) = (Results::sweep(2, 3), Results::sweep(2, 3));
    one.name("here");
    other.name("there");
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    assert_eq!(words(&page).matches("Speed against mistakes").count(), 1 + 1, "title and label");
    assert!(page.contains(r#""name":"here timeout 1000ms""#));
}

#[test]
fn large_sweeps_share_the_limited_number_of_lines() {
    let (one, other) = (Results::sweep(20, 3), Results::sweep(20, 3));
    one.name("here");
    other.name("there");
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    assert!(words(&page).contains("The first 12 of 40 lines are drawn."));
    assert!(page.contains(r#""name":"there timeout 1000ms""#));
}
