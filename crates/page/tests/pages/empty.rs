//! If a file is missing or has no rows, its section is left out.

use serde_json::json;

use crate::fixture::{Results, about, words};

#[test]
fn a_run_json_alone_is_enough() {
    for about in [about(), json!({})] {
        let page = Results::bare(&about).page();
        assert!(words(&page).contains("No figures were written."));
        assert!(!words(&page).contains("NaN"));
    }
}

#[test]
fn files_with_headers_alone_leave_their_sections_out() {
    let results = Results::run();
    for name in ["summary.csv", "groups.csv", "links.csv", "ledger.csv", "timeline.csv"] {
        let text = std::fs::read_to_string(results.path().join(name)).expect("it is there");
        results.file(name, &format!("{}\n", text.lines().next().unwrap_or("")));
    }
    results.file("latency.hlog", "#[Histogram log format version 1.3]\n");
    let page = results.page();
    assert!(words(&page).contains("No figures were written."));
    for title in ["Asked and got", "Second by second", "How long it takes", "Where everything went"]
    {
        assert!(!words(&page).contains(title), "{title}");
    }
}

#[test]
fn any_other_file_may_be_missing() {
    for name in ["host.json", "links.csv", "ledger.csv", "latency.hlog", "evictions.csv"] {
        let results = Results::run();
        results.without(name);
        assert!(words(&results.page()).contains("Key figures"), "{name}");
    }
}

#[test]
fn a_ledger_of_zeros_does_not_divide_by_zero() {
    let results = Results::run();
    results.file(
        "ledger.csv",
        "ledger,direction,group,side,term,count\n\
         deliveries,,,in,expected,0\n\
         deliveries,,,out,delivered,0\n\
         deliveries,,,out,unexplained,0\n",
    );
    let page = results.page();
    assert!(words(&page).contains("There were none."));
    assert!(words(&page).contains("= 0\u{a0}unexplained"));
}

#[test]
fn a_sweep_without_a_finished_run_says_so() {
    let results = Results::bare(&json!({ "swept": ["server.timeout"], "runs_planned": 4 }));
    assert!(words(&results.page()).contains("No run of it was over."));
}
