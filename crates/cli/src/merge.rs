//! `skipbeat merge`: shares of a sweep become the results of the whole; and which share an array job
//! runs.

use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Args;
use serde_json::json;
use skipbeat_report::{Merged, ResultFolder, Shard, merge as merge_shares};

use crate::exit::{Exit, UsageError};
use crate::options::Format;
use crate::run::BUILD;
use crate::sweep::{outcome, write};

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct MergeOptions {
    /// The folders of the shares, all of them
    #[arg(value_name = "DIR", required = true)]
    pub(crate) shares: Vec<PathBuf>,

    /// The folder of the result files
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// How the summary on standard output looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

pub(crate) fn merge(options: &MergeOptions) -> anyhow::Result<Exit> {
    let place = |folder: &Path| fs::canonicalize(folder).ok();
    let is_out = |share: &PathBuf| place(share).is_some_and(|at| Some(at) == place(&options.out));
    if options.shares.iter().any(is_out) {
        let message = format!("--out {} is one of the shares", options.out.display());
        return Err(UsageError(message).into());
    }
    let merged = merge_shares(&options.shares, BUILD)?;
    let folder = ResultFolder::create(&options.out, true)?;
    let host = json!({ "shares": merged.hosts });
    let outcome = outcome(&merged.study, &merged.cells);
    let last_line = format!("results in {}", options.out.display());
    let Merged { study, cells, .. } = merged;
    Ok(write(options.format, &study, folder, cells, &host, outcome, &last_line).show())
}

/// Which share is meant: `3/16`, or by the variables of an array job.
pub(crate) fn shard(text: &str) -> Result<Shard, UsageError> {
    let shard = match text.split_once('/') {
        None if text == "auto" => array_job(None),
        Some(("auto", of)) => match of.parse() {
            Ok(of) => array_job(Some(of)),
            Err(_) => Err(format!("expected auto/N, got {text}")),
        },
        _ => text.parse(),
    };
    shard.map_err(|message| UsageError(format!("--shard: {message}")))
}

/// The share of this task of an array job, `of` so many if the job does not say how many there are.
fn array_job(of: Option<u32>) -> Result<Shard, String> {
    let number = |name: &str| match env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse::<u32>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name} is {text:?}, expected a number")),
        },
    };
    let share = |name: &str, index: u32, count: Option<u32>| {
        let of = match (of, count) {
            (Some(of), Some(count)) if of != count => {
                return Err(format!(
                    "the job has {count} tasks, not {of}: say which share, K/{of}"
                ));
            }
            _ => {
                of.or(count).ok_or_else(|| format!("{name} has no count beside it: say auto/N"))?
            }
        };
        Shard::new(index.saturating_add(1), of)
            .ok_or_else(|| format!("{name} says task {index}, counted from 0, but there are {of}"))
    };
    // https://slurm.schedmd.com/job_array.html: ids from MIN to MAX in steps.
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let count = number("SLURM_ARRAY_TASK_COUNT")?;
        let last = number("SLURM_ARRAY_TASK_MAX")?;
        let from_first = |id: u32| id.saturating_sub(first) / step;
        if last
            .zip(count)
            .is_some_and(|(last, count)| from_first(last).checked_add(1) != Some(count))
        {
            return Err("the array job has gaps: say which share, K/N".to_owned());
        }
        return share("SLURM_ARRAY_TASK_ID", from_first(id), count);
    }
    if let Some(index) = number("AWS_BATCH_JOB_ARRAY_INDEX")? {
        return share("AWS_BATCH_JOB_ARRAY_INDEX", index, number("AWS_BATCH_JOB_ARRAY_SIZE")?);
    }
    // Kubernetes tells an indexed job its index, but not how many there are.
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        return share("JOB_COMPLETION_INDEX", index, None);
    }
    Err("auto is for array jobs, and none of SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX and \
         JOB_COMPLETION_INDEX is set"
        .to_owned())
}
