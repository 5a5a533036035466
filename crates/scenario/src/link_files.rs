//! The files of a link: traces of loss, tables of delay.

use std::ops::Range;
use std::path::Path;

use skipbeat_link::LinkOptions;

use crate::error::{Reporter, ScenarioError};

/// Reads the files that the models of a link name. Relative paths start at the folder of the
/// scenario; `span` is where a mistake is shown.
pub(crate) fn read_link_files(
    mut options: LinkOptions,
    span: Range<usize>,
    report: &Reporter<'_>,
) -> Result<LinkOptions, ScenarioError> {
    let folder = Path::new(report.name).parent().unwrap_or(Path::new(""));
    for (file, model) in options.files() {
        let path = folder.join(&file);
        let text = std::fs::read_to_string(&path).map_err(|e| e.to_string());
        text.and_then(|text| model.take(&text)).map_err(|e| {
            let message = format!("can't read {}: {e}", path.display());
            report.within(span.clone(), message)
        })?;
    }
    Ok(options)
}
