//! A single client, a single second and a single value are enough for a page.

use crate::fixture::{Results, timeline};

#[test]
fn a_single_value_is_drawn_as_a_marked_point() {
    let results = Results::run();
    results.file("timeline.csv", &timeline(1));
    results.histograms(&[("latency", 1), ("eviction_latency", 1)]);
    let page = results.page();
    let point = r#""marked":true,"name":"from planned sending","points":[[1.0,"#;
    assert!(page.contains(point), "one value is a point that is marked");
}
