//! `skipbeat merge`: merges the shares of a sweep into the results of the whole. Also reads the
//! value of `--shard`, which says which share to run.

use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Args;
use skipbeat_results::{HostFile, Merged, ResultFolder, Shard, merge as merge_shares};

use crate::args::Format;
use crate::exit::{Exit, UsageError};
use crate::finished::write_sweep;
use crate::version::build;

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
    let real = |folder: &Path| fs::canonicalize(folder).ok();
    let is_out = |share: &PathBuf| real(share).is_some_and(|at| Some(at) == real(&options.out));
    if options.shares.iter().any(is_out) {
        let message = format!("--out {} is one of the shares", options.out.display());
        return Err(UsageError(message).into());
    }
    let merged = merge_shares(&options.shares, &build())?;
    let folder = ResultFolder::create(&options.out, true)?;
    let last_line = format!("results in {}", options.out.display());
    let Merged { study, runs, hosts } = merged;
    let host = HostFile::Shares(hosts);
    Ok(write_sweep(options.format, &study, folder, runs, &host, None, &last_line).show())
}

/// Reads a share: `3/16`, or `auto` to take it from the variables of an array job.
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

/// The share that this task of an array job runs. `of` is the number of shares, for jobs that don't
/// say how many tasks they have.
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
    // https://slurm.schedmd.com/job_array.html: ids go from MIN to MAX in steps of STEP.
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
