//! Exit codes, as the program uses them and as `--help` lists them.

use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use skipbeat_measure::Outcome;
use skipbeat_net::NetError;
use skipbeat_scenario::ScenarioError;

const RED: Style = AnsiColor::Red.on_default().bold();

/// Prints an error on standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    // If standard error is closed, the exit code still tells.
    let _ = writeln!(anstream::stderr(), "{RED}error:{RED:#} {error:#}");
}

/// The exit code of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    Pass = 0,
    Failed = 1,
    Usage = 2,
    Inconclusive = 97,
    Regression = 98,
    Threshold = 99,
    BadScenario = 104,
    Interrupted = 105,
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NothingRequired | Outcome::Pass => Exit::Pass,
            Outcome::Inconclusive => Exit::Inconclusive,
            Outcome::Regression => Exit::Regression,
            Outcome::Threshold => Exit::Threshold,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::Failed => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A mistake on the command line that clap can't find.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The exit code for an error.
pub(crate) fn code_of(error: &anyhow::Error) -> Exit {
    if error.is::<UsageError>() {
        Exit::Usage
    } else if error.is::<ScenarioError>() {
        Exit::BadScenario
    } else if matches!(error.downcast_ref(), Some(NetError::Interrupted)) {
        Exit::Interrupted
    } else {
        Exit::Failed
    }
}

/// The list of exit codes in `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  pass; nothing was required; a server or client was ended by its user
    1  unexpected error: port in use, unreachable target, unwritable folder, …
    2  wrong use of the command line
   97  inconclusive: the generator was late, datagrams were lost on our side,
       the ledger does not close, too few samples for `theory`, too much noise
       for `compare`, no baseline for `check`
   98  regression: worse than the base, or another behaviour
   99  threshold not met; a figure of `theory` is off its closed form
  104  bad scenario
  105  interrupted; the results so far are written";
