//! The names of result files, and which of them a run or a sweep leaves.

/// What was run, and how it ended.
pub const RUN: &str = "run.json";
/// What the run cost on this machine; the one file that the seed does not determine.
pub const HOST: &str = "host.json";
/// Every figure of each run.
pub const SUMMARY: &str = "summary.csv";
/// Every figure of each group of each run.
pub const GROUPS: &str = "groups.csv";
/// Of a sweep: mean, deviation and interval of every figure, by point.
pub const SWEEP: &str = "sweep.csv";
/// Of a single run: what happened in each second.
pub const TIMELINE: &str = "timeline.csv";
/// Of a single run: each eviction.
pub const EVICTIONS: &str = "evictions.csv";
/// Of a single run: where every datagram and every delivery went.
pub const LEDGER: &str = "ledger.csv";
/// Of a single run: links as configured and as observed.
pub const LINKS: &str = "links.csv";
/// Of a single run: whole distributions.
pub const HISTOGRAMS: &str = "latency.hlog";
/// Of a sweep: the finished runs, one per line.
pub const JOURNAL: &str = "progress.jsonl";
/// The page that is made from the other files.
pub const REPORT: &str = "report.html";

/// The files that every study leaves.
pub(crate) const OF_ALL: [&str; 4] = [SUMMARY, GROUPS, RUN, HOST];
/// The files that a single run leaves besides those.
pub(crate) const OF_ONE: [&str; 5] = [TIMELINE, EVICTIONS, LEDGER, LINKS, HISTOGRAMS];
/// The files that a sweep leaves besides those.
pub(crate) const OF_SWEEP: [&str; 1] = [SWEEP];
/// The files of a baseline: enough to compare with.
pub const OF_BASELINE: [&str; 3] = [SUMMARY, GROUPS, RUN];
