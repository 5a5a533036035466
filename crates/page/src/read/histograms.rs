//! `latency.hlog`: the distributions of times, by metric.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::error::PageError;

/// Reads all histograms; their values are in microseconds.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Histogram<u64>>, PageError> {
    let damaged = |reason: String| PageError::Damaged { path: path.to_owned(), reason };
    let log = super::optional(path)?.unwrap_or_default();
    let mut deserializer = Deserializer::new();
    let mut all = BTreeMap::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        let entry = entry.map_err(|error| damaged(format!("{error:?}")))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let Some(tag) = interval.tag() else { continue };
        let bytes = BASE64_STANDARD
            .decode(interval.encoded_histogram())
            .map_err(|error| damaged(format!("{}: {error}", tag.as_str())))?;
        let histogram = deserializer
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| damaged(format!("{}: {error:?}", tag.as_str())))?;
        all.insert(tag.as_str().to_owned(), histogram);
    }
    Ok(all)
}
