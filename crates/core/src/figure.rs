//! The unit of a figure, and whether more of it is better.

/// The unit of a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A number of things. It never falls during a run.
    Count,
    /// A share of a whole, or the ratio of two counts.
    Ratio,
    /// A time, in seconds.
    Seconds,
    /// A rate, in things per second.
    PerSecond,
    /// Any other number, such as a mean of counts.
    Number,
}

/// Which values of a figure are better, other things being equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Higher values are better.
    Higher,
    /// Lower values are better.
    Lower,
    /// The figure describes the run, or is good for one purpose and bad for another.
    Neither,
}
