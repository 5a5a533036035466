//! The page of a comparison: each metric of both sides, with how much it changed and whether that means
//! anything. The intervals are drawn in the table itself, so that the page reads without scripts.

use maud::{Markup, html};
use serde_json::json;
use skipbeat_compare::{
    ComparedMetric, Comparison, Conclusion, Design, Finding, ScenarioVerdict, export, show,
};

use crate::sections::section;
use crate::shell::shell;

/// Rows that are the same on both sides are counted beyond this, not shown.
const MOST_SAME: usize = 100;
/// Half of the width of a drawn interval, in the units of its picture.
const HALF: f64 = 100.0;

/// The page of a scenario that was compared.
pub fn comparison(verdict: &ScenarioVerdict) -> String {
    let title = format!("{}: comparison", verdict.scenario);
    let body = html! {
        header.top {
            h1 { (verdict.scenario) }
            (badge(verdict.conclusion))
            p.about { "compared, " (verdict.mode) }
        }
        (reasons(verdict))
        @if let Some(comparison) = &verdict.comparison { (compared(comparison)) }
    };
    shell(&title, body, &json!([]))
}

/// What makes the conclusion beside the comparison.
fn reasons(verdict: &ScenarioVerdict) -> Markup {
    let unmet = verdict.thresholds.iter().filter(|case| case.met != Some(true));
    let said = unmet.map(export::threshold).chain(verdict.reasons.iter().cloned());
    let said: Vec<String> = said.chain(verdict.notes.iter().cloned()).collect();
    html! {
        @if !said.is_empty() {
            ul.notes { @for one in &said { li { (one) } } }
        }
    }
}

fn badge(conclusion: Conclusion) -> Markup {
    let (class, sign) = match conclusion {
        Conclusion::Pass => ("good", "✓"),
        Conclusion::Inconclusive | Conclusion::Interrupted => ("unsure", "?"),
        _ => ("bad", "✗"),
    };
    let class = format!("badge {class}");
    html! { p class=(class) { (sign) " " (conclusion.name()) } }
}

fn compared(comparison: &Comparison) -> Markup {
    let (same, others): (Vec<&ComparedMetric>, Vec<&ComparedMetric>) =
        comparison.rows.iter().partition(|row| row.finding == Finding::Same);
    let count = |finding| others.iter().filter(|row| row.finding == finding).count();
    let how = match comparison.design {
        Design::Exact => {
            "Simulated with the same seeds, so compared exactly: what differs, differs."
        }
        Design::InterleavedPairs => {
            "Run in interleaved pairs, in random order, each with one seed for both. The change is \
             the median over pairs, with its 95 % bootstrap interval; p is Wilcoxon's, by Holm's \
             correction."
        }
        Design::Blocks => {
            "Measured on sockets, one block after the other: what differs may be the machine."
        }
    };
    let facts = html! {
        dl.facts {
            dt { "base" } dd { (comparison.base) }
            dt { "new" } dd { (comparison.new) }
            dt { "pairs of runs" } dd { (comparison.pairs) }
            @if let Some(minimum) = comparison.minimum_effect {
                dt { "smallest change that matters" } dd { (format!("{:.1} %", minimum * 100.0)) }
            }
            dt { "figures" }
            dd {
                (count(Finding::Worse)) " worse, " (count(Finding::Changed)) " changed, "
                (count(Finding::Better)) " better, " (count(Finding::CannotTell)) " cannot tell, "
                (same.len()) " the same"
            }
        }
        @if !comparison.notes.is_empty() {
            ul.notes { @for note in &comparison.notes { li { (note) } } }
        }
    };
    html! {
        (section("What was compared", how, facts))
        @if !others.is_empty() {
            (section("What differs, or may", "", rows(&others, comparison)))
        }
        @if !same.is_empty() {
            (section("What is the same", "", rows(&same[..same.len().min(MOST_SAME)], comparison)))
            @if same.len() > MOST_SAME {
                p.note { "And " (same.len() - MOST_SAME) " more." }
            }
        }
    }
}

fn rows(rows: &[&ComparedMetric], comparison: &Comparison) -> Markup {
    // One scale for all rows of a table; an outlier does not squeeze the others to nothing.
    let reach = rows.iter().flat_map(|row| row.interval.into_iter().flatten().chain(row.effect));
    let reach = reach.map(f64::abs);
    let widest = reach.fold(comparison.minimum_effect.unwrap_or(0.01) * 2.0, f64::max).min(1.0);
    let tested = rows.iter().any(|row| row.p.is_some());
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "" } th { "Metric" } th.number { "Base" } th.number { "New" }
                        th.number { "Change" }
                        @if tested { th.number { "p" } }
                        th { (format!("−{0:.0} % … +{0:.0} %", widest * 100.0)) }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td { (tag(row)) }
                            td { (export::row(row)) }
                            td.number { (show(&row.unit, row.base)) }
                            td.number { (show(&row.unit, row.new)) }
                            td.number { (export::effect(row)) }
                            @if tested {
                                td.number { (row.p.map_or("–".to_owned(), |p| format!("{p:.4}"))) }
                            }
                            td { (interval(row, widest, comparison.minimum_effect)) }
                        }
                    }
                }
            }
        }
    }
}

fn tag(row: &ComparedMetric) -> Markup {
    let (class, sign) = match row.finding {
        Finding::Better => ("good", "✓"),
        Finding::Same => ("even", "="),
        Finding::Worse | Finding::Changed => ("bad", "✗"),
        Finding::CannotTell => ("unsure", "?"),
    };
    let class = format!("tag {class}");
    html! {
        span class=(class) { (sign) " " (row.finding.name()) }
        @if !row.judged { div.interval { "not judged" } }
    }
}

/// The interval as a bar, the change as a mark; the shaded middle is what does not matter.
fn interval(row: &ComparedMetric, widest: f64, minimum: Option<f64>) -> Markup {
    let place = |share: f64| (share / widest).clamp(-1.0, 1.0) * HALF;
    let Some(effect) = row.effect else { return html! {} };
    let [low, high] = row.interval.unwrap_or([effect, effect]).map(place);
    let matters = minimum.map(place);
    let picture = format!("{} 0 {} 16", -HALF - 2.0, 2.0 * HALF + 4.0);
    let label = export::effect(row);
    html! {
        svg.forest viewBox=(picture) role="img" aria-label=(label) {
            @if let Some(half) = matters {
                rect.matters x=(-half) y="0" width=(2.0 * half) height="16" {}
            }
            line.zero x1="0" x2="0" y1="0" y2="16" {}
            rect.reach x=(low) y="6" width=((high - low).max(1.0)) height="4" {}
            circle.at cx=(place(effect)) cy="8" r="3.5" {}
        }
    }
}
