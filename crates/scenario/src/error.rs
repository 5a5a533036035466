//! A mistake in a scenario, shown where it is. Everything in this crate reports through this file,
//! which uses no other.

use std::fmt;
use std::ops::Range;

use toml::Spanned;

/// What is wrong with a scenario and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The file, or the `--set` option, that the mistake is in.
    pub source_name: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// Where it is, if it has one location.
    pub location: Option<Location>,
}

/// Where a mistake is in a text, with the line to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The line, from 1; 0 where the text is not that of the file.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The text of the line.
    text: String,
    /// How many characters the mistake spans.
    width: usize,
}

impl ScenarioError {
    /// A mistake in a text, at a range of its bytes.
    pub(crate) fn at(name: &str, text: &str, span: Option<Range<usize>>, message: String) -> Self {
        let location = span.map(|span| Location::find(text, span));
        ScenarioError { source_name: name.to_owned(), message, location }
    }

    /// The same mistake, made by `--set`: it is in a line that the user has never seen, so the line
    /// gets no number.
    pub(crate) fn of_settings(self, settings: &str) -> Self {
        let location = self.location.map(|location| Location { line: 0, ..location });
        ScenarioError { source_name: format!("--set {settings}"), location, ..self }
    }

    /// A mistake without a location.
    pub(crate) fn whole(name: &str, message: impl Into<String>) -> Self {
        ScenarioError { source_name: name.to_owned(), message: message.into(), location: None }
    }
}

/// Reports mistakes in one text.
pub(crate) struct Reporter<'a> {
    /// The file, for messages.
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Reporter<'_> {
    /// A mistake in a value.
    pub(crate) fn at<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> ScenarioError {
        self.within(value.span(), message)
    }

    /// A mistake in a range of bytes of the text.
    pub(crate) fn within(&self, span: Range<usize>, message: impl Into<String>) -> ScenarioError {
        ScenarioError::at(self.name, self.text, Some(span), message.into())
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
        let ScenarioError { source_name, message, location } = self;
        let Some(Location { line, column, text, width }) = location else {
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
