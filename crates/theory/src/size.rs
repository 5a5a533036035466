//! How large the samples of an experiment are.

/// The longest simulated run in seconds, just below what a scenario accepts.
const LONGEST_RUN_S: u64 = 4_900_000;

/// How large the samples are. Each experiment has a usual size of its own, which [`Size::default`]
/// leaves as it is; larger samples give narrower intervals.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    /// The number of clients in experiments that have many alike. Where the number is part of what
    /// is tested, it stays.
    pub clients: Option<u32>,
    /// The length of each run in hours of virtual time.
    pub hours: Option<f64>,
    /// A factor on that length, or on the number of runs where one run is one sample; at least 1.
    pub times: u32,
}

impl Default for Size {
    fn default() -> Self {
        Size { clients: None, hours: None, times: 1 }
    }
}

impl Size {
    /// The number of clients, where `usual` of them are alike.
    pub(crate) fn clients(&self, usual: u32) -> u32 {
        self.clients.unwrap_or(usual)
    }

    /// The length of one run in seconds, without `times`: for experiments that make more runs
    /// instead of longer ones.
    pub(crate) fn seconds_each(&self, usual: u64) -> u64 {
        let once = self.hours.map_or(usual, |hours| (hours * 3600.0).ceil() as u64);
        once.min(LONGEST_RUN_S)
    }

    /// The length of the run in seconds.
    pub(crate) fn seconds(&self, usual: u64) -> u64 {
        self.seconds_each(usual).saturating_mul(self.times.into()).min(LONGEST_RUN_S)
    }

    /// The number of runs.
    pub(crate) fn runs(&self, usual: u64) -> u64 {
        usual.saturating_mul(self.times.into())
    }
}
