//! The simulator held against closed forms. `skipbeat theory` prints the rows of [`EXPERIMENTS`],
//! and the tests of this crate hold them. docs/theory.md derives the formulas.
//!
//! An [`Experiment`] runs one or a few scenarios in virtual time, and gives a [`TheoryRow`] for
//! each figure that has a closed form. The interval of a row follows from its number of samples: it
//! is four standard errors in most rows. Seeds are fixed, so a row either always agrees or never
//! does.
//!
//! ```
//! use skipbeat_theory::{Agreement, EXPERIMENTS, Size};
//!
//! // A small sample: fewer clients, each for a few minutes of virtual time.
//! let size = Size { clients: Some(200), hours: Some(0.1), times: 1 };
//! let jitter = EXPERIMENTS.iter().find(|experiment| experiment.name == "jitter").unwrap();
//! for row in (jitter.run)(&size) {
//!     println!("{}: {} against {} ± {}", row.case, row.simulated, row.expected, row.interval);
//!     assert_ne!(row.verdict(), Agreement::Differs);
//! }
//! ```
#![forbid(unsafe_code)]

mod delivery;
mod detection;
mod detectors;
mod experiment;
mod mechanisms;
mod mistakes;
mod order;
mod row;
mod simulation;
mod size;
mod workloads;

pub use experiment::{EXPERIMENTS, Experiment};
pub use row::{Agreement, TheoryRow};
pub use size::Size;
