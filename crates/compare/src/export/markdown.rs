//! Markdown: a summary to post on a pull request.

use std::fmt::Write;

use skipbeat_measure::{Outcome, Tone, show_actual};

use crate::export::{effect, row as row_name, threshold_name};
use crate::verdict::{CheckReport, ComparedMetric, Finding, ScenarioVerdict, unit};

/// At most this many rows are shown and the rest counted: a comment has a limit.
const MOST_ROWS: usize = 40;

/// The verdict as Markdown. Figures that did not change are only counted.
pub fn markdown(verdict: &CheckReport) -> String {
    let mut text =
        format!("## skipbeat: {} {}\n\n", mark(verdict.outcome), verdict.outcome.words());
    text.push_str("| scenario | world | verdict | thresholds met | compared |\n");
    text.push_str("|---|---|---|---|---|\n");
    for scenario in &verdict.scenarios {
        let met = scenario.thresholds.iter().filter(|case| case.met == Some(true)).count();
        let compared = scenario.comparison.as_ref().map_or("–".to_owned(), |comparison| {
            let count = |finding| comparison.rows.iter().filter(|r| r.finding == finding).count();
            format!(
                "{} worse, {} changed, {} better, {} same, {} cannot tell",
                count(Finding::Worse),
                count(Finding::Changed),
                count(Finding::Better),
                count(Finding::Same),
                count(Finding::CannotTell)
            )
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} {} | {} | {compared} |",
            escape(&scenario.scenario),
            scenario.mode,
            mark(scenario.outcome),
            scenario.outcome.words(),
            match scenario.thresholds.len() {
                0 => "–".to_owned(),
                all => format!("{met} of {all}"),
            }
        );
    }
    for scenario in &verdict.scenarios {
        details(scenario, &mut text);
    }
    text
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome.tone() {
        Tone::Good => "✅",
        Tone::Plain => "⚪",
        Tone::Unsure => "❔",
        Tone::Bad => "❌",
    }
}

/// What needs attention in a scenario: notes, missed thresholds, and figures that differ.
fn details(scenario: &ScenarioVerdict, text: &mut String) {
    let unmet: Vec<_> = scenario.thresholds.iter().filter(|case| case.met != Some(true)).collect();
    let comparison = scenario.comparison.as_ref();
    let differing = |row: &&ComparedMetric| row.judged && row.finding != Finding::Same;
    let rows: Vec<&ComparedMetric> =
        comparison.map_or_else(Vec::new, |c| c.rows.iter().filter(differing).collect());
    let notes = scenario.reasons.iter().chain(&scenario.notes);
    let notes: Vec<&String> =
        notes.chain(comparison.into_iter().flat_map(|comparison| &comparison.notes)).collect();
    if unmet.is_empty() && rows.is_empty() && notes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### {}\n", escape(&scenario.scenario));
    for note in notes {
        let _ = writeln!(text, "- {}", escape(note));
    }
    if !unmet.is_empty() {
        text.push_str("\n| threshold | actual |\n|---|---:|\n");
        for case in unmet.iter().take(MOST_ROWS) {
            let actual = show_actual(unit(&case.metric), case.actual, case.met);
            let _ = writeln!(text, "| {} | {actual} |", escape(&threshold_name(case)));
        }
        left_out(unmet.len(), text);
    }
    if !rows.is_empty() {
        text.push_str("\n| metric | base | new | change | |\n|---|---:|---:|---:|---|\n");
        for row in rows.iter().take(MOST_ROWS) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                escape(&row_name(row)),
                row.unit.show(row.base),
                row.unit.show(row.new),
                effect(row),
                row.finding.name()
            );
        }
        left_out(rows.len(), text);
    }
}

fn left_out(rows: usize, text: &mut String) {
    if rows > MOST_ROWS {
        let _ = writeln!(text, "\n… and {} more", rows - MOST_ROWS);
    }
}

/// Escapes the characters that Markdown or HTML would interpret.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '|' | '*' | '`' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
