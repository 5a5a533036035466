//! Links as the scenario configures them, compared with links as observed.

use maud::{Markup, html};
use skipbeat_core::Unit;
use skipbeat_core::number::UNKNOWN;
use skipbeat_measure::Tone;
use skipbeat_results::LinkLine;

use crate::parts::{section, table, tag};

/// One row for each stage of each group's links.
pub(crate) fn links(links: &[LinkLine]) -> Markup {
    if links.is_empty() {
        return html! {};
    }
    let rows = links.iter().map(|LinkLine { row, agrees }| {
        let show = |figure: Option<f64>| html! { (row.unit.show(figure)) };
        vec![
            html! { (row.group) },
            html! { (row.direction.name()) },
            html! { (row.stage) },
            agreement(*agrees),
            show(row.configured),
            show(row.observed),
            html! { @if row.interval.is_some() { "± " } (show(row.interval)) },
            html! { (Unit::Count.show(Some(row.datagrams as f64))) },
        ]
    });
    let head = [
        "Group",
        "Direction",
        "Stage",
        "Agrees",
        "Configured",
        "Observed",
        "Interval",
        "Datagrams",
    ];
    let sentence = "What the scenario configures for each link, what was observed, and how far off \
                    chance alone may take it (four standard errors).";
    let title = "Links as configured and as observed";
    section(title, sentence, table(&head, 4, &rows.collect::<Vec<_>>()))
}

fn agreement(agrees: Option<bool>) -> Markup {
    match agrees {
        Some(true) => tag(Tone::Good, "✓", "yes"),
        Some(false) => tag(Tone::Bad, "✗", "no"),
        None => html! { (UNKNOWN) },
    }
}
