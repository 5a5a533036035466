//! Small parts of HTML that sections have in common: tables, facts, badges, prose.

use maud::{Markup, html};
use skipbeat_measure::{Outcome, Tone};

use crate::metrics::capitalised;

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

/// A list of facts by name; those without a value are left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// The class in page.css that colours a tone.
pub(crate) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Plain => "plain",
        Tone::Unsure => "unsure",
        Tone::Bad => "bad",
    }
}

/// An outcome for the head of a page, with a sign for readers who don't see colours.
pub(crate) fn badge(outcome: Outcome) -> Markup {
    html! {
        p.badge.(class(outcome.tone())) { (outcome.sign()) " " (capitalised(outcome.words())) }
    }
}

/// A few words in the colour of a tone.
pub(crate) fn tag(tone: Tone, sign: &str, words: &str) -> Markup {
    html! { span.tag.(class(tone)) { (sign) " " (words) } }
}

/// An outcome in a table.
pub(crate) fn outcome_tag(outcome: Outcome) -> Markup {
    tag(outcome.tone(), outcome.sign(), outcome.words())
}

/// A line of a card, in which names in the files are between backticks.
pub(crate) fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_prose_are_code() {
        let prose = prose("`up_received` per second").into_string();
        assert_eq!(prose, "<code>up_received</code> per second");
    }

    #[test]
    fn a_run_with_nothing_to_meet_does_not_look_like_a_pass() {
        let tag = outcome_tag(Outcome::NothingRequired).into_string();
        assert_eq!(tag, "<span class=\"tag plain\">○ nothing required</span>");
    }
}
