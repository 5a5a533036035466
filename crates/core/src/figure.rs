//! What a figure counts in, and which way it should go.

/// What a figure counts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Whole things; it only grows while a run goes on.
    Count,
    /// A share of a whole, or a ratio of two counts.
    Ratio,
    /// Seconds.
    Seconds,
    /// Things per second.
    PerSecond,
    /// A number of another kind, like a mean of counts.
    Number,
}

/// Which way a figure should go, all else being the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// The more, the better.
    Higher,
    /// The less, the better.
    Lower,
    /// It says what was asked, or what is good for one and bad for another.
    Neither,
}
