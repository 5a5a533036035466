//! Decides whether something got worse: compares the figures of two builds, or of a run and its
//! baseline, and gives one verdict for people and other programs.
//!
//! Where to look: `verdict` has the types of a report, `exact` compares figures of the simulator,
//! `paired` compares interleaved pairs, `noise` measures the machine's own noise, and `export` has
//! the formats of other programs.
#![forbid(unsafe_code)]

mod exact;
pub mod export;
mod folder;
mod noise;
mod paired;
mod statistics;
mod verdict;

pub use exact::compare as compare_exactly;
pub use folder::{Sheet, SheetRow};
pub use noise::{Noise, NoiseRow, noise};
pub use paired::{Pair, Rule, compare as compare_pairs};
pub use statistics::{bootstrap_median, holm, median, wilcoxon};
pub use verdict::{
    COSTS, CheckReport, ComparedMetric, Comparison, Cost, Design, Figure, Finding, ScenarioVerdict,
    ThresholdCase, schema,
};
