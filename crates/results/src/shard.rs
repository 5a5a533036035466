//! Shares of a sweep, so that several machines or calls of the program can each do a part of its
//! runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of several shares of a sweep. Runs go to the shares in turn, so that the expensive points
/// are spread over the shares.
/// ```
/// use skipbeat_results::Shard;
/// let shard: Shard = "2/3".parse().unwrap();
/// assert!(shard.has(1) && shard.has(4) && !shard.has(0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    pub(crate) number: u32,
    pub(crate) of: u32,
}

/// The most shares: a sweep has at most as many runs.
const MOST_SHARES: u32 = 1_000_000;

impl Shard {
    /// The one share of a sweep that is not divided.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Share `number` of `of` shares, counted from 1; `None` if there is no such share, or if there
    /// are more than a million.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&number) && of <= MOST_SHARES).then_some(Shard { number, of })
    }

    /// Whether run number `run` of the study, from 0, is in it.
    pub fn has(self, run: usize) -> bool {
        run % self.of as usize == self.number as usize - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shard = text.split_once('/').and_then(|(number, of)| {
            Shard::new(number.trim().parse().ok()?, of.trim().parse().ok()?)
        });
        shard
            .ok_or_else(|| format!("expected a share such as 3/16, from 1/16 to 16/16, got {text}"))
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}
