//! An undefined figure is shown as a dash, never as 0.

use crate::fixture::{METRICS, Results, figures, words};

fn with(metric: &str, cell: &'static str) -> Results {
    let cells = METRICS.map(|(name, value)| (name, if name == metric { cell } else { value }));
    let results = Results::run();
    results.file("summary.csv", &figures(&cells));
    results
}

#[test]
fn an_undefined_figure_is_a_dash_beside_those_that_are_defined() {
    let (one, other) = (with("eviction_latency_mean_s", ""), Results::run());
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("sound files");
    let row = "<td>Eviction latency, mean</td><td class=\"number\">–</td>\
               <td class=\"number\">1.990 s</td>";
    assert!(words(&page).contains(row));
}

#[test]
fn an_undefined_figure_is_no_key_figure_but_stands_among_all_metrics() {
    let page = with("eviction_latency_mean_s", "").page();
    assert!(!words(&page).contains("Eviction latency, mean</span>"));
    let row = "<td><code>eviction_latency_mean_s</code></td><td>Eviction latency, mean</td>\
               <td class=\"number\">–</td>";
    assert!(words(&page).contains(row));
}

#[test]
fn a_figure_of_zero_is_shown_as_zero() {
    let page = with("false_evictions", "0").page();
    assert!(words(&page).contains("False evictions</span><strong>0</strong>"));
}

#[test]
fn key_figures_that_say_nothing_here_are_left_out() {
    let page = with("deliveries_expected", "0").page();
    assert!(!words(&page).contains("Latency, p99</span>"));
    assert!(!words(&page).contains("Deliveries expected</span>"));
    assert!(words(&page).contains("Query accuracy</span>"));
}

#[test]
fn every_number_is_written_as_on_the_terminal() {
    let page = with("query_accuracy", "0.99999999").page();
    assert!(words(&page).contains("Query accuracy</span><strong>99.999999 %</strong>"));
    assert!(words(&page).contains("Mistake rate</span><strong>7.796 /h</strong>"));
}
