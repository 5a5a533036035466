//! `skipbeat run` of a scenario with a sweep: every run of it, in the simulator as many at a time as
//! there are threads, on sockets one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use skipbeat_core::Time;
use skipbeat_measure::{HostReport, Outcome, Snapshot};
use skipbeat_net::{Clock, Io};
use skipbeat_report::{
    Cell, Journal, ResultFolder, Shard, capacity_summary, holds, json_sweep, sweep_summary,
};
use skipbeat_scenario::{Mode, Run, Study};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::options::Format;
use crate::progress::{Display, Progress};
use crate::run::{BUILD, Finished, How, cost, play, unwritten};
use crate::watch::Watch;

/// How often the progress is shown.
const LOOK: Duration = Duration::from_millis(50);

/// What the threads share.
struct Work<'a> {
    study: &'a Study,
    interrupt: &'a Interrupt,
    io: Io,
    /// The runs to do.
    queue: Vec<usize>,
    /// The place in it of the run that is done next.
    next: AtomicUsize,
    /// How far each of them has come, in nanoseconds of its time.
    reached: Vec<AtomicU64>,
    done: Mutex<Done>,
}

/// What came of it so far.
struct Done {
    cells: Vec<Cell>,
    journal: Journal,
    /// What this call of the program did of it.
    cpu_s: f64,
    datagrams: u64,
    failure: Option<anyhow::Error>,
}

pub(crate) fn run(
    study: &Study,
    shard: Shard,
    how: &How,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    let clock = Clock::start();
    let threads = match study.base.mode {
        // Whether a step of a ramp is run depends on the one before.
        _ if study.ramp.is_some() => 1,
        Mode::Sim => how.threads.map_or_else(cores, |threads| threads.get().into()),
        Mode::Net => 1,
    }
    .min(study.runs.len());
    let (journal, cells) = Journal::open(folder, study, shard, BUILD, how.resume)
        .with_context(|| format!("can't use the folder {}", folder.display()))?;
    let folder = ResultFolder::create(folder, true)?;
    let cells: Vec<Cell> = cells.into_iter().filter(|cell| shard.has(cell.run)).collect();
    let over: BTreeSet<usize> = cells.iter().map(|cell| cell.run).collect();
    let own = || (0..study.runs.len()).filter(|number| shard.has(*number));
    if how.resume && how.display != Display::Quiet {
        let (over, own) = (over.len(), own().count());
        let _ = writeln!(anstream::stderr(), "{over} of {own} runs were over already");
    }
    let queue: Vec<usize> = own().filter(|number| !over.contains(number)).collect();
    let all = queue.iter().map(|number| study.runs[*number].plan.end().nanos()).sum();
    let work = Work {
        study,
        interrupt,
        io: how.io,
        next: AtomicUsize::new(0),
        reached: queue.iter().map(|_| AtomicU64::new(0)).collect(),
        queue,
        done: Mutex::new(Done { cells, journal, cpu_s: 0.0, datagrams: 0, failure: None }),
    };
    let mut progress = Progress::new(&study.base.name, Time::from_nanos(all), how.display);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.work())).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            let reached = work.reached.iter().map(|reached| reached.load(Ordering::Relaxed)).sum();
            progress.reach(Time::from_nanos(reached));
            std::thread::sleep(LOOK);
        }
    });
    progress.finish();
    let done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(finish(how.format, study, folder, done, clock, interrupt.came()))
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl Work<'_> {
    /// Whether an earlier step of the same ramp did not hold.
    fn has_broken(&self, step: &Run) -> bool {
        let study = self.study;
        if study.ramp.is_none() {
            return false;
        }
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.cells.iter().any(|cell| {
            let run = &study.runs[cell.run];
            let earlier = study.ramp_of(run) == study.ramp_of(step) && run.point < step.point;
            earlier && !holds(&run.plan, cell)
        })
    }

    /// Does runs until none is left.
    fn work(&self) {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(&number) = self.queue.get(place) else { return };
            let run = &self.study.runs[number];
            if self.has_broken(run) {
                self.reached[place].store(run.plan.end().nanos(), Ordering::Relaxed);
                continue;
            }
            let mut watch = Watch::new(&run.plan, self.interrupt);
            let mut go_on = |look: Snapshot<'_>| {
                self.reached[place].store(look.now.nanos(), Ordering::Relaxed);
                watch.look(&look)
            };
            if !go_on(Snapshot::early(Time::ZERO)) {
                return;
            }
            let played = play(&run.plan, self.io, None, &mut go_on);
            self.reached[place].store(run.plan.end().nanos(), Ordering::Relaxed);
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            match played {
                // Half a run is no row of the table.
                Ok(_) if watch.interrupted => return,
                Ok(played) => {
                    let load = (run.plan.mode == Mode::Net).then(|| played.host.load());
                    done.cpu_s += played.host.cpu_s.values().sum::<f64>();
                    let cell = Cell::new(number, played.results, load, watch.stopped_by);
                    done.datagrams += cell.datagrams;
                    // A run that failed is shown, and run again by whoever resumes.
                    let written = match played.failure {
                        Some(failure) => Err(failure),
                        None => (done.journal.add(self.study, &cell))
                            .context("can't write the journal of the sweep"),
                    };
                    done.cells.push(cell);
                    if let Err(failure) = written {
                        done.failure.get_or_insert(failure);
                    }
                }
                Err(failure) => {
                    done.failure.get_or_insert(failure);
                }
            }
            if done.failure.is_some() {
                // What is wrong with one run is most likely wrong with all.
                self.next.store(self.queue.len(), Ordering::Relaxed);
            }
        }
    }
}

/// Writes everything before anything is said to have failed.
fn finish(
    format: Format,
    study: &Study,
    folder: ResultFolder,
    mut done: Done,
    clock: Clock,
    interrupted: bool,
) -> Finished {
    done.cells.sort_unstable_by_key(|cell| cell.run);
    let host = HostReport {
        wall_s: clock.now().seconds(),
        cpu_s: BTreeMap::from([("all".to_owned(), done.cpu_s)]),
        peak_memory_bytes: skipbeat_net::peak_memory(),
        datagrams: done.datagrams,
        ns_per_datagram: (done.datagrams > 0).then(|| done.cpu_s * 1e9 / done.datagrams as f64),
        ..HostReport::default()
    };
    let outcome = if done.failure.is_some() {
        Outcome::Failed
    } else if interrupted {
        Outcome::Interrupted
    } else {
        outcome(study, &done.cells)
    };
    let last_line = format!("{}; results in {}", cost(&host), folder.path().display());
    let mut finished = write(format, study, folder, done.cells, &host, outcome, &last_line);
    finished.errors.extend(done.failure);
    finished
}

/// Whether a run has a say in what a study comes to. A ramp is to break, but not at its first step.
pub(crate) fn counts(study: &Study, cell: &Cell) -> bool {
    study.ramp.is_none_or(|steps| study.runs[cell.run].point.is_multiple_of(steps))
}

/// What a sweep that came to its end says: a promise that one run broke is broken, whatever can't be
/// told of others.
pub(crate) fn outcome(study: &Study, cells: &[Cell]) -> Outcome {
    let outcomes = cells.iter().filter(|cell| counts(study, cell));
    let outcomes: Vec<Outcome> =
        outcomes.map(|cell| cell.ending(&study.runs[cell.run].plan).outcome).collect();
    let worst = [Outcome::Threshold, Outcome::Inconclusive].into_iter();
    worst.into_iter().find(|outcome| outcomes.contains(outcome)).unwrap_or(Outcome::Pass)
}

/// Writes the runs of a sweep, and what there is to say of them.
pub(crate) fn write(
    format: Format,
    study: &Study,
    folder: ResultFolder,
    cells: Vec<Cell>,
    host: &impl Serialize,
    outcome: Outcome,
    last_line: &str,
) -> Finished {
    let path = folder.path().to_owned();
    let errors = unwritten(folder.write_sweep(study, &cells, host, BUILD, outcome), &path);
    let exit = if errors.is_empty() { outcome.into() } else { Exit::Failed };
    let text = match format {
        Format::Json => format!("{:#}\n", json_sweep(study, &cells, exit as u8)),
        Format::Text if study.ramp.is_some() => {
            format!("{}{last_line}\n", capacity_summary(study, &cells))
        }
        Format::Text => format!("{}{last_line}\n", sweep_summary(study, &cells)),
    };
    Finished { cells, ending: None, outcome, text, errors }
}
