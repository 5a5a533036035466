//! A build of skipbeat with a planted defect, to test whether comparisons find it. It stands in for
//! a `skipbeat` binary: `planted --busy 0.05 run SCENARIO.toml --seed 1 --out DIR --quiet`
//! simulates the scenario, and wastes 5 % of the processor time on top, a little for each datagram
//! that the server receives. With `--later 1ms` its server evicts 1 ms later than the scenario
//! says.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use skipbeat_core::{Direction, EndpointId, Span, Time};
use skipbeat_harness::Tap;
use skipbeat_link::Verdict;
use skipbeat_measure::{HostReport, Results, RunVerdict};
use skipbeat_net::thread_cpu;
use skipbeat_results::{Build, HostFile, ResultFolder, RunFile};
use skipbeat_scenario::{Changes, Plan, Setting, Study};

/// The part of the command line of `skipbeat run` that comparisons use.
#[derive(Parser)]
struct Options {
    /// Processor time to waste, as a share of that of the run
    #[arg(long, default_value_t = 0.0)]
    busy: f64,
    /// How much later the server evicts
    #[arg(long, default_value = "0s")]
    later: Span,
    command: String,
    scenario: PathBuf,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    out: PathBuf,
    #[arg(long)]
    quiet: bool,
    #[arg(long)]
    set: Vec<Setting>,
    #[arg(long)]
    mode: Option<String>,
}

/// Wastes time on each datagram that reaches the server.
struct Busy {
    rounds: u64,
}

impl Tap for Busy {
    fn passage(
        &mut self,
        _: Time,
        direction: Direction,
        _: EndpointId,
        _: &[u8],
        verdict: &Verdict,
    ) {
        if direction == Direction::Up && verdict.arrival.is_ok() {
            count(self.rounds);
        }
    }
}

/// A loop that the compiler can't remove.
fn count(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

/// The result of some work, and its processor time in nanoseconds.
fn cost<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = thread_cpu().expect("the system tells processor time");
    let done = work();
    let after = thread_cpu().expect("the system tells processor time");
    (done, after.saturating_sub(before).nanos() as f64)
}

fn simulate(plan: &Plan, rounds: u64) -> (Results, f64) {
    cost(|| skipbeat_sim::run_tapped(plan, Some(Box::new(Busy { rounds })), &mut |_| true))
}

/// The number of rounds per datagram that makes the run cost this share more. To know what the
/// share is of, a run without rounds is measured first. A share of 0 measures it too, so that
/// caches are warm either way.
fn rounds(plan: &Plan, share: f64) -> u64 {
    let (results, idle) = simulate(plan, 0);
    let received = results.tally.all_groups().links[Direction::Up as usize].arrived;
    let many = 10_000_000;
    let ((), counting) = cost(|| count(many));
    (share * idle / received.max(1) as f64 * many as f64 / counting) as u64
}

fn main() -> ExitCode {
    let options = Options::parse();
    let changes = Changes { settings: options.set, seed: Some(options.seed), ..Changes::default() };
    let study = Study::load(&options.scenario, &changes).expect("the scenario is right");
    let run = &study.runs[0];
    let mut plan = run.plan.clone();
    plan.server.options.timeout = plan.server.options.timeout + options.later;
    let (results, cpu) = simulate(&plan, rounds(&plan, options.busy));
    let datagrams = results.tally.datagrams();
    let host = HostReport {
        datagrams,
        ns_per_datagram: Some(cpu / datagrams as f64),
        ..HostReport::default()
    };
    let thresholds = run.plan.judge(&results.figures, &results.groups);
    let doubts = results.doubts.iter().map(ToString::to_string).collect();
    let verdict = RunVerdict::new(thresholds, doubts, None, None);
    let build =
        Build { version: env!("CARGO_PKG_VERSION").to_owned(), commit: "planted".to_owned() };
    let file = RunFile::of_run(&study, &results, &verdict, &build);
    let host = HostFile::Machine(Box::new(host));
    let folder = ResultFolder::create(&options.out, false).expect("the folder can be made");
    let unwritten = folder.write_run(&study, &results, &file, &host);
    assert!(unwritten.is_empty(), "{unwritten:?}");
    ExitCode::SUCCESS
}
