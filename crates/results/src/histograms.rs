//! `latency.hlog`: whole distributions, as an interval log of HdrHistogram (version 1.3). Values
//! are in microseconds, the tag is the metric.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};
use skipbeat_core::Distribution;
use skipbeat_measure::Results;

use crate::ResultError;

/// The metrics whose distributions are written where they have values.
pub(crate) const TAGS: [&str; 9] = [
    "latency",
    "latency_real",
    "eviction_latency",
    "mistake_duration",
    "server_detection",
    "rebind_recovery",
    "ghost_duration",
    "answer_latency",
    "lateness",
];

/// Writes the distributions of a run that have values, one interval each.
pub(crate) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("skipbeat: values in microseconds, the tag is the metric")
        .with_start_time(UNIX_EPOCH)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    let all = results.tally.all_groups();
    let detection = &all.detection;
    let distributions: [Option<&Distribution>; TAGS.len()] = [
        Some(&all.latency),
        Some(all.latency_real.as_ref().unwrap_or(&all.latency)),
        Some(&detection.latency),
        Some(&detection.mistake_durations),
        Some(&detection.server_latency),
        Some(&detection.recoveries),
        Some(&detection.ghost_durations),
        Some(&all.answer_latency),
        results.tally.lateness.as_ref(),
    ];
    let length = Duration::from_nanos(results.end().nanos());
    for (name, distribution) in TAGS.into_iter().zip(distributions) {
        if let Some(distribution) = distribution.filter(|d| !d.is_empty()) {
            log.write_histogram(distribution.histogram(), Duration::ZERO, length, Tag::new(name))
                .map_err(|e| io::Error::other(format!("{e:?}")))?;
        }
    }
    Ok(())
}

/// Reads all distributions, by metric.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Histogram<u64>>, ResultError> {
    let damaged = |problem: String| ResultError::damaged(path, None, problem);
    let log = std::fs::read(path).map_err(|error| ResultError::unreadable(path, error))?;
    let mut deserializer = Deserializer::new();
    let mut all = BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        let entry = entry.map_err(|error| damaged(format!("is not an interval log: {error:?}")))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let Some(tag) = interval.tag() else {
            return Err(damaged("has an interval without a tag".to_owned()));
        };
        let tag = tag.as_str().to_owned();
        let bytes = BASE64_STANDARD.decode(interval.encoded_histogram());
        let bytes = bytes.map_err(|error| damaged(format!("{tag}: {error}")))?;
        let histogram = deserializer.deserialize(&mut bytes.as_slice());
        let histogram = histogram.map_err(|error| damaged(format!("{tag}: {error:?}")))?;
        if all.insert(tag.clone(), histogram).is_some() {
            return Err(damaged(format!("{tag} appears twice")));
        }
    }
    Ok(all)
}
