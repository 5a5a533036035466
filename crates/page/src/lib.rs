//! `report.html`: result files drawn as one page. It works offline, and is a function of the files
//! alone.
//!
//! [`render`] makes the page of one run or sweep, or of several laid over each other. What other
//! pages are made of is here too: [`shell`] around a body, [`chart`] for what is drawn in it,
//! [`mod@format`] for numbers, and [`read`] for the files.
#![forbid(unsafe_code)]

pub mod chart;
mod comparison;
mod error;
pub mod format;
mod headline;
mod page;
mod quantity;
pub mod read;
mod sections;
mod shell;
mod verdict;

pub use comparison::comparison;
pub use error::PageError;
pub use page::render;
pub use shell::shell;
pub use verdict::Verdict;
