//! Whether something got worse: figures of two builds, or of a run and its baseline, beside each
//! other, and one verdict for people and other programs.
//!
//! Where to look: what a verdict consists of in `verdict`, figures of the simulator in `exact`, figures
//! of interleaved pairs in `paired`, the machine's own noise in `noise`, formats of others in `export`.
#![forbid(unsafe_code)]

mod exact;
pub mod export;
mod folder;
mod noise;
mod paired;
mod statistics;
mod verdict;

pub use exact::compare as compare_exactly;
pub use folder::{FolderError, Line, Sheet};
pub use noise::{Noise, NoiseRow, noise};
pub use paired::{Pair, Rule, compare as compare_pairs};
pub use statistics::{bootstrap_median, holm, median, wilcoxon};
pub use verdict::{
    ComparedMetric, Comparison, Conclusion, Design, Figure, Finding, ScenarioVerdict,
    ThresholdCase, Verdict, Way, schema, show,
};
