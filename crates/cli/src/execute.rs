//! Runs a study, a single run or a sweep, for `run` and `check`.

use std::path::Path;

use skipbeat_results::Shard;
use skipbeat_scenario::Study;

use crate::finished::{Finished, How};
use crate::interrupt::Interrupt;
use crate::{single, sweep};

/// Runs a study and writes its results.
pub(crate) fn execute(
    study: &Study,
    shard: Shard,
    how: &How,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    if study.is_sweep {
        sweep::run(study, shard, how, folder, interrupt)
    } else {
        single::run(study, how, folder, interrupt)
    }
}
