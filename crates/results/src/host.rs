//! `host.json`: what a run cost on its machine. It is the one file that the seed does not
//! determine, and it may be missing: committed results don't have it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use skipbeat_measure::HostReport;

use crate::ResultError;

/// What a run or a sweep cost.
#[derive(Clone, Debug)]
pub enum HostFile {
    /// On one machine: the file is the report.
    Machine(Box<HostReport>),
    /// On the machine of each share of a sweep, by share: the file has the one key `shares`.
    Shares(BTreeMap<String, HostReport>),
}

/// The file of merged shares.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharesFile {
    shares: BTreeMap<String, HostReport>,
}

impl Serialize for HostFile {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            HostFile::Machine(report) => report.serialize(to),
            HostFile::Shares(shares) => SharesFile { shares: shares.clone() }.serialize(to),
        }
    }
}

impl HostFile {
    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// If the file can't be read or is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, ResultError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ResultError::unreadable(path, error)),
        };
        let wrong = |error: serde_json::Error| ResultError::json(path, &error);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(wrong)?;
        Ok(Some(if value.get("shares").is_some() {
            let SharesFile { shares } = serde_json::from_str(&text).map_err(wrong)?;
            HostFile::Shares(shares)
        } else {
            HostFile::Machine(serde_json::from_str(&text).map_err(wrong)?)
        }))
    }
}
