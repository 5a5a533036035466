//! `skipbeat run`: one scenario, one world, its results.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use skipbeat_core::Time;
use skipbeat_measure::Results;
use skipbeat_net::{Clock, HostReport};
use skipbeat_report::{Build, ResultFolder, json_summary, text_summary};
use skipbeat_scenario::{Mode, Plan};

use crate::exit::{Exit, complain};
use crate::interrupt::Interrupt;
use crate::options::{Format, RunOptions, World};
use crate::progress::Progress;

const BUILD: Build = Build { version: env!("CARGO_PKG_VERSION"), commit: env!("SKIPBEAT_COMMIT") };

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<Exit> {
    let plan = plan(options)?;
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&plan.name));
    let folder = ResultFolder::create(&folder)?;
    let interrupt = Interrupt::listen()?;

    let mut progress = Progress::new(&plan.name, plan.end(), options.quiet);
    let mut interrupted = false;
    let mut go_on = |now: Time| {
        progress.reach(now);
        interrupted |= interrupt.came();
        !interrupted
    };
    let done = match plan.mode {
        Mode::Sim => simulate(&plan, &mut go_on),
        Mode::Net => {
            let outcome = skipbeat_net::run(&plan, &mut go_on)?;
            Done {
                results: outcome.results,
                host: outcome.host,
                failure: outcome.failure.map(Into::into),
            }
        }
    };
    progress.finish();
    finish(options, &plan, folder, &done, interrupted)
}

/// A run that is over.
struct Done {
    results: Results,
    host: HostReport,
    failure: Option<anyhow::Error>,
}

fn plan(options: &RunOptions) -> anyhow::Result<Plan> {
    let mut plan = Plan::load(&options.scenario, &options.set)?;
    match options.mode {
        Some(World::Sim) => plan.mode = Mode::Sim,
        Some(World::Net) => plan.mode = Mode::Net,
        None => {}
    }
    plan.seed = options.seed.unwrap_or(plan.seed);
    plan.check_mode(&options.scenario)?;
    Ok(plan)
}

fn simulate(plan: &Plan, go_on: &mut dyn FnMut(Time) -> bool) -> Done {
    let clock = Clock::start();
    let cpu_before = skipbeat_net::thread_cpu();
    let results = skipbeat_sim::run(plan, go_on);
    let cpu = skipbeat_net::thread_cpu().saturating_sub(cpu_before);
    let datagrams: u64 = results.links.iter().flatten().map(|links| links.offered).sum();
    let host = HostReport {
        wall_s: clock.now().seconds(),
        cpu_s: BTreeMap::from([("sim".to_owned(), cpu.seconds())]),
        peak_memory_bytes: skipbeat_net::peak_memory(),
        datagrams,
        ns_per_datagram: (datagrams > 0).then(|| cpu.nanos() as f64 / datagrams as f64),
        ..HostReport::default()
    };
    Done { results, host, failure: None }
}

/// Shows and writes everything before anything is said to have failed.
fn finish(
    options: &RunOptions,
    plan: &Plan,
    folder: ResultFolder,
    done: &Done,
    interrupted: bool,
) -> anyhow::Result<Exit> {
    let path = folder.path().to_owned();
    let failure = done.failure.as_ref().map(|failure| format!("{failure:#}"));
    let failure = failure.as_deref();
    let unwritten = folder.write(plan, &done.results, &done.host, BUILD, interrupted, failure);
    let failed = done.failure.is_some() || !unwritten.is_empty();
    let exit = if failed {
        Exit::Failed
    } else if interrupted {
        Exit::Interrupted
    } else if done.results.doubts.is_empty() {
        Exit::Pass
    } else {
        Exit::Inconclusive
    };
    let text = match options.format {
        Format::Json => {
            format!("{:#}\n", json_summary(plan, &done.results, failure, exit as u8))
        }
        Format::Text => {
            let summary = text_summary(plan, &done.results, failure);
            let ended = done.results.end.seconds();
            let early =
                if interrupted { format!("interrupted at {ended:.1} s\n") } else { String::new() };
            format!("{summary}{early}{}; results in {}\n", cost(&done.host), path.display())
        }
    };
    // Whoever closed our output has seen enough; the files are written.
    let _ = anstream::stdout().write_all(text.as_bytes());
    for error in unwritten {
        complain(&error.into());
    }
    Ok(exit)
}

fn cost(host: &HostReport) -> String {
    let cpu: f64 = host.cpu_s.values().sum();
    let memory =
        host.peak_memory_bytes.map_or(String::new(), |m| format!(", {:.0} MB", m as f64 / 1e6));
    let each =
        host.ns_per_datagram.map_or(String::new(), |ns| format!(", {ns:.0} ns per datagram"));
    format!("took {:.2} s, {cpu:.2} s of processor{each}{memory}", host.wall_s)
}
