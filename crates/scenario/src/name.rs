//! Names of scenarios and groups. They become parts of file names and of the keys of `--set`.

use toml::Spanned;

use crate::error::{Reporter, ScenarioError};

/// The names that [`check_name`] accepts, as a regular expression.
pub(crate) const NAME: &str = "^[A-Za-z0-9_-]+$";

/// Reports a name that is no file name everywhere; `why` says what the name is used for.
pub(crate) fn check_name(
    name: &Spanned<String>,
    why: &str,
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.get_ref().is_empty() || !name.get_ref().chars().all(fits) {
        let message = format!("expected a name of letters, digits, '-' and '_': {why}");
        return Err(report.at(name, message));
    }
    Ok(())
}
