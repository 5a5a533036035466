//! How far the run is: a bar where standard error is a terminal, else a line now and then.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use skipbeat_core::{Span, Time};
use skipbeat_measure::Snapshot;
use skipbeat_net::Clock;
use skipbeat_scenario::Plan;

use crate::live::Live;

/// Lines come this often where there is no terminal.
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

    /// Shows a run from its beginning. Where there is no terminal the dashboard is lines.
    pub(crate) fn begin(self, plan: &Plan) -> anyhow::Result<Shown<'_>> {
        if self == Display::Live && stderr().is_terminal() {
            return Ok(Shown::Live(Box::new(Live::begin(plan)?)));
        }
        Ok(Shown::Progress(Progress::new(&plan.name, plan.end(), self)))
    }
}

/// What shows a single run while it goes on.
pub(crate) enum Shown<'a> {
    Progress(Progress),
    Live(Box<Live<'a>>),
}

impl Shown<'_> {
    /// The run has come so far.
    pub(crate) fn look(&mut self, look: &Snapshot<'_>) {
        match self {
            Shown::Progress(progress) => progress.reach(look.now),
            Shown::Live(live) => live.look(look),
        }
    }

    /// The run is over.
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

    /// The run has come to `now`.
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
                    // Nobody may be listening any more; the run goes on.
                    let _ = writeln!(stderr(), "{:.1} of {:.1} s", now.seconds(), end.seconds());
                }
            }
        }
    }

    /// The run is over.
    pub(crate) fn finish(self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A line that is renewed, for what has no end.
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

    /// Shows how it is at `now`.
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

    /// It is over.
    pub(crate) fn finish(&self) {
        if let Status::Line(bar) = self {
            bar.finish_and_clear();
        }
    }
}
