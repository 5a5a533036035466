//! `skipbeat run`: runs one scenario in one world, and writes its results.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::Args;
use skipbeat_results::Shard;
use skipbeat_scenario::{Changes, Mode, Setting, Study};

use crate::args::{Format, io, mode};
use crate::execute::execute;
use crate::exit::{Exit, UsageError};
use crate::finished::How;
use crate::interrupt::Interrupt;
use crate::merge;
use crate::progress::Display;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct RunOptions {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub(crate) scenario: PathBuf,

    /// The world: virtual time or real sockets [default: what the scenario says]
    #[arg(long, value_name = "WORLD", value_parser = mode())]
    pub(crate) mode: Option<Mode>,

    /// The seed of all random numbers [default: what the scenario says]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Change a key of the scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<Setting>,

    /// How often each point of the scenario is run, with other seeds [default: what it says, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) replications: Option<u32>,

    /// How many runs of a sweep are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// Go on with a sweep that was killed or interrupted, in the same folder
    #[arg(long)]
    pub(crate) resume: bool,

    /// Run a share of a sweep, 3/16 being the third of sixteen; `auto` takes both numbers from the
    /// array job of Slurm or AWS Batch, `auto/16` the first, as Kubernetes needs it
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<String>,

    /// The folder of the result files [default: results/NAME, of a share results/NAME-K-of-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Write what enters and leaves the links to a file that Wireshark reads; addresses are those
    /// of virtual time
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Use no system calls but those that every system has: tokio's plain send and receive, and a
    /// socket for each client
    #[arg(long)]
    pub(crate) portable: bool,

    /// Show the run while it goes on: members, rates, losses, latency, thresholds so far
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) live: bool,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    /// How the summary on standard output looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<Exit> {
    let changes = Changes {
        settings: options.set.clone(),
        mode: options.mode,
        seed: options.seed,
        replications: options.replications,
    };
    let study = Study::load(&options.scenario, &changes)?;
    let name = &study.base.name;
    if options.pcap.is_some() && study.is_sweep {
        return Err(UsageError("--pcap is for a single run, not for a sweep".to_owned()).into());
    }
    if options.live && study.is_sweep {
        return Err(UsageError("--live is for a single run, not for a sweep".to_owned()).into());
    }
    if options.shard.is_some() && study.ramp.is_some() {
        let message = "--shard is for a sweep: each step of a ramp depends on the one before";
        return Err(UsageError(message.to_owned()).into());
    }
    if (options.resume || options.shard.is_some()) && !study.is_sweep {
        let message = "--resume and --shard are for a sweep: one run has no parts".to_owned();
        return Err(UsageError(message).into());
    }
    let shard = options.shard.as_deref().map(merge::shard).transpose()?.unwrap_or(Shard::WHOLE);
    let folder_name = match shard {
        Shard::WHOLE => name.clone(),
        share => format!("{name}-{}", share.to_string().replace('/', "-of-")),
    };
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results").join(folder_name));
    let how = How {
        io: io(options.portable),
        threads: options.threads,
        resume: options.resume,
        pcap: options.pcap.clone(),
        display: Display::of(options.quiet, options.live),
        format: options.format,
    };
    let interrupt = Interrupt::listen()?;
    Ok(execute(&study, shard, &how, &folder, &interrupt)?.show())
}
