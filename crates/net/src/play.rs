//! The loop that plays all clients on real sockets. It runs their timers at planned times, hands to
//! the kernel what has passed the links up, and reads what the server sends.

use std::io;

use skipbeat_core::{Span, Time};
use skipbeat_harness::FromSwarm;
use skipbeat_swarm::Swarm;
use skipbeat_sys::Clock;

use crate::client_sockets::ClientSockets;
use crate::driver::NetDriver;
use crate::server::RunningServer;
use crate::streams::KernelStreams;
use crate::wire::{Alarm, Batch, Io};

/// How often the caller sees the progress and can end the run.
const SNAPSHOT_EVERY: Span = Span::from_millis(100);
/// Timers that are due within this time run together, since a wake-up costs more than a datagram.
const SLACK: Span = Span::from_nanos(250_000);
/// Batches that are read before timers have their turn.
const BATCHES_AT_ONCE: usize = 16;

/// Plays the swarm until the end of the plan, or until `go_on` returns false. `harness.end` is set
/// to the actual end, except where this fails by an error of a socket.
pub(crate) async fn play(
    swarm: &mut Swarm,
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    io: Io,
    go_on: &mut dyn FnMut(&NetDriver) -> bool,
) -> io::Result<()> {
    let alarm = Alarm::new(io)?;
    let mut scratch = Vec::new();
    let mut next_snapshot = Time::ZERO;
    swarm.start(&mut FromSwarm(driver));
    loop {
        let stream_events = driver.streams.as_mut().map(KernelStreams::take_events);
        let empty = drain(driver, transport, server, clock, BATCHES_AT_ONCE)?;
        driver.handle_streams(stream_events.unwrap_or_default(), swarm);
        // What is planned before the end happens, even if it is late. The end itself is excluded.
        let last = driver.harness.end - Span::from_nanos(1);
        driver.now = clock.now();
        swarm.advance(driver.now.min(last), &mut FromSwarm(driver));
        driver.arrive(last, swarm, transport, &mut scratch)?;
        transport.flush();
        driver.conclude(driver.now);
        if driver.now > last {
            return Ok(());
        }
        if driver.now >= next_snapshot {
            next_snapshot = driver.now + SNAPSHOT_EVERY;
            if server.is_some_and(RunningServer::is_finished) {
                driver.harness.end = driver.now;
                return Err(io::Error::other("the thread of the built-in server ended"));
            }
            if !go_on(driver) {
                driver.harness.end = driver.now;
                return Ok(());
            }
        }
        if !empty {
            if transport.is_full() || driver.streams.is_some() {
                // Tokio has to poll before it knows that there is room again, and for the tasks of
                // streams to run.
                tokio::task::yield_now().await;
            }
            continue;
        }
        let up = driver.next_up().filter(|_| !transport.is_congested());
        let due = [swarm.next_deadline(), up, driver.next_down()].into_iter().flatten();
        let due = due.fold(next_snapshot.min(driver.harness.end), Time::min);
        let wait = due.since(clock.now());
        if !wait.is_zero() {
            tokio::select! {
                ready = transport.ready() => ready?,
                slept = alarm.sleep(wait.max(SLACK)) => slept?,
                () = streams_ready(&mut driver.streams) => {}
            }
        } else if driver.streams.is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until something has happened to a stream; for ever if there are none.
async fn streams_ready(streams: &mut Option<KernelStreams>) {
    match streams {
        Some(streams) => streams.ready().await,
        None => std::future::pending().await,
    }
}

/// Reads up to `batches`. Returns whether the sockets are empty now.
fn drain(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    batches: usize,
) -> io::Result<bool> {
    for _ in 0..batches {
        let batch = transport.fill()?;
        // What is read after the end counts as on its link at the end.
        driver.now = clock.now().min(driver.harness.end);
        // The server reports before it sends, so the cause of whatever was read is among the
        // reports.
        if let Some(server) = server {
            driver.record_reports(server, transport);
        }
        if batch != Batch::Nothing {
            transport.each(|endpoint, payload| driver.receive(endpoint, payload));
        }
        if batch != Batch::Full {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads what comes in for `span`.
pub(crate) async fn listen(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
    io: Io,
    span: Span,
) -> io::Result<()> {
    let until = clock.now() + span;
    let alarm = Alarm::new(io)?;
    loop {
        transport.flush();
        while !drain(driver, transport, server, clock, BATCHES_AT_ONCE)? {}
        let left = until.since(clock.now());
        if left.is_zero() {
            return Ok(());
        }
        tokio::select! {
            ready = transport.ready() => ready?,
            slept = alarm.sleep(left) => slept?,
        }
    }
}

/// After the server has ended: reads what is left in the sockets, and records what is still under
/// way.
pub(crate) fn close(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: Option<&RunningServer>,
    clock: Clock,
) -> io::Result<()> {
    while !drain(driver, transport, server, clock, BATCHES_AT_ONCE)? {}
    driver.conclude(Time::NEVER);
    driver.leave_in_flight();
    Ok(())
}
