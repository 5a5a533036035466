//! Draws result files as one page, `report.html`. The page works offline and depends on the files
//! alone.
//!
//! [`render`] makes the page of one run or sweep, or of several overlaid, and [`comparison`] makes
//! the page of a comparison. `skipbeat-results` reads the files, `skipbeat-core` formats the
//! numbers, and a metric's card has its label. This crate turns all of it into HTML, and into
//! charts that `page.js` draws.
//!
//! Where to look: `page` puts the sections in order, `sections` has each of them, `chart` has the
//! charts as data, and `assets` has styles and scripts.
#![forbid(unsafe_code)]

mod chart;
mod comparison;
mod metrics;
mod page;
mod parts;
mod quantity;
mod sections;
mod shell;

pub use comparison::comparison;
pub use page::{PageError, render};
