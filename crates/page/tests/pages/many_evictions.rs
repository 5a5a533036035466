//! Evictions are counted; a page does not grow with their number.

use std::fmt::Write;

use crate::fixture::{Results, words};

#[test]
fn a_hundred_thousand_evictions_are_counted_and_not_listed() {
    let results = Results::run();
    let small = results.page().len();
    let mut text = String::from(
        "time_s,client,group,cause,crashed_at_s,evicted_at_s,latency_s,silence_s,uncertainty_s\n",
    );
    for client in 0..100_000 {
        let cause = if client % 4 == 0 { "false" } else { "crash" };
        let _ = writeln!(text, "2.5,{client},phones,{cause},,2.5,,2.50002942,0");
    }
    results.file("evictions.csv", &text);
    let page = results.page();
    assert!(page.len() < small + 1000);
    assert!(words(&page).contains("75,000 crash"));
    assert!(words(&page).contains("25,000 false"));
}
