//! What was asked of the links beside what came.

use maud::{Markup, html};

use crate::format::{UNKNOWN, Unit};
use crate::read::Table;
use crate::sections::{section, table};

/// One row for each stage of each group's links.
pub(crate) fn links(links: &Table) -> Markup {
    if links.is_empty() {
        return html! {};
    }
    let rows = links.rows().map(|row| {
        let unit = if row.text("unit") == "s" { Unit::Seconds } else { Unit::Ratio };
        let show = |column: &str| html! { (unit.show(row.number(column))) };
        let interval = row.number("interval").map(|_| html! { "± " (show("interval")) });
        vec![
            html! { (row.text("group")) },
            html! { (row.text("direction")) },
            html! { (row.text("stage")) },
            agrees(row.text("agrees")),
            show("asked"),
            show("got"),
            interval.unwrap_or_else(|| html! { (UNKNOWN) }),
            html! { (Unit::Number.show(row.number("datagrams"))) },
        ]
    });
    let head = ["Group", "Direction", "Stage", "Agrees", "Asked", "Got", "Interval", "Datagrams"];
    let sentence = "What the scenario asks of each link, what came, and by how much chance alone \
                    would make them differ (four standard errors).";
    section("Asked and got", sentence, table(&head, 4, &rows.collect::<Vec<_>>()))
}

fn agrees(word: &str) -> Markup {
    match word {
        "yes" => html! { span.tag.good { "✓ yes" } },
        "no" => html! { span.tag.bad { "✗ no" } },
        _ => html! { (UNKNOWN) },
    }
}
