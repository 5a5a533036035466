//! `skipbeat theory`: the simulator held against closed forms, table by table.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use skipbeat_net::Clock;
use skipbeat_theory::{EXPERIMENTS, Row, Size};

use crate::exit::Exit;
use crate::options::TheoryOptions;
use crate::progress::Status;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();

pub(crate) fn theory(options: &TheoryOptions) -> anyhow::Result<Exit> {
    let TheoryOptions { clients, hours, times, threads, quiet } = *options;
    let size = Size { clients, hours, times };
    let threads = threads.map_or_else(cores, |threads| threads.get().into());
    let rows = run_all(&size, threads, Status::new(quiet));
    let mut out = anstream::stdout();
    // Whoever closed our output has seen enough; the exit code says the rest.
    let _ = print(&rows, &mut out);
    let off = rows.iter().flatten().filter(|row| !row.holds()).count();
    Ok(if off == 0 { Exit::Pass } else { Exit::Threshold })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs all experiments, so many at a time. The rows are those of one after the other.
fn run_all(size: &Size, threads: usize, status: Status) -> Vec<Vec<Row>> {
    let (clock, next) = (Clock::start(), AtomicUsize::new(0));
    let done = Mutex::new((vec![Vec::new(); EXPERIMENTS.len()], status));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(EXPERIMENTS.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(experiment) = EXPERIMENTS.get(number) else { return };
                    let rows = (experiment.run)(size);
                    let Ok(mut done) = done.lock() else { return };
                    let (all, status) = &mut *done;
                    all[number] = rows;
                    let finished = all.iter().filter(|rows| !rows.is_empty()).count();
                    let of = EXPERIMENTS.len();
                    status.show(clock.now(), || format!("{finished} of {of} experiments"));
                }
            });
        }
    });
    let (rows, status) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    status.finish();
    rows
}

fn print(rows: &[Vec<Row>], out: &mut impl Write) -> std::io::Result<()> {
    let all = || rows.iter().flatten();
    let width = |of: fn(&Row) -> &str| all().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (case, form) = (width(|row| &row.case), width(|row| row.form));
    let mut table = "";
    for (experiment, rows) in EXPERIMENTS.iter().zip(rows) {
        if experiment.table != table {
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
            let (style, verdict) = if row.holds() { (GREEN, "agrees") } else { (RED, "DIFFERS") };
            let [expected, got] = [row.expected, row.got].map(number);
            writeln!(
                out,
                "  {:case$}  {:form$}  {expected:>12}  {got:>12}  {:>11}  {style}{verdict}{style:#}",
                row.case,
                row.form,
                number(row.interval),
            )?;
        }
    }
    let (count, off) = (all().count(), all().filter(|row| !row.holds()).count());
    match off {
        0 => writeln!(out, "\nall {count} rows agree within their intervals"),
        off => {
            writeln!(out, "\n{RED}{off} of {count} rows differ{RED:#} by more than chance allows")
        }
    }
}

/// Six digits that mean something.
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
