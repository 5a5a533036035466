//! A section without rows is left out.

use crate::fixture::{Results, words};

#[test]
fn files_with_headers_alone_leave_their_sections_out() {
    let results = Results::run();
    for name in ["groups.csv", "links.csv", "timeline.csv", "evictions.csv"] {
        let text = std::fs::read_to_string(results.path().join(name)).expect("it is there");
        results.file(name, &format!("{}\n", text.lines().next().unwrap_or("")));
    }
    results.file("latency.hlog", "#[Histogram log format version 1.3]\n");
    let page = results.page();
    assert!(words(&page).contains("Key figures"));
    let titles = [
        "Links as configured",
        "Second by second",
        "How long it takes",
        "<h2>Groups",
        "of the whole run by cause",
    ];
    for title in titles {
        assert!(!words(&page).contains(title), "{title}");
    }
}

#[test]
fn a_sweep_without_a_finished_run_says_so() {
    let results = Results::sweep(0, 0);
    assert!(words(&results.page()).contains("No run of it was over."));
}
