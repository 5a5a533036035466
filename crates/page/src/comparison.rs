//! The page of a comparison: each metric of both sides, how much it changed, and whether the change
//! means anything. Intervals are drawn in the table itself, so that the page works without scripts.

use maud::{Markup, html};
use serde_json::json;
use skipbeat_compare::{ComparedMetric, Comparison, Design, Finding, ScenarioVerdict, export};
use skipbeat_core::Unit;
use skipbeat_core::number::{number, share};

use crate::parts::{badge, section, tag};
use crate::shell::shell;

/// At most this many unchanged rows are shown; the rest are counted.
const MOST_SAME: usize = 100;
/// Half the width of the picture of an interval, in its own units.
const HALF: f64 = 100.0;

/// The page of a scenario that was compared.
pub fn comparison(verdict: &ScenarioVerdict) -> String {
    let title = format!("{}: comparison", verdict.scenario);
    let body = html! {
        header.top {
            h1 { (verdict.scenario) }
            (badge(verdict.outcome))
            p.about { "compared, " (verdict.mode) }
        }
        (reasons(verdict))
        @if let Some(comparison) = &verdict.comparison { (compared(comparison)) }
    };
    shell(&title, body, &json!([]))
}

/// What else led to the outcome: missed thresholds, reasons and notes.
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

fn compared(comparison: &Comparison) -> Markup {
    let (same, others): (Vec<&ComparedMetric>, Vec<&ComparedMetric>) =
        comparison.rows.iter().partition(|row| row.finding == Finding::Same);
    let count = |finding| others.iter().filter(|row| row.finding == finding).count();
    let how = match comparison.design {
        Design::Exact => {
            "Simulated with the same seeds, so compared exactly: any difference is real."
        }
        Design::InterleavedPairs => {
            "Run in interleaved pairs, in random order, each with one seed for both. The change is \
             the median over pairs, with its 95 % bootstrap interval; p is Wilcoxon's, by Holm's \
             correction."
        }
        Design::Blocks => {
            "Measured on sockets, one block after the other: a difference may come from the machine."
        }
    };
    let facts = html! {
        dl.facts {
            dt { "base" } dd { (comparison.base) }
            dt { "new" } dd { (comparison.new) }
            dt { "pairs of runs" } dd { (comparison.pairs) }
            @if let Some(minimum) = comparison.minimum_effect {
                dt { "smallest change that matters" } dd { (share(minimum)) }
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
            (section("What differs or may differ", "", rows(&others, comparison)))
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
    // All rows of a table share a scale. It is capped, so that an outlier can't squeeze the others.
    let reach = rows.iter().flat_map(|row| row.interval.into_iter().flatten().chain(row.effect));
    let reach = reach.map(f64::abs);
    let widest = reach.fold(comparison.minimum_effect.unwrap_or(0.01) * 2.0, f64::max).min(1.0);
    let percent = number(widest * 100.0);
    let tested = rows.iter().any(|row| row.p.is_some());
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "" } th { "Metric" } th.number { "Base" } th.number { "New" }
                        th.number { "Change" }
                        @if tested { th.number { "p" } }
                        th { "−" (percent) " % … +" (percent) " %" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td { (finding(row)) }
                            td { (export::row(row)) }
                            td.number { (row.unit.show(row.base)) }
                            td.number { (row.unit.show(row.new)) }
                            td.number { (export::effect(row)) }
                            @if tested {
                                td.number { (Unit::Number.show(row.p)) }
                            }
                            td { (interval(row, widest, comparison.minimum_effect)) }
                        }
                    }
                }
            }
        }
    }
}

fn finding(row: &ComparedMetric) -> Markup {
    html! {
        (tag(row.finding.tone(), row.finding.sign(), row.finding.name()))
        @if !row.judged { div.interval { "not judged" } }
    }
}

/// Draws the interval as a bar and the change as a mark. Changes in the shaded middle don't matter.
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
