//! The command line: every command, and what several of them take. The options of a command stand in its
//! own file.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use skipbeat_core::Span;
use skipbeat_net::Io;
use skipbeat_scenario::Mode;

use crate::chat::ChatOptions;
use crate::check::CheckOptions;
use crate::compare::CompareOptions;
use crate::generated::Form;
use crate::link::LinkOptions;
use crate::merge::MergeOptions;
use crate::page::ReportOptions;
use crate::proxy::ProxyOptions;
use crate::run::RunOptions;
use crate::serve::ServeOptions;
use crate::theory::TheoryOptions;

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
    /// Merge the shares of a sweep into the results of the whole
    Merge(MergeOptions),
    /// Draw results as a page: of one folder, or of several overlaid
    Report(ReportOptions),
    /// Compare two folders of results, or two binaries in interleaved pairs of runs
    Compare(CompareOptions),
    /// Run scenarios and judge them: thresholds, and a comparison with a baseline
    Check(CheckOptions),
    /// Hold the simulator against closed forms: detection, mistakes, delivery, order
    Theory(TheoryOptions),
    /// Serve the chat, with a console: clients, stats, say TEXT, quit
    Serve(ServeOptions),
    /// Impair any UDP application: between clients and a server, a link each way for each client
    Proxy(ProxyOptions),
    /// Show what a link does: drawn from a model, or fitted to a trace
    Link(LinkOptions),
    /// Chat: lines are sent, `quit` or the end of input leaves
    Chat(ChatOptions),
    /// Print the JSON schema of scenarios, for editors, or of verdicts
    Schema {
        /// Of what
        #[arg(value_name = "FORM", default_value = "scenario")]
        form: Form,
    },
    /// Print a script that completes commands and options in a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// The folder of all pages
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// A span of time that is one.
pub(crate) fn above_zero(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|e: skipbeat_core::TimeError| e.to_string())?;
    if span.is_zero() { Err("expected a span above zero".to_owned()) } else { Ok(span) }
}

/// A share, as a number or in per cent.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|percent: f64| percent / 100.0),
        None => text.parse(),
    };
    let share = number.ok().filter(|share| *share > 0.0 && *share <= 10.0);
    share.ok_or_else(|| "expected a share above 0, like 0.02 or 2%".to_owned())
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum World {
    /// Deterministic virtual time
    Sim,
    /// Real UDP sockets
    Net,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: every metric
    Json,
}

impl From<World> for Mode {
    fn from(world: World) -> Self {
        match world {
            World::Sim => Mode::Sim,
            World::Net => Mode::Net,
        }
    }
}

/// By which calls datagrams go.
pub(crate) fn io(portable: bool) -> Io {
    if portable { Io::Portable } else { Io::default() }
}
