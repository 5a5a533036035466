//! Exit codes: one table, for `--help` and for the program.

use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use skipbeat_compare::Conclusion;
use skipbeat_measure::Outcome;
use skipbeat_net::NetError;
use skipbeat_scenario::ScenarioError;

const RED: Style = AnsiColor::Red.on_default().bold();

/// Says on standard error what went wrong.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nobody may be listening; the exit code says it too.
    let _ = writeln!(anstream::stderr(), "{RED}error:{RED:#} {error:#}");
}

/// How a command ended.
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
            Outcome::Pass => Exit::Pass,
            Outcome::Threshold => Exit::Threshold,
            Outcome::Inconclusive => Exit::Inconclusive,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::Failed => Exit::Failed,
        }
    }
}

impl From<Conclusion> for Exit {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Pass => Exit::Pass,
            Conclusion::Inconclusive => Exit::Inconclusive,
            Conclusion::Regression => Exit::Regression,
            Conclusion::Threshold => Exit::Threshold,
            Conclusion::Interrupted => Exit::Interrupted,
            Conclusion::Failed => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Something on the command line that only its reader could find wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The code that fits an error.
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

/// What `--help` says of exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
    0  pass
    1  unexpected error: port in use, unreachable target, unwritable folder, …
    2  wrong use of the command line
   97  inconclusive: the generator was late, datagrams were lost on our side,
       the ledger does not close, too few samples for `theory`, too much noise
       for `compare`, no baseline for `check`
   98  regression: worse than the base, or another behaviour
   99  threshold not met; a figure of `theory` is off its closed form
  104  bad scenario
  105  interrupted; the results so far are written";
