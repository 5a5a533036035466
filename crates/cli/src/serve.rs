//! `skipbeat serve`: the chat server with a console on standard input and a log on standard error.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Write, stderr};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use clap::Args;
use skipbeat_core::{Seed, Span, Time};
use skipbeat_net::{LiveServer, Stats};
use skipbeat_scenario::{ServerRuntime, read_value};
use skipbeat_server::{
    Admission, DetectorOptions, EvictionTiming, Limits, Mechanism, Note, Options, RateLimit, Rejoin,
};

use crate::args::{above_zero, io};
use crate::console::lines_of_input;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::prometheus;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ServeOptions {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9999")]
    pub(crate) listen: SocketAddr,

    /// A member that is silent for longer is evicted
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = above_zero)]
    pub(crate) timeout: Span,

    /// When to look for silent members: deadline (at once), lazy (while broadcasting), or a period
    #[arg(
        long,
        alias = "sweep",
        value_name = "WHEN",
        default_value = "deadline",
        value_parser = read_value::<EvictionTiming>
    )]
    pub(crate) eviction: EvictionTiming,

    /// Who sends heartbeats: client, server or both
    #[arg(long, value_name = "WHO", default_value = "client", value_parser = read_value::<Mechanism>)]
    pub(crate) heartbeat: Mechanism,

    /// How often the server sends a heartbeat to each member, where it does
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = above_zero)]
    pub(crate) heartbeat_every: Span,

    /// How silence is judged: timeout, missed, phi, chen, bertier, or a table as in a scenario
    #[arg(
        long,
        value_name = "DETECTOR",
        default_value = "timeout",
        value_parser = read_value::<DetectorOptions>
    )]
    pub(crate) detector: DetectorOptions,

    /// What makes an evicted client a member again: auto (any sign of life) or sticky (^join^)
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = read_value::<Rejoin>)]
    pub(crate) rejoin: Rejoin,

    /// Longer datagrams are refused, in bytes
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(64..=65_507)
    )]
    pub(crate) max_datagram: u32,

    /// The answer to a query has at least so many bytes
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(0..=65_000)
    )]
    pub(crate) value_size: u32,

    /// Who may become a member: open (anybody) or cookie (who proves its address)
    #[arg(long, value_name = "WHO", default_value = "open", value_parser = read_value::<Admission>)]
    pub(crate) admission: Admission,

    /// The most members at a time [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_members: Option<u32>,

    /// The most texts per second of each member [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub(crate) max_rate: Option<f64>,

    /// The most texts per second of all members together [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub(crate) max_total_rate: Option<f64>,

    /// How long a text may wait for others, so that a member gets them with one message of the kernel
    /// [default: only while the socket has more to read]
    #[arg(long, value_name = "SPAN", default_value = "0s", hide_default_value = true)]
    pub(crate) linger: Span,

    /// The most datagrams of one such message; 1 switches it off
    #[arg(long, value_name = "N", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) coalesce: u32,

    /// Serve Prometheus text over HTTP at this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Use no system calls but those that every system has: tokio's plain send and receive, and a
    /// socket for each client
    #[arg(long)]
    pub(crate) portable: bool,

    /// No log lines
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1e9);
    rate.ok_or_else(|| "expected a number above 0 and up to 1e9".to_owned())
}

/// How often new log lines are printed.
const LOG_EVERY: Duration = Duration::from_millis(50);
/// The most log lines at a time: a flood of refusals must not become a flood of lines.
const LINES_AT_ONCE: usize = 50;

pub(crate) fn serve(options: &ServeOptions) -> anyhow::Result<Exit> {
    let core = Options {
        heartbeat: options.heartbeat,
        heartbeat_every: options.heartbeat_every,
        detector: options.detector,
        timeout: options.timeout,
        eviction: options.eviction,
        rejoin: options.rejoin,
        max_datagram: options.max_datagram as usize,
        value_size: options.value_size as usize,
        admission: options.admission,
        limits: Limits {
            members: options.max_members,
            per_client: options
                .max_rate
                .map(|rate| RateLimit { rate, burst: (2.0 * rate).ceil() as u32 }),
            total: options.max_total_rate.map(|rate| RateLimit { rate, burst: rate.ceil() as u32 }),
        },
    };
    if let Some(contradiction) = core.contradiction() {
        anyhow::bail!(contradiction);
    }
    let interrupt = Interrupt::listen()?;
    let server = Arc::new(LiveServer::start(
        options.listen,
        core,
        ServerRuntime {
            linger: options.linger,
            coalesce: options.coalesce,
            ..ServerRuntime::default()
        },
        secret(),
        io(options.portable),
    )?);
    if let Some(address) = options.metrics {
        let source = Arc::clone(&server);
        let address = prometheus::serve(address, move || source.stats().ok())?;
        say(&format!("metrics at http://{address}/metrics"));
    }
    say(&format!("serving at {}; clients, stats, say TEXT, quit", server.address()));

    let lines = lines_of_input();
    let mut console = true;
    while !interrupt.came() && !server.is_finished() {
        match lines.recv_timeout(LOG_EVERY) {
            Ok(line) if line.trim() == "quit" => break,
            Ok(line) => answer(&server, line.trim())?,
            Err(RecvTimeoutError::Timeout) => {}
            // The end of input ends the console, not the server.
            Err(RecvTimeoutError::Disconnected) if console => console = false,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOG_EVERY),
        }
        log(&server, options.quiet);
    }
    server.stop()?;
    log(&server, options.quiet);
    say("stopped");
    Ok(Exit::Pass)
}

/// A random seed that nobody can guess, since cookies are made with it.
fn secret() -> Seed {
    Seed(RandomState::new().build_hasher().finish())
}

/// Prints a line about the program itself.
fn say(line: &str) {
    // If standard error is closed, the server goes on.
    let _ = writeln!(stderr(), "{line}");
}

fn answer(server: &LiveServer, line: &str) -> anyhow::Result<()> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let text = match command {
        "" => return Ok(()),
        "clients" => clients(server)?,
        "stats" => stats(&server.stats()?),
        "say" => {
            server.say(rest.trim());
            return Ok(());
        }
        _ => format!("unknown command {command:?}: clients, stats, say TEXT, quit\n"),
    };
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(())
}

fn clients(server: &LiveServer) -> anyhow::Result<String> {
    let members = server.members()?;
    let line = |member: &skipbeat_net::Member| {
        let (silent, allowed) = (short(member.silence), short(member.allowed));
        format!(
            "{:<24} silent {silent:>8}, suspected in {allowed:>8}\n",
            member.address.to_string()
        )
    };
    let lines: String = members.iter().map(line).collect();
    Ok(format!("{lines}{} clients\n", members.len()))
}

/// A span in seconds, to the millisecond.
fn short(span: Span) -> String {
    format!("{:.3}s", span.seconds())
}

fn stats(stats: &Stats) -> String {
    let figures = prometheus::figures(stats);
    figures.iter().map(|(name, value, _)| format!("{name:<32} {value}\n")).collect()
}

/// Prints what happened since the last call.
fn log(server: &LiveServer, quiet: bool) {
    let news = server.news();
    if quiet {
        return;
    }
    for (at, address, note) in news.iter().take(LINES_AT_ONCE) {
        say(&line(*at, *address, *note));
    }
    if news.len() > LINES_AT_ONCE {
        say(&format!("… and {} more", news.len() - LINES_AT_ONCE));
    }
}

fn line(at: Time, address: SocketAddr, note: Note) -> String {
    let what = match note {
        Note::Joined => "joined".to_owned(),
        Note::Quit => "left".to_owned(),
        Note::Evicted { silence } => format!("evicted after {} of silence", short(silence)),
        Note::Moved => "is here now: it showed the token of its session".to_owned(),
        Note::Repeated => "repeated a message that was delivered before".to_owned(),
        Note::Taken => "sent a sample".to_owned(),
        Note::Served => "sent a query".to_owned(),
        Note::Refused(cause) => format!("refused: {}", cause.name()),
    };
    format!("{:>10.3} {address} {what}", at.seconds())
}
