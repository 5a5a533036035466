//! An undefined figure is shown as a dash, never as 0.

use crate::fixture::{METRICS, Results, figures, words};

fn with(metric: &str, cell: &'static str) -> String {
    let cells = METRICS.map(|(name, value)| (name, if name == metric { cell } else { value }));
    let results = Results::run();
    results.file("summary.csv", &figures(&cells));
    results.page()
}

#[test]
fn an_undefined_figure_is_a_dash() {
    for cell in ["", "NaN", "inf"] {
        let page = with("eviction_latency_mean_s", cell);
        let tile = "Eviction latency, mean</span><strong>–</strong>";
        assert!(words(&page).contains(tile), "{cell:?}");
        assert!(!words(&page).contains("NaN"));
    }
}

#[test]
fn a_figure_of_zero_is_shown_as_zero() {
    let page = with("false_evictions", "0");
    assert!(words(&page).contains("False evictions</span><strong>0</strong>"));
}

#[test]
fn key_figures_without_a_basis_are_left_out() {
    let page = with("deliveries_expected", "0");
    assert!(!words(&page).contains("Delivery ratio</span>"));
    assert!(words(&page).contains("Query accuracy</span>"));
}
