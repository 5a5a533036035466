//! `skipbeat run`: one scenario, one world, its results.

use std::io::Write;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::Args;
use skipbeat_harness::Tap;
use skipbeat_measure::{HostReport, Outcome, Results, Snapshot};
use skipbeat_net::{Clock, Io};
use skipbeat_report::{
    Build, Cell, Ending, FileError, ResultFolder, Shard, json_summary, text_summary,
};
use skipbeat_scenario::{Changes, Mode, Plan, Setting, Study};

use crate::capture::SharedCapture;
use crate::exit::{Exit, UsageError, complain};
use crate::interrupt::Interrupt;
use crate::options::{Format, World, io};
use crate::progress::Display;
use crate::watch::Watch;
use crate::{merge, page, sweep};

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct RunOptions {
    /// The scenario file
    #[arg(value_name = "SCENARIO.toml")]
    pub(crate) scenario: PathBuf,

    /// The world: virtual time or real sockets [default: what the scenario says]
    #[arg(long, value_name = "WORLD")]
    pub(crate) mode: Option<World>,

    /// The seed of all random numbers [default: what the scenario says]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Change a key of the scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<Setting>,

    /// How often each point of the scenario is run, with other seeds [default: what it says, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) replications: Option<u32>,

    /// How many runs of a sweep are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// Go on with a sweep that was killed or interrupted, in the same folder
    #[arg(long)]
    pub(crate) resume: bool,

    /// Run a share of a sweep, 3/16 being the third of sixteen; `auto` takes both numbers from the
    /// array job of Slurm or AWS Batch, `auto/16` the first, as Kubernetes needs it
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<String>,

    /// The folder of the result files [default: results/NAME, of a share results/NAME-K-of-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Write what enters and leaves the links to a file that Wireshark reads; addresses are those
    /// of virtual time
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Use no system calls but those that every system has: tokio's plain send and receive, and a
    /// socket for each client
    #[arg(long)]
    pub(crate) portable: bool,

    /// Show the run while it goes on: members, rates, losses, latency, thresholds so far
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) live: bool,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    /// How the summary on standard output looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

pub(crate) const BUILD: Build =
    Build { version: env!("CARGO_PKG_VERSION"), commit: env!("SKIPBEAT_COMMIT") };

/// How a study is run.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) io: Io,
    /// Runs of a sweep at a time.
    pub(crate) threads: Option<NonZeroU16>,
    pub(crate) resume: bool,
    pub(crate) pcap: Option<PathBuf>,
    pub(crate) display: Display,
    pub(crate) format: Format,
}

/// What a study came to.
pub(crate) struct Finished {
    pub(crate) cells: Vec<Cell>,
    /// How a study that is a single run ended.
    pub(crate) ending: Option<Ending>,
    /// How it ended; a file that could not be written is in `errors`.
    pub(crate) outcome: Outcome,
    /// The summary for standard output.
    pub(crate) text: String,
    /// What has to be said on standard error.
    pub(crate) errors: Vec<anyhow::Error>,
}

impl Finished {
    /// How each run ended that has a say in what a study comes to, by its number.
    pub(crate) fn endings(&self, study: &Study) -> Vec<(usize, Ending)> {
        if let Some(ending) = &self.ending {
            return vec![(0, ending.clone())];
        }
        let cells = self.cells.iter().filter(|cell| sweep::counts(study, cell));
        cells.map(|cell| (cell.run, cell.ending(&study.runs[cell.run].plan))).collect()
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.errors.is_empty() { self.outcome.into() } else { Exit::Failed }
    }

    /// Says everything, and gives the exit code.
    pub(crate) fn show(self) -> Exit {
        let exit = self.exit();
        // Whoever closed our output has seen enough; the files are written.
        let _ = anstream::stdout().write_all(self.text.as_bytes());
        self.errors.iter().for_each(complain);
        exit
    }
}

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<Exit> {
    let changes = Changes {
        settings: options.set.clone(),
        mode: options.mode.map(Into::into),
        seed: options.seed,
        replications: options.replications,
    };
    let study = Study::load(&options.scenario, &changes)?;
    let name = &study.base.name;
    if options.pcap.is_some() && study.is_sweep {
        return Err(UsageError("--pcap is for a single run, not for a sweep".to_owned()).into());
    }
    if options.live && study.is_sweep {
        return Err(UsageError("--live is for a single run, not for a sweep".to_owned()).into());
    }
    if options.shard.is_some() && study.ramp.is_some() {
        let message = "--shard is for a sweep: each step of a ramp depends on the one before";
        return Err(UsageError(message.to_owned()).into());
    }
    if (options.resume || options.shard.is_some()) && !study.is_sweep {
        let message = "--resume and --shard are for a sweep: one run has no parts".to_owned();
        return Err(UsageError(message).into());
    }
    let shard = options.shard.as_deref().map(merge::shard).transpose()?.unwrap_or(Shard::WHOLE);
    let folder_name = match shard {
        Shard::WHOLE => name.clone(),
        share => format!("{name}-{}", share.to_string().replace('/', "-of-")),
    };
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results").join(folder_name));
    let how = How {
        io: io(options.portable),
        threads: options.threads,
        resume: options.resume,
        pcap: options.pcap.clone(),
        display: Display::of(options.quiet, options.live),
        format: options.format,
    };
    let interrupt = Interrupt::listen()?;
    Ok(conduct(&study, shard, &how, &folder, &interrupt)?.show())
}

/// Runs a study and writes its results.
pub(crate) fn conduct(
    study: &Study,
    shard: Shard,
    how: &How,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    if study.is_sweep {
        sweep::run(study, shard, how, folder, interrupt)
    } else {
        run_once(study, how, folder, interrupt)
    }
}

/// What could not be written of a run; the page is drawn of what could.
pub(crate) fn unwritten(files: Vec<FileError>, folder: &Path) -> Vec<anyhow::Error> {
    files.into_iter().map(Into::into).chain(page::write(folder).err()).collect()
}

fn run_once(
    study: &Study,
    how: &How,
    path: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    let folder = ResultFolder::create(path, false)?;
    let plan = &study.runs[0].plan;
    let mut progress = how.display.begin(plan)?;
    let mut watch = Watch::new(plan, interrupt);
    let mut go_on = |look: Snapshot<'_>| {
        progress.look(&look);
        watch.look(&look)
    };
    let capture = how.pcap.as_deref().map(SharedCapture::create).transpose()?;
    let mut done = play(plan, how.io, capture.clone(), &mut go_on)?;
    progress.finish();
    if let Some(Err(failure)) = capture.map(|capture| capture.finish(done.results.end)) {
        done.failure.get_or_insert(failure);
    }
    let results = &done.results;
    let certain = results.doubts.is_empty();
    let stopped_by = watch.stopped_by.take();
    let mut ending = Ending::new(plan, &results.figures, &results.groups, certain, stopped_by);
    if watch.interrupted {
        ending = ending.interrupted();
    }
    if let Some(failure) = &done.failure {
        ending = ending.failed(format!("{failure:#}"));
    }
    // Everything is written before anything is said to have failed.
    let errors = unwritten(folder.write(study, results, &done.host, BUILD, &ending), path);
    let exit = if errors.is_empty() { ending.outcome.into() } else { Exit::Failed };
    let text = match how.format {
        Format::Json => format!("{:#}\n", json_summary(plan, results, &ending, exit as u8)),
        Format::Text => {
            let summary = text_summary(plan, results, &done.host, &ending);
            format!("{summary}{}; results in {}\n", cost(&done.host), path.display())
        }
    };
    let outcome = ending.outcome;
    let stopped_by = ending.stopped_by.clone();
    let cell = Cell::new(0, done.results, Some(done.host.load()), stopped_by);
    Ok(Finished { cells: vec![cell], ending: Some(ending), outcome, text, errors })
}

/// Runs a plan in its world.
pub(crate) fn play(
    plan: &Plan,
    io: Io,
    capture: Option<SharedCapture>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> anyhow::Result<Done> {
    let tap = capture.map(|capture| Box::new(capture) as Box<dyn Tap>);
    Ok(match plan.mode {
        Mode::Sim => simulate(plan, tap, go_on),
        Mode::Net => {
            let outcome = skipbeat_net::run(plan, io, tap, go_on)?;
            Done {
                results: outcome.results,
                host: outcome.host,
                failure: outcome.failure.map(Into::into),
            }
        }
    })
}

/// A run that is over.
pub(crate) struct Done {
    pub(crate) results: Results,
    pub(crate) host: HostReport,
    pub(crate) failure: Option<anyhow::Error>,
}

fn simulate(
    plan: &Plan,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Done {
    let clock = Clock::start();
    let before = skipbeat_net::thread_cpu();
    let results = skipbeat_sim::run_tapped(plan, tap, go_on);
    let cpu =
        skipbeat_net::thread_cpu().zip(before).map(|(now, before)| now.saturating_sub(before));
    let datagrams: u64 = results.links.iter().flatten().map(|links| links.offered).sum();
    let host = HostReport {
        wall_s: clock.now().seconds(),
        cpu_s: cpu.map(|cpu| ("sim".to_owned(), cpu.seconds())).into_iter().collect(),
        peak_memory_bytes: skipbeat_net::peak_memory(),
        datagrams,
        ns_per_datagram: cpu
            .filter(|_| datagrams > 0)
            .map(|cpu| cpu.nanos() as f64 / datagrams as f64),
        ..HostReport::default()
    };
    Done { results, host, failure: None }
}

pub(crate) fn cost(host: &HostReport) -> String {
    let cpu: f64 = host.cpu_s.values().sum();
    let memory =
        host.peak_memory_bytes.map_or(String::new(), |m| format!(", {:.0} MB", m as f64 / 1e6));
    let each =
        host.ns_per_datagram.map_or(String::new(), |ns| format!(", {ns:.0} ns per datagram"));
    format!("took {:.2} s, {cpu:.2} s of processor{each}{memory}", host.wall_s)
}
