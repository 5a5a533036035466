//! `skipbeat theory`: compares the simulator with closed forms, table by table.

use std::io::Write;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use skipbeat_net::Clock;
use skipbeat_theory::{Agreement, EXPERIMENTS, Size, TheoryRow};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Status;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct TheoryOptions {
    /// How many clients, where they are many and alike: 10 to 1000000 [default: 1,000 to 10,000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) clients: Option<u32>,

    /// How long each run lasts, in virtual time: 0.01 to 1361 [default: 5 minutes to 8 days]
    #[arg(long, value_name = "HOURS", value_parser = hours, allow_negative_numbers = true)]
    pub(crate) hours: Option<f64>,

    /// How many times as long, up to 10000; where a run is one sample, as many runs
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) times: u32,

    /// How many experiments are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours: &f64| (0.01..=1361.0).contains(hours));
    hours.ok_or_else(|| "expected a number of hours from 0.01 to 1361".to_owned())
}

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();

/// How long to wait for an experiment before checking for a signal.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn theory(options: &TheoryOptions) -> anyhow::Result<Exit> {
    let TheoryOptions { clients, hours, times, threads, quiet } = *options;
    let size = Size { clients, hours, times };
    let threads = threads.map_or_else(cores, |threads| threads.get().into());
    let interrupt = Interrupt::listen()?;
    let rows = run_all(size, threads, &interrupt, Status::new(quiet));
    let mut out = anstream::stdout();
    // If standard output is closed, the exit code still gives the verdict.
    let _ = print(&rows, &mut out);
    let count = |verdict| rows.iter().flatten().filter(|row| row.verdict() == verdict).count();
    Ok(match (count(Agreement::Differs), count(Agreement::TooFew)) {
        _ if interrupt.came() => Exit::Interrupted,
        (0, 0) => Exit::Pass,
        (0, _) => Exit::Inconclusive,
        _ => Exit::Threshold,
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs all experiments on `threads` threads and returns the rows of each, which don't depend on
/// the number of threads. An experiment that was not over when a signal came has no rows.
fn run_all(
    size: Size,
    threads: usize,
    interrupt: &Interrupt,
    mut status: Status,
) -> Vec<Vec<TheoryRow>> {
    let clock = Clock::start();
    let next = Arc::new(AtomicUsize::new(0));
    let (done, rows) = std::sync::mpsc::channel();
    for _ in 0..threads.min(EXPERIMENTS.len()) {
        let (next, done) = (Arc::clone(&next), done.clone());
        // A thread that is not waited for ends with the program.
        std::thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(experiment) = EXPERIMENTS.get(number) else { return };
                if done.send((number, (experiment.run)(&size))).is_err() {
                    return;
                }
            }
        });
    }
    drop(done);
    let mut all = vec![Vec::new(); EXPERIMENTS.len()];
    let mut finished = 0;
    while finished < EXPERIMENTS.len() && !interrupt.came() {
        match rows.recv_timeout(LOOK) {
            Ok((number, rows)) => {
                all[number] = rows;
                finished += 1;
                let of = EXPERIMENTS.len();
                status.show(clock.now(), || format!("s: {finished} of {of} experiments"));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    status.finish();
    all
}

fn print(rows: &[Vec<TheoryRow>], out: &mut impl Write) -> std::io::Result<()> {
    let all = || rows.iter().flatten();
    let width =
        |of: fn(&TheoryRow) -> &str| all().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (case, form) = (width(|row| &row.case), width(|row| row.form));
    let mut table = "";
    for (experiment, rows) in EXPERIMENTS.iter().zip(rows) {
        if experiment.table != table && !rows.is_empty() {
            let gap = if table.is_empty() { "" } else { "\n" };
            table = experiment.table;
            writeln!(out, "{gap}{BOLD}{table}{BOLD:#}")?;
            writeln!(
                out,
                "  {:case$}  {:form$}  {:>12}  {:>12}  {:>11}  verdict",
                "case", "closed form", "value", "simulated", "± interval"
            )?;
        }
        for row in rows {
            let (style, verdict) = match row.verdict() {
                Agreement::Agrees => (GREEN, "agrees"),
                Agreement::Differs => (RED, "DIFFERS"),
                Agreement::TooFew => (YELLOW, "too few samples"),
            };
            let [expected, got] = [row.expected, row.simulated].map(number);
            writeln!(
                out,
                "  {:case$}  {:form$}  {expected:>12}  {got:>12}  {:>11}  {style}{verdict}{style:#}",
                row.case,
                row.form,
                number(row.interval),
            )?;
        }
    }
    let count = |verdict| all().filter(|row| row.verdict() == verdict).count();
    let (agree, differ) = (count(Agreement::Agrees), count(Agreement::Differs));
    writeln!(out, "\n{agree} of {} rows agree within their intervals", all().count())?;
    if differ > 0 {
        writeln!(out, "{RED}{differ} differ by more than chance explains{RED:#}")?;
    }
    match count(Agreement::TooFew) {
        0 => {}
        few => writeln!(out, "{few} have too few samples: more clients, hours or times")?,
    }
    match rows.iter().filter(|rows| rows.is_empty()).count() {
        0 => Ok(()),
        missing => {
            writeln!(out, "interrupted: {missing} of {} experiments are missing", rows.len())
        }
    }
}

/// A number with five or more significant digits.
fn number(x: f64) -> String {
    match x.abs() {
        _ if x.is_nan() => "unknown".to_owned(),
        0.0 => "0".to_owned(),
        small if small < 0.001 => format!("{x:.4e}"),
        small if small < 1.0 => format!("{x:.6}"),
        middle if middle < 100.0 => format!("{x:.5}"),
        _ => format!("{x:.2}"),
    }
}
