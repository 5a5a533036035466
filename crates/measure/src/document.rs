//! Makes the list of metrics in `docs/metrics.md` from the cards. A test checks that the document
//! has it.

use std::fmt::Write;

use skipbeat_core::{Applies, Better, Card, Statistic};
use skipbeat_workload::WORKLOAD_CARDS;

use crate::cards::SECTIONS;

/// Every metric in Markdown: a heading for each section, an entry for each card.
pub fn metrics_document() -> String {
    let mut text = String::new();
    for (heading, metrics) in SECTIONS {
        let _ = writeln!(text, "### {heading}\n");
        metrics.iter().for_each(|metric| entry(&metric.card, &mut text));
        text.push('\n');
    }
    for of_workload in WORKLOAD_CARDS.chunk_by(|(one, _), (next, _)| one == next) {
        let _ = writeln!(text, "### Workload `{}`\n", of_workload[0].0);
        of_workload.iter().for_each(|(_, card)| entry(card, &mut text));
        text.push('\n');
    }
    text
}

fn entry(card: &Card, text: &mut String) {
    let name = match card.statistics {
        [] => card.name.to_owned(),
        _ => format!("{}_…", card.name),
    };
    let mut facts = vec![card.unit.name().to_owned()];
    facts.extend(card.better.map(|better| match better {
        Better::Higher => "more is better".to_owned(),
        Better::Lower => "less is better".to_owned(),
    }));
    let _ = write!(text, "- **`{name}`** ({}): {}.", facts.join(", "), card.meaning);
    if !card.note.is_empty() {
        let _ = write!(text, " {}", card.note);
    }
    if !card.statistics.is_empty() {
        let mut columns: Vec<String> = card.statistics.iter().map(|one| column(*one)).collect();
        columns.insert(columns.len().min(4), "`pN_s`".to_owned());
        let _ = write!(text, " Columns: {}.", columns.join(", "));
    }
    match card.applies {
        Applies::Defined => {}
        Applies::NotZero => text.push_str(" Summaries leave it out where it is 0."),
        Applies::Where(other) => {
            let _ = write!(text, " Summaries leave it out where `{other}` is 0.");
        }
    }
    if !card.source.is_empty() {
        let _ = write!(text, " {}.", card.source);
    }
    text.push('\n');
}

/// The part of a column's name that follows the name of the distribution.
fn column(statistic: Statistic) -> String {
    match statistic {
        Statistic::Samples => "`samples`".to_owned(),
        other => format!("`{}_s`", other.suffix()),
    }
}
