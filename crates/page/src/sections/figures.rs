//! The figures: those that matter most as tiles, by group, side by side, and all of them.

use maud::{Markup, html};

use crate::format::Unit;
use crate::headline::{HEADLINES, Headline};
use crate::read::{Figures, Run};
use crate::sections::{section, table};

fn show(metric: &str, figures: &Figures) -> String {
    let [shown, _] = Unit::of(metric).show_handy(figures.get(metric), None);
    shown
}

/// The key figures as tiles.
pub(crate) fn tiles(figures: &Figures) -> Markup {
    let shown = HEADLINES.iter().filter(|headline| headline.applies(figures));
    let tiles = html! {
        @if figures.0.is_empty() { p.note { "No figures were written." } }
        ul.tiles {
            @for headline in shown {
                li {
                    span.label { (headline.label) }
                    strong { (show(headline.metric, figures)) }
                    span.meaning { (headline.meaning) }
                }
            }
        }
    };
    let sentence = "Of the measured window, unless it says otherwise. A dash is undefined, not 0.";
    section("Key figures", sentence, tiles)
}

/// Rows of key figures, one column for each of `columns`.
fn beside(columns: &[(String, &Figures)], corner: &str) -> Markup {
    let applies = |headline: &&Headline| columns.iter().any(|(_, one)| headline.applies(one));
    let rows = HEADLINES.iter().filter(applies).map(|headline| {
        let cells = columns.iter().map(|(_, one)| html! { (show(headline.metric, one)) });
        std::iter::once(html! { (headline.label) }).chain(cells).collect()
    });
    let names = columns.iter().map(|(name, _)| name.as_str());
    let head: Vec<&str> = std::iter::once(corner).chain(names).collect();
    table(&head, 1, &rows.collect::<Vec<Vec<Markup>>>())
}

/// The key figures of several runs side by side.
pub(crate) fn side_by_side(runs: &[(String, &Figures)]) -> Markup {
    let sentence = "Of the measured window, unless it says otherwise. A dash is undefined, not 0.";
    section("Key figures", sentence, beside(runs, "Figure"))
}

/// The key figures of each group, where there are several.
pub(crate) fn groups(run: &Run) -> Markup {
    if run.groups.len() < 2 {
        return html! {};
    }
    let columns: Vec<(String, &Figures)> =
        run.groups.iter().map(|(name, figures)| (name.clone(), figures)).collect();
    let sentence = "What concerns sending is of a group's clients as senders, what concerns \
                    receiving of them as receivers.";
    section("Groups", sentence, beside(&columns, "Figure"))
}

/// Every metric by its name in the files.
pub(crate) fn all(figures: &Figures) -> Markup {
    let rows = figures.0.iter().map(|(name, value)| {
        vec![html! { code { (name) } }, html! { (Unit::of(name).show(*value)) }]
    });
    let content = html! {
        details {
            summary { "All " (figures.0.len()) " by name" }
            (table(&["Metric", "Value"], 1, &rows.collect::<Vec<_>>()))
        }
    };
    section("All metrics", "By their names in summary.csv.", content)
}
