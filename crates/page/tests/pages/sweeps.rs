//! The tables and charts of a sweep have a bounded size.

use crate::fixture::{Results, words};

#[test]
fn sixteen_points_make_a_small_page() {
    let page = Results::sweep(4, 4).page();
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
    assert!(words(&page).contains("Speed against mistakes"));
    assert!(words(&page).contains("Mistake rate over group.clients.up.loss"));
}

#[test]
fn a_thousand_points_are_cut_and_the_page_says_so() {
    let page = Results::sweep(100, 10).page();
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
    assert!(words(&page).contains("The first 200 of 1,000 points."));
    assert!(words(&page).contains("The first 12 of 100 lines are drawn."));
}

#[test]
fn means_are_shown_with_their_intervals() {
    let page = Results::sweep(2, 2).page();
    assert!(words(&page).contains("1.500 s<span class=\"interval\"> ± 37.5 ms</span>"));
}

#[test]
fn points_without_mistakes_are_drawn_at_the_bottom_of_a_logarithmic_axis() {
    let page = Results::sweep(4, 3).page();
    assert!(page.contains(r#""scale":{"kind":"log","zero":0.0001}"#));
    assert!(words(&page).contains("Points at the bottom edge had no mistake."));
}

#[test]
fn a_single_point_has_a_table_but_no_charts() {
    let page = Results::sweep(1, 1).page();
    assert!(words(&page).contains("1000ms"));
    assert!(!words(&page).contains("Over the swept keys"));
}
