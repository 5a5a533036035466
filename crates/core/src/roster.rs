//! Which clients belong to which group: each group is a range of ids.

use std::ops::Range;

use crate::ClientId;

/// The groups of a run in the order of the scenario. Each group is a contiguous range of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// `ends[g]` is one past the last client of group `g`.
    ends: Vec<ClientId>,
}

impl Roster {
    /// A roster of groups of these sizes, whose clients are numbered one after the other.
    pub fn new(sizes: impl IntoIterator<Item = u32>) -> Self {
        let ends = sizes.into_iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        Roster { ends: ends.collect() }
    }

    /// The number of groups.
    pub fn groups(&self) -> usize {
        self.ends.len()
    }

    /// The number of clients in all groups.
    pub fn clients(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The clients of a group.
    pub fn range(&self, group: usize) -> Range<ClientId> {
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        start..self.ends[group]
    }

    /// The group of a client.
    #[inline]
    pub fn group_of(&self, client: ClientId) -> usize {
        if self.ends.len() == 1 { 0 } else { self.ends.partition_point(|end| *end <= client) }
    }
}
