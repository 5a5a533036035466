//! Runs a study with a sweep: in the simulator one run per thread, on real sockets and in a ramp
//! one run after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use skipbeat_core::Time;
use skipbeat_measure::{HostReport, Outcome, Snapshot};
use skipbeat_net::{Clock, Io};
use skipbeat_report::holds;
use skipbeat_results::{FinishedRun, HostFile, Journal, ResultFolder, Shard};
use skipbeat_scenario::{Mode, Run, Study};

use crate::args::Format;
use crate::finished::{Finished, How, write_sweep};
use crate::interrupt::Interrupt;
use crate::play::{cost, play};
use crate::progress::{Display, Progress};
use crate::version::build;
use crate::watch::Watch;

/// How often the progress is shown.
const LOOK: Duration = Duration::from_millis(50);

/// The state that the threads share.
struct Work<'a> {
    study: &'a Study,
    interrupt: &'a Interrupt,
    io: Io,
    /// The runs to do.
    queue: Vec<usize>,
    /// The position in `queue` of the next run.
    next: AtomicUsize,
    /// How far each run of `queue` has come, in nanoseconds of its own time.
    reached: Vec<AtomicU64>,
    done: Mutex<Done>,
}

/// The results so far.
struct Done {
    runs: Vec<FinishedRun>,
    journal: Journal,
    /// Processor time in seconds, of the runs that this process did. Resumed runs are left out.
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
        // A step of a ramp only runs if the ones before it held.
        _ if study.ramp.is_some() => 1,
        Mode::Sim => how.threads.map_or_else(cores, |threads| threads.get().into()),
        Mode::Net => 1,
    }
    .min(study.runs.len());
    let (journal, runs) = Journal::open(folder, study, shard, &build(), how.resume)
        .with_context(|| format!("can't use the folder {}", folder.display()))?;
    let folder = ResultFolder::create(folder, true)?;
    let runs: Vec<FinishedRun> = runs.into_iter().filter(|run| shard.has(run.run)).collect();
    let over: BTreeSet<usize> = runs.iter().map(|run| run.run).collect();
    let own = || (0..study.runs.len()).filter(|number| shard.has(*number));
    if how.resume && how.display != Display::Quiet {
        let (over, own) = (over.len(), own().count());
        let _ = writeln!(anstream::stderr(), "{over} of {own} runs had finished before");
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
        done: Mutex::new(Done { runs, journal, cpu_s: 0.0, datagrams: 0, failure: None }),
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
        done.runs.iter().any(|finished| {
            let run = &study.runs[finished.run];
            let earlier = study.ramp_of(run) == study.ramp_of(step) && run.point < step.point;
            earlier && !holds(&run.plan, finished)
        })
    }

    /// Takes runs from the queue until none is left or the sweep has to end.
    fn work(&self) {
        loop {
            let position = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(&number) = self.queue.get(position) else { return };
            let run = &self.study.runs[number];
            if self.has_broken(run) {
                self.reached[position].store(run.plan.end().nanos(), Ordering::Relaxed);
                continue;
            }
            let mut watch = Watch::new(&run.plan, self.interrupt);
            let mut go_on = |snapshot: Snapshot<'_>| {
                self.reached[position].store(snapshot.now.nanos(), Ordering::Relaxed);
                watch.allows(&snapshot)
            };
            if !go_on(Snapshot::early(Time::ZERO)) {
                return;
            }
            let played = play(&run.plan, self.io, None, &mut go_on);
            self.reached[position].store(run.plan.end().nanos(), Ordering::Relaxed);
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            match played {
                // An interrupted run gets no row in the table.
                Ok(_) if watch.interrupted => return,
                Ok(played) => {
                    let load = (run.plan.mode == Mode::Net).then(|| played.host.load());
                    done.cpu_s += played.host.cpu_s.values().sum::<f64>();
                    let run = FinishedRun::new(number, played.results, load, watch.stopped_by);
                    done.datagrams += run.tally.datagrams();
                    // A failed run is shown but not journalled, so that --resume runs it again.
                    let written = match played.failure {
                        Some(failure) => Err(failure),
                        None => (done.journal.add(self.study, &run))
                            .context("can't write the journal of the sweep"),
                    };
                    done.runs.push(run);
                    if let Err(failure) = written {
                        done.failure.get_or_insert(failure);
                    }
                }
                Err(failure) => {
                    done.failure.get_or_insert(failure);
                }
            }
            if done.failure.is_some() {
                // Whatever made this run fail will most likely make the others fail, too.
                self.next.store(self.queue.len(), Ordering::Relaxed);
            }
        }
    }
}

/// Writes the results, even if a run failed.
fn finish(
    format: Format,
    study: &Study,
    folder: ResultFolder,
    mut done: Done,
    clock: Clock,
    interrupted: bool,
) -> Finished {
    done.runs.sort_unstable_by_key(|run| run.run);
    let host = HostReport {
        wall_s: clock.now().seconds(),
        cpu_s: BTreeMap::from([("all".to_owned(), done.cpu_s)]),
        peak_memory_bytes: skipbeat_net::peak_memory(),
        datagrams: done.datagrams,
        ns_per_datagram: (done.datagrams > 0).then(|| done.cpu_s * 1e9 / done.datagrams as f64),
        ..HostReport::default()
    };
    let ended = match &done.failure {
        Some(failure) => Some((Outcome::Failed, format!("the sweep ended early: {failure:#}"))),
        None if interrupted => {
            let reason = "a signal ended the sweep; these runs had finished by then".to_owned();
            Some((Outcome::Interrupted, reason))
        }
        None => None,
    };
    let last_line = format!("{}; results in {}", cost(&host), folder.path().display());
    let host = HostFile::Machine(Box::new(host));
    let mut finished = write_sweep(format, study, folder, done.runs, &host, ended, &last_line);
    finished.errors.extend(done.failure);
    finished
}
