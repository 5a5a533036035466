//! `skipbeat run`: one scenario, one world, its results.

use std::io::Write;
use std::path::PathBuf;

use skipbeat_core::Time;
use skipbeat_measure::{Figures, HostReport, Results, Threshold};
use skipbeat_net::{Clock, Io};
use skipbeat_report::{Build, ResultFolder, Shard, json_summary, text_summary};
use skipbeat_scenario::{Changes, Mode, Plan, Run, Study};
use skipbeat_tunnel::Tap;

use crate::capture::SharedCapture;
use crate::exit::{Exit, UsageError, complain};
use crate::interrupt::Interrupt;
use crate::options::{Format, RunOptions, World, io};
use crate::progress::Progress;
use crate::{merge, sweep};

pub(crate) const BUILD: Build =
    Build { version: env!("CARGO_PKG_VERSION"), commit: env!("SKIPBEAT_COMMIT") };

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<Exit> {
    let changes = Changes {
        settings: options.set.clone(),
        mode: options.mode.map(|world| match world {
            World::Sim => Mode::Sim,
            World::Net => Mode::Net,
        }),
        seed: options.seed,
        replications: options.replications,
    };
    let study = Study::load(&options.scenario, &changes)?;
    let name = &study.base.name;
    if options.pcap.is_some() && study.is_sweep {
        return Err(UsageError("--pcap is for a single run, not for a sweep".to_owned()).into());
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
    let interrupt = Interrupt::listen()?;
    if study.is_sweep {
        return sweep::run(options, &study, shard, &folder, &interrupt);
    }
    let folder = ResultFolder::create(&folder, false)?;
    let run = &study.runs[0];
    let mut progress = Progress::new(name, run.plan.end(), options.quiet);
    let mut interrupted = false;
    let mut go_on = |now: Time| {
        progress.reach(now);
        interrupted |= interrupt.came();
        !interrupted
    };
    let capture = options.pcap.as_deref().map(SharedCapture::create).transpose()?;
    let mut done = play(&run.plan, io(options.portable), capture.clone(), &mut go_on)?;
    progress.finish();
    if let Some(Err(failure)) = capture.map(|capture| capture.finish(done.results.end)) {
        done.failure.get_or_insert(failure);
    }
    finish(options, run, folder, &done, interrupted)
}

/// Runs a plan in its world.
pub(crate) fn play(
    plan: &Plan,
    io: Io,
    capture: Option<SharedCapture>,
    go_on: &mut dyn FnMut(Time) -> bool,
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

fn simulate(plan: &Plan, tap: Option<Box<dyn Tap>>, go_on: &mut dyn FnMut(Time) -> bool) -> Done {
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

/// Shows and writes everything before anything is said to have failed.
fn finish(
    options: &RunOptions,
    run: &Run,
    folder: ResultFolder,
    done: &Done,
    interrupted: bool,
) -> anyhow::Result<Exit> {
    let plan = &run.plan;
    let path = folder.path().to_owned();
    let failure = done.failure.as_ref().map(|failure| format!("{failure:#}"));
    let failure = failure.as_deref();
    let unwritten = folder.write(run, &done.results, &done.host, BUILD, interrupted, failure);
    let failed = done.failure.is_some() || !unwritten.is_empty();
    let exit = if failed {
        Exit::Failed
    } else if interrupted {
        Exit::Interrupted
    } else {
        judge(&plan.thresholds, &done.results.figures, done.results.doubts.is_empty())
    };
    let text = match options.format {
        Format::Json => {
            format!("{:#}\n", json_summary(plan, &done.results, failure, exit as u8))
        }
        Format::Text => {
            let summary = text_summary(plan, &done.results, &done.host, failure);
            let ended = done.results.end.seconds();
            let early =
                if interrupted { format!("interrupted at {ended:.1} s\n") } else { String::new() };
            let last = format!("{}; results in {}\n", cost(&done.host), path.display());
            format!("{summary}{early}{last}")
        }
    };
    // Whoever closed our output has seen enough; the files are written.
    let _ = anstream::stdout().write_all(text.as_bytes());
    for error in unwritten {
        complain(&error.into());
    }
    Ok(exit)
}

/// What figures say of thresholds, if they can be relied on.
pub(crate) fn judge(thresholds: &[Threshold], figures: &Figures, certain: bool) -> Exit {
    let met: Vec<Option<bool>> = thresholds.iter().map(|t| t.is_met(figures)).collect();
    if !certain {
        Exit::Inconclusive
    } else if met.contains(&Some(false)) {
        Exit::Threshold
    } else if met.contains(&None) {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}

pub(crate) fn cost(host: &HostReport) -> String {
    let cpu: f64 = host.cpu_s.values().sum();
    let memory =
        host.peak_memory_bytes.map_or(String::new(), |m| format!(", {:.0} MB", m as f64 / 1e6));
    let each =
        host.ns_per_datagram.map_or(String::new(), |ns| format!(", {ns:.0} ns per datagram"));
    format!("took {:.2} s, {cpu:.2} s of processor{each}{memory}", host.wall_s)
}
