//! A file that can't be read is never treated as empty: the error names the file, and the line if
//! there is one.

use std::path::Path;

use skipbeat_page::{PageError, render};

use crate::fixture::{METRICS, Results, figures, words};

/// The error of a folder in which one file has been replaced.
fn error(results: &Results, name: &str, text: &str) -> String {
    results.file(name, text);
    let error = render(&[results.path()]).expect_err(&format!("{name} is damaged: {text}"));
    assert!(matches!(error, PageError::Results(_)), "{error:?}");
    error.to_string()
}

/// A file with one text in it replaced.
fn replaced(results: &Results, name: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(results.path().join(name)).expect("the file is there");
    assert!(text.contains(from), "{name} has no {from:?}");
    text.replacen(from, to, 1)
}

#[test]
fn a_folder_without_results_is_refused() {
    assert!(matches!(render(&[]), Err(PageError::NoFolder)));
    let missing = render(&[Path::new("no/such/folder")]).expect_err("there is no folder");
    assert!(missing.to_string().contains("folder/run.json: is missing"), "{missing}");
}

#[test]
fn every_file_but_one_must_be_there() {
    let of_run = [
        "run.json",
        "summary.csv",
        "groups.csv",
        "links.csv",
        "ledger.csv",
        "timeline.csv",
        "evictions.csv",
        "latency.hlog",
    ];
    for name in of_run {
        let results = Results::run();
        results.without(name);
        let error = render(&[results.path()]).expect_err(name).to_string();
        assert!(error.ends_with(&format!("{name}: is missing")), "{error}");
    }
    for name in ["run.json", "summary.csv", "groups.csv", "sweep.csv"] {
        let results = Results::sweep(2, 2);
        results.without(name);
        let error = render(&[results.path()]).expect_err(name).to_string();
        assert!(error.ends_with(&format!("{name}: is missing")), "{error}");
    }
}

#[test]
fn the_cost_on_the_machine_may_be_unknown() {
    let results = Results::run();
    results.without("host.json");
    assert!(words(&results.page()).contains("Not recorded: the folder has no host.json."));
}

#[test]
fn the_error_names_the_file_and_the_line() {
    for (name, from, to, said) in [
        ("summary.csv", "366729", "many", ":2: deliveries: expected a number, got \"many\""),
        ("groups.csv", "desks,1000", "desks,x", ":3: clients: expected a number"),
        ("links.csv", "0.0304", "about", ":3: configured: expected a number"),
        ("links.csv", "phones,up", "phones,aside", ":2: direction: expected up or down"),
        ("links.csv", ",yes,", ",perhaps,", ":2: agrees: expected yes or no"),
        ("ledger.csv", "20017", "20017.5", ":2: count: expected a whole number"),
        ("ledger.csv", "out,loss", "off,loss", ":5: side: expected in or out or beside"),
        ("timeline.csv", "\n1,", "\n2,", ":3: a second is missing or appears twice"),
        ("timeline.csv", ",950,", ",950.5,", ":2: up_received: expected a whole number"),
        ("evictions.csv", "phones,crash", "phones,boredom", ":2: cause: expected crash or"),
        ("evictions.csv", "time_s,", "time,", ":1: column 1: expected time_s, got time"),
        ("evictions.csv", ",0\n", ",0,0\n", ":2: expected 9 cells, got 10"),
        ("host.json", "\"wall_s\"", "\"wall\"", ":1: unknown field `wall`"),
    ] {
        let results = Results::run();
        let text = replaced(&results, name, from, to);
        let error = error(&results, name, &text);
        assert!(error.contains(&format!("{name}{said}")), "{error}");
    }
    let results = Results::sweep(2, 2);
    let text = replaced(&results, "sweep.csv", ",3,", ",some,");
    let error = error(&results, "sweep.csv", &text);
    assert!(error.contains("sweep.csv:2: runs: expected a whole number"), "{error}");
}

#[test]
fn a_file_that_is_no_such_file_is_named() {
    for (name, text, said) in [
        ("run.json", "{", "run.json:1"),
        ("host.json", "[1,", "host.json:1"),
        ("summary.csv", "", "summary.csv:1"),
        ("latency.hlog", "Tag=latency,0.000,20.000,0.306,HISTFAAA*\n", "latency.hlog: latency"),
        ("latency.hlog", "Tag=latency,0.000,20.000,0.306,AAAA\n", "latency.hlog: latency"),
        ("latency.hlog", "0.000,20.000,0.306,AAAA\n", "latency.hlog: has an interval without"),
    ] {
        let error = error(&Results::run(), name, text);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_cell_that_is_no_finite_number_is_damage() {
    for cell in ["NaN", "inf"] {
        let name = "eviction_latency_mean_s";
        let cells = METRICS.map(|(own, value)| (own, if own == name { cell } else { value }));
        let error = error(&Results::run(), "summary.csv", &figures(&cells));
        assert!(error.contains("summary.csv:2: eviction_latency_mean_s"), "{error}");
    }
}

#[test]
fn results_of_another_version_are_refused() {
    for version in [1, 3] {
        let results = Results::run();
        results.change(|file| file["version"] = version.into());
        let error = render(&[results.path()]).expect_err("it is of another version").to_string();
        assert!(error.contains(&format!("run.json: is of version {version}")), "{error}");
    }
    let results = Results::run();
    results.change(|file| file["verdict"] = "pass".into());
    let error = render(&[results.path()]).expect_err("it has an unknown key").to_string();
    assert!(error.contains("run.json:1: unknown field `verdict`"), "{error}");
}
