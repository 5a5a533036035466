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

use skipbeat_results::RunRead;

/// A run with its name, which is in the legend if there are several runs.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) run: &'a RunRead,
}
