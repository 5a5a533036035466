//! One run on real sockets: starts the server, opens the sockets, plays the swarm, ends both, and
//! puts the results together.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use skipbeat_core::{Span, Time};
use skipbeat_harness::Tap;
use skipbeat_measure::{Doubt, HostReport, Results, RunContext, Snapshot, SocketCounts};
use skipbeat_scenario::{Plan, ServerPlan, Target};
use skipbeat_swarm::{Act, Datagram, Swarm};
use skipbeat_sys::Clock;
use skipbeat_sys::thread_cpu;
use skipbeat_workload::{Saying, Word};

use crate::client_sockets::ClientSockets;
use crate::driver::NetDriver;
use crate::host;
use crate::play::{close, listen, play};
use crate::server::{BoundServer, Hosting, Reporting, RunningServer, ServerCounts};
use crate::streams::KernelStreams;
use crate::target::{RunningCommand, expect_listener};
use crate::wire::Io;
use crate::{NetError, kernel_counters};

/// How long the last datagrams of the server may take, and a foreign server may still answer.
const LAST_ANSWERS: Span = Span::from_millis(200);
/// What a server may add to the longest text, in bytes: the address of its sender, for example.
const ROOM_FOR_ENDING: usize = 1024;

/// The outcome of a run on real sockets.
pub struct NetRun {
    /// What was measured, up to a failure if there was one.
    pub results: Results,
    /// What the run cost on this machine; written to `host.json`.
    pub host: HostReport,
    /// The error that ended the run early, if any.
    pub failure: Option<NetError>,
}

/// Whether any client uses TCP.
fn uses_tcp(plan: &Plan) -> bool {
    plan.groups.iter().any(|group| group.behaviour.transport == skipbeat_swarm::Transport::Tcp)
}

/// The server under test.
enum Tested {
    BuiltIn(Box<RunningServer>),
    Address { drops_before: Option<u64> },
    Command { command: Box<RunningCommand>, drops_before: Option<u64> },
}

/// Runs a plan on real sockets, in real time. The tap, if there is one, sees every datagram.
/// `go_on` is called about ten times a second with what was measured so far, and ends the run by
/// returning false.
///
/// ```
/// use skipbeat_net::{Io, run};
/// use skipbeat_scenario::Plan;
///
/// let scenario = "name = 'room'\nduration = '300ms'\n[[group]]\nname = 'a'\nclients = 5";
/// let plan = Plan::parse("room.toml", scenario, &[]).unwrap();
/// let outcome = run(&plan, Io::default(), None, &mut |_| true).unwrap();
/// assert!(outcome.failure.is_none());
/// assert!(outcome.host.datagrams > 0);
/// ```
///
/// # Errors
/// If the run can't begin: a port is taken, a target does not answer, a command fails, a limit of
/// the system is too low. A later error is in [`NetRun::failure`], beside what was measured until
/// then.
pub fn run(
    plan: &Plan,
    io: Io,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Result<NetRun, NetError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NetError::Socket)?;
    runtime.block_on(run_here(plan, io, tap, go_on))
}

async fn run_here(
    plan: &Plan,
    io: Io,
    tap: Option<Box<dyn Tap>>,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Result<NetRun, NetError> {
    let kernel_before = kernel_counters();
    let (mut tested, mut transport, clock) = begin(plan, io, go_on).await?;
    let mut swarm = Swarm::new(plan.swarm_options(), plan.seed());
    let foreign = !matches!(tested, Tested::BuiltIn(_));
    let server = tested.built_in().and_then(|server| server.takes_connections_at);
    let streams = server.map(|server| KernelStreams::new(server, clock));
    let mut driver = NetDriver::new(plan, foreign, streams);
    driver.harness.tap = tap;
    let cpu_before = thread_cpu();

    let server = tested.built_in();
    let mut snapshot = |driver: &NetDriver| {
        let context = context(plan, driver, driver.now, None);
        go_on(Snapshot::new(&driver.harness.recorder, context))
    };
    let failure =
        play(&mut swarm, &mut driver, &mut transport, server, clock, io, &mut snapshot).await.err();
    if failure.is_some() {
        driver.harness.end = clock.now();
    }
    let failure = failure.map(NetError::Socket);
    let counts = tested.end(plan, &mut driver, &mut transport, clock, io).await;
    let of_threads = transport.stop();
    let closed = close(&mut driver, &mut transport, tested.built_in(), clock);
    let failure = failure.or(counts.failure).or(closed.err().map(NetError::Socket));

    let wall_s = clock.now().seconds();
    let cpu = thread_cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let cpu = cpu.map(|cpu| cpu + of_threads.unwrap_or_default());
    let sockets =
        socket_counts(&driver, &transport, counts.server.as_ref(), counts.dropped, plan.swarm.gro);
    let dropped_down = sockets[1].dropped;
    let context = RunContext {
        lateness: Some(std::mem::take(&mut driver.lateness)),
        ..context(plan, &driver, driver.harness.end, Some(sockets))
    };
    let mut results = driver.harness.recorder.finish(context, &plan.columns());
    results.doubts.extend(counts.ended);

    let receive_buffers = [("swarm", Some(transport.receive_buffer()))]
        .into_iter()
        .chain([("server", tested.built_in().map(|server| server.receive_buffer))]);
    let cpu_s = [("swarm", cpu), ("server", counts.cpu)];
    let cpu_s = named(cpu_s.map(|(name, cpu)| (name, cpu.map(Span::seconds))));
    let datagrams = results.tally.datagrams();
    let all_cpu: f64 = cpu_s.values().sum();
    let host = HostReport {
        wall_s,
        peak_memory_bytes: host::peak_memory(),
        datagrams,
        ns_per_datagram: (datagrams > 0).then(|| all_cpu * 1e9 / datagrams as f64),
        cpu_s,
        receive_buffers: named(receive_buffers),
        io: Some(io.name().to_owned()),
        server_memory_bytes: counts.memory,
        server_drops: counts.dropped,
        swarm_drops: dropped_down,
        traffic: named([
            ("swarm", Some(transport.traffic())),
            ("server", counts.server.as_ref().map(|counts| counts.traffic)),
        ]),
        without_segments: (counts.server.as_ref())
            .and_then(|counts| counts.without_segments.map(str::to_owned)),
        kernel_before,
        kernel_after: kernel_counters(),
        lateness_p99_s: results.tally.lateness.as_ref().and_then(|l| l.quantile(0.99)),
        lateness_max_s: results.tally.lateness.as_ref().and_then(|l| l.max()),
    };
    Ok(NetRun { results, host, failure })
}

/// What the results need to know beside the events, if the run ends at `end`.
fn context(
    plan: &Plan,
    driver: &NetDriver,
    end: Time,
    sockets: Option<[SocketCounts; 2]>,
) -> RunContext {
    let foreign = driver.outside.is_some();
    let from = plan.measured_from();
    let seen = driver.outside.as_ref().is_some_and(|outside| outside.knows_since(from));
    RunContext {
        end,
        sockets,
        foreign,
        membership_seen: !foreign || (seen && driver.room),
        answers_known: plan.dialect.as_ref().is_some_and(|dialect| dialect.ack.is_some()),
        server_beats: plan.server.options.heartbeat.by_server(),
        lateness: None,
        lateness_limit: plan.swarm.lateness_limit,
    }
}

/// Starts the server, or checks that it is there, and opens the sockets of clients.
async fn begin(
    plan: &Plan,
    io: Io,
    go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
) -> Result<(Tested, ClientSockets, Clock), NetError> {
    let forged = plan.groups.iter().map(|group| group.behaviour.forged_addresses());
    let clients = plan.roster().clients();
    let endpoints = clients + forged.sum::<u32>();
    let sizes = plan.groups.iter().map(|group| &group.behaviour).flat_map(|group| {
        let said = group.workload.map(|work| match work.saying() {
            Saying { word: Word::Get(_), size } => size.max(plan.server.options.value_size),
            Saying { size, .. } => size,
        });
        [said, group.hostile.map(|hostile| hostile.size)]
    });
    let room = sizes.flatten().max().unwrap_or(0) + ROOM_FOR_ENDING;
    let open = |target: SocketAddr| ClientSockets::open(target, endpoints, &plan.swarm, io, room);
    let mut probe = skipbeat_protocol::QUIT.to_vec();
    if let Some(dialect) = &plan.dialect {
        // The word for leaving, or nothing if the dialect has none.
        dialect.write(0, &Datagram::plain(Act::Quit), &mut probe);
    }
    match &plan.server.target {
        Target::BuiltIn { listen } => {
            let ServerPlan { receive_buffer, send_buffer, .. } = plan.server;
            let mut bound = BoundServer::bind(*listen, receive_buffer, send_buffer)?;
            if uses_tcp(plan) {
                bound.listen(*listen)?;
            }
            let transport = open(bound.address())?;
            let clock = Clock::start();
            let server = bound.start(Hosting {
                options: plan.server.options,
                runtime: plan.server.runtime,
                seed: plan.seed(),
                clock,
                known: transport.known(clients).map_err(NetError::Socket)?,
                crash_at: plan.server.crash_at,
                reporting: Reporting::Everything,
                io,
            })?;
            Ok((Tested::BuiltIn(Box::new(server)), transport, clock))
        }
        Target::Address { address } => {
            expect_listener(*address, &probe).await?;
            let drops_before = drops_of(*address);
            Ok((Tested::Address { drops_before }, open(*address)?, Clock::start()))
        }
        Target::Command { command, address } => {
            let command = Box::new(RunningCommand::start(command, *address, &probe, go_on).await?);
            let drops_before = drops_of(*address);
            Ok((Tested::Command { command, drops_before }, open(*address)?, Clock::start()))
        }
    }
}

/// What is known of the server after its end.
#[derive(Default)]
struct ServerEnd {
    /// What the built-in server counted.
    server: Option<ServerCounts>,
    /// Datagrams that its socket dropped, if this machine can tell.
    dropped: Option<u64>,
    /// Processor time of the thread of the built-in server, or of a command.
    cpu: Option<Span>,
    /// Peak memory of a command, in bytes.
    memory: Option<u64>,
    /// Set if a command ended by itself.
    ended: Option<Doubt>,
    /// An error at the end.
    failure: Option<NetError>,
}

impl Tested {
    fn built_in(&self) -> Option<&RunningServer> {
        match self {
            Tested::BuiltIn(server) => Some(server),
            Tested::Address { .. } | Tested::Command { .. } => None,
        }
    }

    /// Ends the server, after it has read what was sent to it. An error is returned beside what is
    /// known of the server.
    async fn end(
        &mut self,
        plan: &Plan,
        driver: &mut NetDriver,
        transport: &mut ClientSockets,
        clock: Clock,
        io: Io,
    ) -> ServerEnd {
        let mut end = ServerEnd::default();
        transport.send_the_rest().await;
        if let Tested::BuiltIn(server) = self {
            let handed: u64 = driver.handed.iter().sum();
            server.request_stop(handed.saturating_sub(transport.not_sent()));
            // What it still sends has to be read, or the buffers of the swarm overflow.
            while !server.is_finished() {
                let step = Span::from_millis(2);
                let listened = listen(driver, transport, Some(server), clock, io, step).await;
                end.failure = end.failure.or(listened.err().map(NetError::Socket));
                if end.failure.is_some() {
                    break;
                }
            }
            match server.join() {
                Ok(counts) => {
                    let sent = counts.sent.iter().sum::<u64>().saturating_sub(counts.not_sent);
                    let rest = listen_for(driver, transport, server, clock, io, sent).await;
                    end.failure = end.failure.or(rest.err());
                    (end.dropped, end.cpu) = (counts.dropped, counts.cpu);
                    end.server = Some(counts);
                }
                Err(failure) => end.failure = Some(failure),
            }
            return end;
        }
        let listened = listen(driver, transport, None, clock, io, LAST_ANSWERS).await;
        end.failure = listened.err().map(NetError::Socket);
        let drops = match &plan.server.target {
            Target::Address { address } | Target::Command { address, .. } => drops_of(*address),
            Target::BuiltIn { .. } => None,
        };
        let since = |before: Option<u64>| Some(drops?.saturating_sub(before?));
        match self {
            Tested::BuiltIn(_) => {}
            Tested::Address { drops_before } => end.dropped = since(*drops_before),
            Tested::Command { command, drops_before } => {
                end.dropped = since(*drops_before);
                (end.cpu, end.memory) = command.cost();
                end.ended = command.ended().map(|(program, status)| Doubt::ServerEnded {
                    program,
                    status: status.to_string(),
                });
                if let Err(failure) = command.stop().await {
                    end.failure = Some(NetError::Socket(failure));
                }
            }
        }
        end
    }
}

/// Reads until `sent` datagrams of the server were read or dropped, as long as a slow network may
/// still have some of them.
async fn listen_for(
    driver: &mut NetDriver,
    transport: &mut ClientSockets,
    server: &RunningServer,
    clock: Clock,
    io: Io,
    sent: u64,
) -> Result<(), NetError> {
    let until = clock.now() + LAST_ANSWERS;
    loop {
        let dropped = transport.dropped().unwrap_or(0);
        if driver.received.iter().sum::<u64>() + dropped >= sent || clock.now() >= until {
            return Ok(());
        }
        let step = Span::from_millis(5);
        listen(driver, transport, Some(server), clock, io, step).await.map_err(NetError::Socket)?;
    }
}

/// The drop counter of a socket on this machine; another machine's can't be read.
fn drops_of(address: SocketAddr) -> Option<u64> {
    address.ip().is_loopback().then(|| host::dropped_at_port(address.port()))?
}

/// What the sockets and the kernel did with the datagrams, up and down.
fn socket_counts(
    driver: &NetDriver,
    transport: &ClientSockets,
    server: Option<&ServerCounts>,
    dropped_up: Option<u64>,
    gro: bool,
) -> [SocketCounts; 2] {
    // The server knows addresses; whose they are is known here.
    let group = |address: SocketAddr| {
        let owner = driver.harness.endpoints.owner(transport.endpoint(address)?)?;
        Some(driver.harness.roster.group_of(owner))
    };
    let by_group = |counts: &[u64], server: &ServerCounts| {
        let mut sums = vec![0; driver.handed.len()];
        let mut strangers = 0;
        let Some(peers) = &server.peers else { return (sums, strangers) };
        for (count, peer) in counts.iter().zip(0..).filter(|(count, _)| **count > 0) {
            *group(peers.address(peer)).map_or(&mut strangers, |group| &mut sums[group]) += count;
        }
        (sums, strangers)
    };
    let read = server.map(|counts| by_group(&counts.received, counts));
    let handed: u64 = driver.handed.iter().sum();
    let mut up = SocketCounts {
        handed: driver.handed.clone(),
        handed_of_no_group: 0,
        not_sent: transport.not_sent(),
        dropped: dropped_up,
        read: read.as_ref().map(|(by_group, _)| by_group.clone()),
    };
    if let Some((by_group, strangers)) = read
        && strangers > 0
    {
        // The socket counts what it drops of strangers too: that much is theirs.
        let gone = up.not_sent + dropped_up.unwrap_or(0) + by_group.iter().sum::<u64>();
        let too_many = gone.saturating_sub(handed);
        up.dropped = up.dropped.map(|dropped| dropped - too_many.min(dropped));
    }
    let sent = server.map(|counts| by_group(&counts.sent, counts).0);
    let not_sent = server.map_or(0, |counts| counts.not_sent);
    let received = driver.received.iter().sum::<u64>();
    let missing = sent.as_ref().map(|sent| {
        let handed: u64 = sent.iter().sum();
        handed.saturating_sub(not_sent + received)
    });
    // With UDP_GRO the counter counts several datagrams that are dropped together as one. It shows
    // that datagrams were dropped; how many follows from what is missing.
    let dropped_down = transport.dropped().map(|counted| match missing {
        Some(missing) if gro && counted > 0 => missing.max(counted),
        _ => counted,
    });
    // What a foreign server sent is known only by what reached our socket, read or dropped. The
    // dropped have no group.
    let dropped_of_no_group = if sent.is_none() { dropped_down.unwrap_or(0) } else { 0 };
    let down = SocketCounts {
        handed: sent.unwrap_or_else(|| driver.received.clone()),
        handed_of_no_group: dropped_of_no_group,
        not_sent,
        dropped: dropped_down,
        read: Some(driver.received.clone()),
    };
    [up, down]
}

fn named<T>(figures: impl IntoIterator<Item = (&'static str, Option<T>)>) -> BTreeMap<String, T> {
    figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
