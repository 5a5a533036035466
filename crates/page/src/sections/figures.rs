//! The figures of runs: headlines as tiles, by group and side by side, then all figures.

use maud::{Markup, html};
use skipbeat_results::FigureRow;

use crate::metrics::{capitalised, headlines, label, show};
use crate::parts::{prose, section, table};
use crate::sections::Named;

/// The key figures as tiles.
pub(crate) fn tiles(figures: &FigureRow) -> Markup {
    let tiles = html! {
        ul.tiles {
            @for metric in headlines(&[|name: &str| figures.figure(name)]) {
                li {
                    span.label { (capitalised(&metric.label())) }
                    strong { (metric.unit().show(figures.figure(&metric.name()))) }
                    span.meaning { (prose(metric.card.meaning)) }
                }
            }
        }
    };
    section("Key figures", "Of the measured window, unless it says otherwise.", tiles)
}

/// Rows of key figures, one column for each of `columns`.
fn beside(columns: &[(&str, &FigureRow)]) -> Markup {
    let sets: Vec<_> = columns.iter().map(|(_, row)| move |name: &str| row.figure(name)).collect();
    let rows = headlines(&sets).into_iter().map(|metric| {
        let figures = columns.iter().map(|(_, row)| row.figure(&metric.name()));
        let cells = figures.map(|figure| html! { (metric.unit().show(figure)) });
        std::iter::once(html! { (capitalised(&metric.label())) }).chain(cells).collect()
    });
    let names = columns.iter().map(|(name, _)| *name);
    let head: Vec<&str> = std::iter::once("Figure").chain(names).collect();
    table(&head, 1, &rows.collect::<Vec<Vec<Markup>>>())
}

/// The key figures of several runs side by side.
pub(crate) fn side_by_side(runs: &[Named<'_>]) -> Markup {
    let columns: Vec<_> = runs.iter().map(|one| (one.name, &one.run.figures)).collect();
    let sentence = "Of the measured window, unless it says otherwise. A dash is undefined, not 0.";
    section("Key figures", sentence, beside(&columns))
}

/// The key figures of each group, if there are several.
pub(crate) fn groups(groups: &[FigureRow]) -> Markup {
    if groups.len() < 2 {
        return html! {};
    }
    let columns: Vec<_> =
        groups.iter().map(|row| (row.group.as_deref().unwrap_or(""), row)).collect();
    let sentence = "Figures about sending count a group's clients as senders, figures about \
                    receiving count them as receivers. A dash is undefined, not 0.";
    section("Groups", sentence, beside(&columns))
}

/// Every metric by its name in the files.
pub(crate) fn all(row: &FigureRow) -> Markup {
    let rows = row.figures.iter().map(|(name, figure)| {
        vec![
            html! { code { (name) } },
            html! { (capitalised(&label(name))) },
            html! { (show(name, *figure)) },
        ]
    });
    let content = html! {
        details {
            summary { "All " (row.figures.len()) " by name" }
            (table(&["Metric", "What it is", "Value"], 2, &rows.collect::<Vec<_>>()))
        }
    };
    let sentence = "By their names in summary.csv. A dash is undefined, not 0.";
    section("All metrics", sentence, content)
}
