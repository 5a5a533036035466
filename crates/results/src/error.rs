//! What can go wrong with result files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result file that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub struct ResultError {
    path: PathBuf,
    /// Counted from 1; `None` if the problem is not in one line.
    line: Option<u64>,
    problem: String,
    source: Option<io::Error>,
}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl ResultError {
    /// An error for a file with unexpected content.
    pub(crate) fn damaged(
        path: &Path,
        line: impl Into<Option<u64>>,
        problem: impl Into<String>,
    ) -> Self {
        let (path, line) = (path.to_owned(), line.into());
        ResultError { path, line, problem: problem.into(), source: None }
    }

    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        let problem = match source.kind() {
            io::ErrorKind::NotFound => "is missing".to_owned(),
            _ => "can't be read".to_owned(),
        };
        ResultError { path: path.to_owned(), line: None, problem, source: Some(source) }
    }

    pub(crate) fn unwritable(path: PathBuf, source: io::Error) -> Self {
        ResultError {
            path,
            line: None,
            problem: "can't be written".to_owned(),
            source: Some(source),
        }
    }

    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        ResultError::damaged(path, error.line() as u64, error.to_string())
    }

    pub(crate) fn csv(path: &Path, error: csv::Error) -> Self {
        let line = error.position().map(csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => ResultError::unreadable(path, source),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("expected {expected_len} cells, got {len}");
                ResultError::damaged(path, line, problem)
            }
            csv::ErrorKind::Utf8 { .. } => ResultError::damaged(path, line, "is no text"),
            _ => ResultError::damaged(path, line, "is no table"),
        }
    }
}
