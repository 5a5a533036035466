//! The command line: the list of commands. The options of each command are in its own file.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::chat::ChatOptions;
use crate::check::CheckOptions;
use crate::compare::CompareOptions;
use crate::generated::Form;
use crate::link::LinkOptions;
use crate::merge::MergeOptions;

use crate::proxy::ProxyOptions;
use crate::report::ReportOptions;
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
