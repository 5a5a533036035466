//! Progress on standard error: a bar if it is a terminal, else a line every few seconds.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use skipbeat_core::{Span, Time};
use skipbeat_measure::Snapshot;
use skipbeat_net::Clock;
use skipbeat_scenario::Plan;

use crate::live::Live;

/// How often a line is printed if there is no terminal.
const LINES_EVERY: Span = Span::from_secs(5);

/// What is shown while a run goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Display {
    Quiet,
    Bar,
    Live,
}

impl Display {
    pub(crate) fn of(quiet: bool, live: bool) -> Self {
        match (quiet, live) {
            (true, _) => Display::Quiet,
            (_, true) => Display::Live,
            _ => Display::Bar,
        }
    }

    /// Begins to show a run. Without a terminal, lines of progress replace the dashboard.
    pub(crate) fn begin(self, plan: &Plan) -> anyhow::Result<Shown<'_>> {
        if self == Display::Live && stderr().is_terminal() {
            return Ok(Shown::Live(Box::new(Live::begin(plan)?)));
        }
        Ok(Shown::Progress(Progress::new(&plan.name, plan.end(), self)))
    }
}

/// The display of a single run.
pub(crate) enum Shown<'a> {
    Progress(Progress),
    Live(Box<Live<'a>>),
}

impl Shown<'_> {
    /// Shows how far the run has come.
    pub(crate) fn show(&mut self, snapshot: &Snapshot<'_>) {
        match self {
            Shown::Progress(progress) => progress.reach(snapshot.now),
            Shown::Live(live) => live.show(snapshot),
        }
    }

    /// Removes the display at the end of the run.
    pub(crate) fn finish(self) {
        match self {
            Shown::Progress(progress) => progress.finish(),
            Shown::Live(live) => drop(live),
        }
    }
}

pub(crate) enum Progress {
    Quiet,
    Bar(ProgressBar),
    Lines { end: Time, clock: Clock, next: Time },
}

impl Progress {
    /// Progress towards `end`.
    pub(crate) fn new(name: &str, end: Time, display: Display) -> Self {
        if display == Display::Quiet {
            return Progress::Quiet;
        }
        if !stderr().is_terminal() {
            return Progress::Lines { end, clock: Clock::start(), next: Time::ZERO };
        }
        let bar = ProgressBar::new(end.nanos() / 1_000_000);
        let template = "{prefix} {wide_bar} {msg} {percent:>3} % {eta:>4} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Progress::Bar(bar)
    }

    /// Shows that the run has come to `now`.
    pub(crate) fn reach(&mut self, now: Time) {
        match self {
            Progress::Quiet => {}
            Progress::Bar(bar) => {
                bar.set_position(now.nanos() / 1_000_000);
                bar.set_message(format!("{:.0} s", now.seconds()));
            }
            Progress::Lines { end, clock, next } => {
                let real = clock.now();
                if real >= *next {
                    *next = real + LINES_EVERY;
                    // If standard error is closed, the run goes on.
                    let _ = writeln!(stderr(), "{:.1} of {:.1} s", now.seconds(), end.seconds());
                }
            }
        }
    }

    /// Removes the display at the end of the run.
    pub(crate) fn finish(self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A status line that is updated, for commands without a planned end.
pub(crate) enum Status {
    Quiet,
    Line(ProgressBar),
    Lines { next: Time },
}

impl Status {
    pub(crate) fn new(quiet: bool) -> Self {
        if quiet {
            Status::Quiet
        } else if stderr().is_terminal() {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            Status::Line(bar)
        } else {
            Status::Lines { next: Time::ZERO + LINES_EVERY }
        }
    }

    /// Shows the status at `now`.
    pub(crate) fn show(&mut self, now: Time, text: impl FnOnce() -> String) {
        match self {
            Status::Quiet => {}
            Status::Line(bar) => bar.set_message(text()),
            Status::Lines { next } if now >= *next => {
                *next = now + LINES_EVERY;
                let _ = writeln!(stderr(), "{:>10.3} {}", now.seconds(), text());
            }
            Status::Lines { .. } => {}
        }
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
        if let Status::Line(bar) = self {
            bar.finish_and_clear();
        }
    }
}
