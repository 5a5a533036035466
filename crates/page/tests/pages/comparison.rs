//! The page of a comparison: what is worse is red, and what is merely different is not.

use skipbeat_compare::{ComparedMetric, Comparison, Design, Finding, ScenarioVerdict};
use skipbeat_core::{Better, Unit};
use skipbeat_measure::Outcome;

use crate::fixture::words;

fn row(metric: &str, unit: Unit, better: Option<Better>, finding: Finding) -> ComparedMetric {
    ComparedMetric {
        point: String::new(),
        group: None,
        metric: metric.to_owned(),
        unit,
        better,
        judged: better.is_some(),
        base: Some(0.05),
        new: Some(0.06),
        effect: Some(0.2),
        interval: Some([0.1, 0.3]),
        p: Some(0.000_012_3),
        finding,
    }
}

fn verdict(outcome: Outcome, rows: Vec<ComparedMetric>) -> ScenarioVerdict {
    let comparison = Comparison {
        design: Design::InterleavedPairs,
        base: "main".to_owned(),
        new: "branch".to_owned(),
        pairs: 12,
        minimum_effect: Some(0.02),
        outcome,
        rows,
        notes: Vec::new(),
    };
    let comparison = Some(comparison);
    ScenarioVerdict { outcome, comparison, ..ScenarioVerdict::new("quick", "sim") }
}

/// A page with every finding on it.
pub(crate) fn page() -> String {
    let rows = vec![
        row("latency_p99_s", Unit::Seconds, Some(Better::Lower), Finding::Worse),
        row("mistake_rate_per_s", Unit::PerSecond, Some(Better::Lower), Finding::CannotTell),
        row("delivery_ratio", Unit::Ratio, Some(Better::Higher), Finding::Better),
        row("reordered_ratio", Unit::Ratio, None, Finding::Changed),
        row("crashes", Unit::Count, None, Finding::Same),
    ];
    skipbeat_page::comparison(&verdict(Outcome::Regression, rows))
}

#[test]
fn a_finding_is_coloured_by_what_it_means() {
    let page = page();
    for tag in [
        "<span class=\"tag bad\">✗ worse</span>",
        "<span class=\"tag unsure\">? cannot tell</span>",
        "<span class=\"tag good\">✓ better</span>",
        "<span class=\"tag unsure\">≠ changed</span>",
        "<span class=\"tag plain\">= same</span>",
    ] {
        assert_eq!(words(&page).matches(tag).count(), 1, "{tag}");
    }
    assert!(words(&page).contains("<p class=\"badge bad\">✗ Regression</p>"));
    assert!(words(&page).contains("1 worse, 1 changed, 1 better, 1 cannot tell, 1 the same"));
}

#[test]
fn figures_are_written_in_their_units() {
    let page = page();
    for text in ["50.0 ms", "180 /h", "5.00 %", "0.05", "0.0000123", "+20.00 % (+10.00 % …"] {
        assert!(words(&page).contains(text), "{text}");
    }
}

#[test]
fn a_comparison_that_requires_nothing_is_no_pass() {
    let page = skipbeat_page::comparison(&verdict(Outcome::NothingRequired, Vec::new()));
    assert!(words(&page).contains("<p class=\"badge plain\">○ Nothing required</p>"));
}
