//! Impairments of one direction of one client's path. A *link* takes a datagram at a time and
//! gives a [`Verdict`]: when it arrives, or why it does not, and whether a copy follows.
//!
//! The stages stand in a fixed order: loss, delay, hold-reorder, duplicate. Each draws from a
//! stream of its own, keyed by (seed, stage, link, index of the datagram on the link), so that
//! switching one stage on shifts no other, and the same datagrams in the same order get the same
//! verdicts in the simulator and on sockets.
#![forbid(unsafe_code)]

mod delay;
mod duplicate;
mod links;
mod loss;
mod reorder;

pub use delay::Delay;
pub use duplicate::Duplicate;
pub use links::{LinkOptions, Links};
pub use loss::Loss;
pub use reorder::Reorder;

use skipbeat_core::Time;

/// What a link does with one datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The place of the datagram on its link, from zero.
    pub index: u32,
    /// When it arrives, or why it never does.
    pub arrival: Result<Time, Cause>,
    /// Whether the reorder stage chose it.
    pub held: bool,
    /// When a copy of it arrives. Only what arrives is copied.
    pub copy: Option<Time>,
}

/// Why a link loses a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// The loss model took it.
    Loss,
}

impl Cause {
    /// Every cause, in the order of the stages.
    pub const ALL: [Cause; 1] = [Cause::Loss];

    /// The name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Loss => "loss",
        }
    }
}
