//! A mistake in a scenario, shown where it is.

use std::fmt;
use std::ops::Range;

/// What is wrong with a scenario and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The file, or the `--set` option, that the mistake is in.
    pub source_name: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// Where it is, if it is at one place.
    pub place: Option<Location>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// From 1; 0 where the line is of no file.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The text of the line.
    text: String,
    /// How many characters the mistake spans.
    width: usize,
}

impl ScenarioError {
    /// A mistake at a place in a text.
    pub(crate) fn at(name: &str, text: &str, span: Option<Range<usize>>, message: String) -> Self {
        let place = span.map(|span| Location::find(text, span));
        ScenarioError { source_name: name.to_owned(), message, place }
    }

    /// The mistake came with `--set`: the line is one that the user has never seen as such.
    pub(crate) fn of_settings(self, settings: &str) -> Self {
        let place = self.place.map(|place| Location { line: 0, ..place });
        ScenarioError { source_name: format!("--set {settings}"), place, ..self }
    }

    /// A mistake that is nowhere in particular.
    pub(crate) fn whole(name: &str, message: impl Into<String>) -> Self {
        ScenarioError { source_name: name.to_owned(), message: message.into(), place: None }
    }
}

impl Location {
    fn find(text: &str, span: Range<usize>) -> Location {
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = span.end.clamp(start, line_end);
        Location {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end().to_owned(),
            width: text[start..end].chars().count().max(1),
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScenarioError { source_name, message, place } = self;
        let Some(Location { line, column, text, width }) = place else {
            return write!(f, "{source_name}: {message}");
        };
        let number = if *line == 0 { String::new() } else { line.to_string() };
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(column - 1);
        let carets = "^".repeat(*width);
        match line {
            0 => writeln!(f, "{source_name}: {message}")?,
            _ => writeln!(f, "{source_name}:{line}:{column}: {message}")?,
        }
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{margin} | {indent}{carets}")
    }
}
