//! The sections of a page, from the top down. Each turns what was read into HTML and charts.

pub(crate) mod again;
pub(crate) mod curves;
pub(crate) mod figures;
pub(crate) mod flow;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod links;
pub(crate) mod points;
pub(crate) mod sweep;
pub(crate) mod timeline;

use maud::{Markup, html};

/// A section with its title, and a sentence about it.
pub(crate) fn section(title: &str, sentence: &str, content: Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @if !sentence.is_empty() { p.about { (sentence) } }
            (content)
        }
    }
}

/// A table that scrolls in its own box where the page is narrow. The first `texts` columns are
/// texts, the others numbers.
pub(crate) fn table(head: &[&str], texts: usize, rows: &[Vec<Markup>]) -> Markup {
    let class = |column: usize| (column >= texts).then_some("number");
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    @for (column, name) in head.iter().enumerate() {
                        th scope="col" class=[class(column)] { (name) }
                    }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                td class=[class(column)] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Facts by name, those without a value left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
