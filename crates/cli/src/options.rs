//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use skipbeat_scenario::Setting;

/// The wind tunnel for UDP servers that keep their clients alive by heartbeat.
#[derive(Parser)]
#[command(version, after_help = crate::exit::HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a scenario and write its results
    Run(RunOptions),
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct RunOptions {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub(crate) scenario: PathBuf,

    /// The world: virtual time or real sockets [default: what the scenario says]
    #[arg(long, value_name = "WORLD")]
    pub(crate) mode: Option<World>,

    /// The seed of all random numbers [default: what the scenario says]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Change a key of the scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<Setting>,

    /// The folder of the result files [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    /// How the summary on standard output looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum World {
    /// Deterministic virtual time
    Sim,
    /// Real UDP sockets
    Net,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: every metric
    Json,
}
