//! Runs one plan, in the simulator or on real sockets.

use skipbeat_core::number;
use skipbeat_harness::Tap;
use skipbeat_measure::{HostReport, Results, Snapshot};
use skipbeat_net::{Clock, Io};
use skipbeat_scenario::{Mode, Plan};

use crate::capture::SharedCapture;

/// Runs a plan to its end, or until `go_on` returns false for a snapshot.
pub(crate) fn play(
    plan: &Plan,
    io: Io,
    capture: Option<SharedCapture>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> anyhow::Result<Played> {
    let tap = capture.map(|capture| Box::new(capture) as Box<dyn Tap>);
    Ok(match plan.mode {
        Mode::Sim => simulate(plan, tap, go_on),
        Mode::Net => {
            let outcome = skipbeat_net::run(plan, io, tap, go_on)?;
            Played {
                results: outcome.results,
                host: outcome.host,
                failure: outcome.failure.map(Into::into),
            }
        }
    })
}

/// The results of a run that is over.
pub(crate) struct Played {
    pub(crate) results: Results,
    pub(crate) host: HostReport,
    pub(crate) failure: Option<anyhow::Error>,
}

fn simulate(
    plan: &Plan,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Played {
    let clock = Clock::start();
    let before = skipbeat_net::thread_cpu();
    let results = skipbeat_sim::run_tapped(plan, tap, go_on);
    let cpu =
        skipbeat_net::thread_cpu().zip(before).map(|(now, before)| now.saturating_sub(before));
    let datagrams = results.tally.datagrams();
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
    Played { results, host, failure: None }
}

/// What a run cost in time and memory, in one line.
pub(crate) fn cost(host: &HostReport) -> String {
    let cpu = host.cpu_s.values().sum();
    let each = host.ns_per_datagram.map(|ns| format!("{ns:.0} ns per datagram"));
    let memory = host.peak_memory_bytes.map(|bytes| number::bytes(bytes as f64));
    let took = format!("took {}, {} of processor", number::span(host.wall_s), number::span(cpu));
    [Some(took), each, memory].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
