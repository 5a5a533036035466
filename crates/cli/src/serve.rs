//! `skipbeat serve`: the chat server with a console on standard input and a log on standard error.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, Write, stderr, stdin};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_net::{LiveServer, Stats};
use skipbeat_scenario::ServerRuntime;
use skipbeat_server::{Limits, Note, Options, Rate};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::options::{ServeOptions, io};
use crate::prometheus;

/// How often the log is brought up to date.
const LOG_EVERY: Duration = Duration::from_millis(50);
/// Log lines between two looks at most: a flood of refusals must not become a flood of lines.
const LINES_AT_ONCE: usize = 50;

pub(crate) fn serve(options: &ServeOptions) -> anyhow::Result<Exit> {
    let core = Options {
        heartbeat: options.heartbeat,
        heartbeat_every: options.heartbeat_every,
        detector: options.detector,
        timeout: options.timeout,
        sweep: options.sweep,
        rejoin: options.rejoin,
        max_datagram: options.max_datagram as usize,
        admission: options.admission,
        limits: Limits {
            members: options.max_members,
            per_client: options
                .max_rate
                .map(|rate| Rate { rate, burst: (2.0 * rate).ceil() as u32 }),
            total: options.max_total_rate.map(|rate| Rate { rate, burst: rate.ceil() as u32 }),
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

/// A seed that nobody can guess: it is the secret of the cookies.
fn secret() -> Seed {
    Seed(RandomState::new().build_hasher().finish())
}

/// Lines of standard input, as they come.
pub(crate) fn lines_of_input() -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines() {
            let Ok(line) = line else { break };
            if to.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Says something about the program itself.
fn say(line: &str) {
    // Nobody may be listening any more; the server goes on.
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

/// A span to the millisecond.
fn short(span: Span) -> String {
    format!("{:.3}s", span.seconds())
}

fn stats(stats: &Stats) -> String {
    let figures = prometheus::figures(stats);
    figures.iter().map(|(name, value, _)| format!("{name:<32} {value}\n")).collect()
}

/// Writes what happened since the last time.
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
        Note::Repeated => "said something again that was told already".to_owned(),
        Note::Refused(cause) => format!("refused: {}", cause.name()),
    };
    format!("{:>10.3} {address} {what}", at.seconds())
}
