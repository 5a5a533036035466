//! `skipbeat proxy`: impairs any UDP application. Standard input changes the links while it runs.

use std::fs::File;
use std::io::{BufWriter, Write, stderr};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError};

use anyhow::Context;
use clap::Args;
use skipbeat_core::{Direction, Seed, Span, Time};
use skipbeat_link::{LinkOptions, LinkSchedule, OutageKind, read_compact};
use skipbeat_net::{BoundProxy, Passage, ProxyCommand, ProxyObserver, ProxyTotals};
use skipbeat_report::proxy_summary;
use skipbeat_scenario::{Changes, Study};

use crate::args::{above_zero, io, read_files};
use crate::capture::SharedCapture;
use crate::console::lines_of_input;
use crate::exit::{Exit, UsageError, complain};
use crate::interrupt::Interrupt;
use crate::progress::Status;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ProxyOptions {
    /// Where clients send to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,

    /// The server
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) target: SocketAddr,

    /// The links from clients to the server: loss=5%,delay=30ms or @wifi,loss=2%
    #[arg(long, value_name = "LINK")]
    pub(crate) up: Option<String>,

    /// The links from the server to clients
    #[arg(long, value_name = "LINK")]
    pub(crate) down: Option<String>,

    /// Take the links from a scenario, before --up and --down
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,

    /// The group of the scenario whose links are taken [default: the first]
    #[arg(long, value_name = "NAME", requires = "scenario")]
    pub(crate) group: Option<String>,

    /// The seed of all verdicts [default: the scenario's, or 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// A session without datagrams for longer is closed
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = above_zero)]
    pub(crate) idle: Span,

    /// The most sessions at a time
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) max_sessions: u32,

    /// Write every verdict to a CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// Write what enters and leaves the links to a file that Wireshark reads
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Use no system calls but those that every system has: tokio's plain send and receive, and a
    /// socket for each client
    #[arg(long)]
    pub(crate) portable: bool,

    /// No progress and no notices on standard error
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What the console understands.
const COMMANDS: &str = "up LINK, down LINK, both LINK, partition [up|down] SPAN, \
                        clog [up|down] SPAN, heal, stats, quit";

pub(crate) fn proxy(options: &ProxyOptions) -> anyhow::Result<Exit> {
    let (base, seed) = links_of_scenario(options)?;
    let [up, down] = base;
    let read = |text: &Option<String>, direction, base: LinkSchedule| match text {
        None => Ok(base),
        Some(text) => match read_compact(text, direction, base.options).and_then(read_files) {
            Ok(options) => Ok(LinkSchedule { options, ..base }),
            Err(e) => Err(UsageError(format!("--{}: {e}", direction.name()))),
        },
    };
    let net = skipbeat_net::ProxyOptions {
        listen: options.listen,
        target: options.target,
        up: read(&options.up, Direction::Up, up)?,
        down: read(&options.down, Direction::Down, down)?,
        seed: Seed(seed),
        idle: options.idle,
        most_sessions: options.max_sessions,
        io: io(options.portable),
    };
    let mut observer = Observer {
        log: options.log.as_deref().map(Log::create).transpose()?,
        capture: options.pcap.as_deref().map(SharedCapture::create).transpose()?,
        target: options.target,
        now: Time::ZERO,
        lines: lines_of_input(),
        interrupt: Interrupt::listen()?,
        quiet: options.quiet,
        status: Status::new(options.quiet),
        failure: None,
    };
    let bound = BoundProxy::bind(options.listen)?;
    observer.say(&format!(
        "proxy at {} towards {}, seed {seed}; {COMMANDS}",
        bound.address(),
        options.target
    ));
    let totals = bound.run(&net, &mut observer)?;
    observer.status.finish();
    // It is no error if standard output is closed.
    let _ = anstream::stdout().write_all(summary(&totals).as_bytes());
    if let Some(log) = observer.log {
        log.finish()?;
    }
    if let Some(capture) = observer.capture {
        capture.finish(observer.now)?;
    }
    match observer.failure {
        Some(failure) => {
            complain(&failure);
            Ok(Exit::Failed)
        }
        None => Ok(Exit::Pass),
    }
}

fn summary(totals: &ProxyTotals) -> String {
    let ProxyTotals { links, not_sent, added, sessions, refused, no_socket, .. } = totals;
    let no_socket = (no_socket.0, no_socket.1.as_deref());
    proxy_summary(links, *not_sent, added, *sessions, *refused, no_socket)
}

/// The links of a group of the scenario, up and down, and the seed.
fn links_of_scenario(options: &ProxyOptions) -> anyhow::Result<([LinkSchedule; 2], u64)> {
    let Some(path) = &options.scenario else {
        return Ok(([LinkSchedule::default(), LinkSchedule::default()], options.seed.unwrap_or(1)));
    };
    let plan = Study::load(path, &Changes::default())?.base;
    let group = match &options.group {
        None => plan.groups.first(),
        Some(name) => plan.groups.iter().find(|group| group.name == *name),
    };
    let group = group.with_context(|| {
        let known: Vec<_> = plan.groups.iter().map(|group| &*group.name).collect();
        format!("no such group in {}, expected {}", path.display(), known.join(" or "))
    })?;
    let links = [group.up.clone(), group.down.clone()];
    Ok((links, options.seed.unwrap_or(plan.seed)))
}

struct Observer {
    log: Option<Log>,
    capture: Option<SharedCapture>,
    target: SocketAddr,
    now: Time,
    lines: Receiver<String>,
    interrupt: Interrupt,
    quiet: bool,
    status: Status,
    /// Why the log could not be written, which ends the proxy.
    failure: Option<anyhow::Error>,
}

impl Observer {
    fn say(&self, line: &str) {
        if !self.quiet {
            // If standard error is closed, the proxy goes on.
            let _ = writeln!(stderr(), "{line}");
        }
    }

    /// Reads a line of the console, and returns the commands for the proxy.
    fn read(
        &self,
        line: &str,
        totals: &ProxyTotals,
        links: [&LinkOptions; 2],
    ) -> Result<Vec<ProxyCommand>, String> {
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let both = Direction::BOTH;
        let set = |directions: &[Direction]| {
            if rest.trim().is_empty() {
                return Err("expected a link, such as loss=5%".to_owned());
            }
            let set = |direction: &Direction| {
                let base = links[*direction as usize].clone();
                let options = read_compact(rest, *direction, base).and_then(read_files)?;
                Ok(ProxyCommand::Set(*direction, Box::new(options)))
            };
            directions.iter().map(set).collect::<Result<Vec<_>, String>>()
        };
        let outage = |kind| {
            let (way, span) = rest.trim().split_once(' ').unwrap_or(("both", rest.trim()));
            let span: Span = span.trim().parse().map_err(|e| format!("{e}"))?;
            let directions = match way {
                "both" => both.to_vec(),
                "up" => vec![Direction::Up],
                "down" => vec![Direction::Down],
                way => return Err(format!("expected up, down or both, got {way:?}")),
            };
            let interrupt = |direction| ProxyCommand::Interrupt(direction, kind, span);
            Ok(directions.into_iter().map(interrupt).collect())
        };
        match command {
            "" => Ok(Vec::new()),
            "up" => set(&[Direction::Up]),
            "down" => set(&[Direction::Down]),
            "both" => set(&both),
            "partition" => outage(OutageKind::Partition),
            "clog" => outage(OutageKind::Clog),
            "heal" => Ok(vec![ProxyCommand::Heal]),
            "stats" => {
                let _ = anstream::stdout().write_all(summary(totals).as_bytes());
                Ok(Vec::new())
            }
            "quit" => Ok(vec![ProxyCommand::Stop]),
            command => Err(format!("unknown command {command:?}: {COMMANDS}")),
        }
    }
}

impl ProxyObserver for Observer {
    fn passage(&mut self, passage: &Passage<'_>) {
        let written = self.log.as_mut().map_or(Ok(()), |log| log.write(passage));
        if let Err(failure) = written {
            self.failure = Some(failure);
            self.log = None;
        }
        if let Some(capture) = &self.capture {
            let Passage { at, direction, client, payload, verdict, .. } = passage;
            capture.write(*at, *direction, [*client, self.target], payload, verdict);
        }
    }

    fn session(&mut self, at: Time, client: SocketAddr, begins: bool) {
        let what = if begins { "begins" } else { "was idle and ends" };
        self.say(&format!("{:>10.3} {client} {what}", at.seconds()));
    }

    fn tick(
        &mut self,
        at: Time,
        totals: &ProxyTotals,
        links: [&LinkOptions; 2],
    ) -> Vec<ProxyCommand> {
        self.now = at;
        let [up, down] = &totals.links;
        self.status.show(at, || {
            format!(
                "{} sessions; up {} in, {} out, {} lost; down {} in, {} out, {} lost",
                totals.open,
                up.offered,
                up.arrived,
                up.all_lost(),
                down.offered,
                down.arrived,
                down.all_lost()
            )
        });
        let mut commands = Vec::new();
        let captured = self.capture.as_ref().is_none_or(SharedCapture::goes_on);
        if self.interrupt.came() || self.failure.is_some() || !captured {
            commands.push(ProxyCommand::Stop);
        }
        loop {
            match self.lines.try_recv() {
                Ok(line) => match self.read(&line, totals, links) {
                    Ok(more) => commands.extend(more),
                    Err(mistake) => self.say(&format!("error: {mistake}")),
                },
                // The end of input ends the console, not the proxy.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return commands,
            }
        }
    }
}

/// The verdicts as CSV.
struct Log(csv::Writer<BufWriter<File>>);

impl Log {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        let mut csv = csv::Writer::from_writer(BufWriter::new(file));
        csv.write_record([
            "time_s",
            "session",
            "client",
            "direction",
            "index",
            "bytes",
            "verdict",
            "arrives_s",
            "waited_s",
            "reordered",
            "changed",
            "copy_arrives_s",
            "copy_changed",
        ])?;
        Ok(Log(csv))
    }

    fn write(&mut self, passage: &Passage<'_>) -> anyhow::Result<()> {
        let Passage { at, direction, session, client, payload, verdict } = passage;
        let time = |at: Option<Time>| at.map_or(String::new(), |at| at.seconds().to_string());
        let flag = |set: bool| if set { "1" } else { "0" }.to_owned();
        self.0.write_record([
            at.seconds().to_string(),
            session.to_string(),
            client.to_string(),
            direction.name().to_owned(),
            verdict.index.to_string(),
            payload.len().to_string(),
            verdict.arrival.err().map_or("arrives", |cause| cause.name()).to_owned(),
            time(verdict.arrival.ok()),
            verdict.waited().seconds().to_string(),
            flag(verdict.held()),
            flag(verdict.changes()[0].is_some()),
            time(verdict.copy()),
            flag(verdict.changes()[1].is_some()),
        ])?;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.0.flush().context("can't write the log")
    }
}
