//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use skipbeat_core::Span;
use skipbeat_net::Io;
use skipbeat_scenario::{Mode, Setting, read_value};
use skipbeat_server::{Admission, DetectorOptions, Heartbeat, Rejoin, Sweep};

/// The wind tunnel for UDP servers that keep their clients alive by heartbeat.
#[derive(Parser)]
#[command(version, after_help = crate::exit::HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a scenario and write its results
    Run(RunOptions),
    /// Merge the shares of a sweep into the results of the whole
    Merge(MergeOptions),
    /// Draw results as a page: of one folder, or of several overlaid
    Report(ReportOptions),
    /// Compare two folders of results, or two binaries in interleaved pairs of runs
    Compare(CompareOptions),
    /// Run scenarios and judge them: thresholds, and a comparison with a baseline
    Check(CheckOptions),
    /// Hold the simulator against closed forms: detection, mistakes, delivery, order
    Theory(TheoryOptions),
    /// Serve the chat, with a console: clients, stats, say TEXT, quit
    Serve(ServeOptions),
    /// Impair any UDP application: between clients and a server, a link each way for each client
    Proxy(ProxyOptions),
    /// Show what a link does: drawn from a model, or fitted to a trace
    Link(LinkOptions),
    /// Chat: lines are sent, `quit` or the end of input leaves
    Chat(ChatOptions),
    /// Print the JSON schema of scenarios, for editors, or of verdicts
    Schema {
        /// Of what
        #[arg(value_name = "FORM", default_value = "scenario")]
        form: Form,
    },
    /// Print a script that completes commands and options in a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// The folder of all pages
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What has a schema.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// Scenario files
    Scenario,
    /// What `check` and `compare` print with --format json
    Verdict,
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct TheoryOptions {
    /// How many clients, where they are many and alike: 10 to 1000000 [default: 1,000 to 10,000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) clients: Option<u32>,

    /// How long each run lasts, in virtual time: 0.01 to 1361 [default: 5 minutes to 8 days]
    #[arg(long, value_name = "HOURS", value_parser = hours, allow_negative_numbers = true)]
    pub(crate) hours: Option<f64>,

    /// How many times as long, up to 10000; where a run is one sample, as many runs
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) times: u32,

    /// How many experiments are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,
}

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
    #[arg(long, value_name = "WHEN", default_value = "deadline", value_parser = read_value::<Sweep>)]
    pub(crate) sweep: Sweep,

    /// Who beats: client, server or both
    #[arg(long, value_name = "WHO", default_value = "client", value_parser = read_value::<Heartbeat>)]
    pub(crate) heartbeat: Heartbeat,

    /// How often the server beats to each member, where it does
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

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct LinkOptions {
    /// The link: 'loss=ge(p=.01,r=.1),delay=exp(min=10ms,mean=30ms)' or @wifi,loss=2%
    #[arg(value_name = "LINK", required_unless_present = "fit", conflicts_with = "fit")]
    pub(crate) link: Option<String>,

    /// How many datagrams go over it
    #[arg(short, long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub(crate) number: u32,

    /// One datagram every so often
    #[arg(long, value_name = "SPAN", default_value = "20ms", value_parser = above_zero)]
    pub(crate) every: Span,

    /// Bytes of each datagram
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) size: u16,

    /// The direction, for links that differ and for the random numbers
    #[arg(long, value_name = "WAY", default_value = "up")]
    pub(crate) direction: Way,

    /// The seed of all verdicts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Write what was drawn as a trace: seq, sent_s, received_s
    #[arg(long, value_name = "FILE.csv", conflicts_with = "fit")]
    pub(crate) csv: Option<PathBuf>,

    /// Fit a link to a trace: a CSV file with seq, sent_s and received_s, or a capture of both ends
    #[arg(long, value_name = "FILE.csv|FILE.pcapng")]
    pub(crate) fit: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Way {
    /// From the client to the server
    Up,
    /// From the server to the client
    Down,
}

fn above_zero(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|e: skipbeat_core::TimeError| e.to_string())?;
    if span.is_zero() { Err("expected a span above zero".to_owned()) } else { Ok(span) }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours: &f64| (0.01..=1361.0).contains(hours));
    hours.ok_or_else(|| "expected a number of hours from 0.01 to 1361".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1e9);
    rate.ok_or_else(|| "expected a number above 0 and up to 1e9".to_owned())
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ChatOptions {
    /// The server
    #[arg(value_name = "ADDRESS")]
    pub(crate) server: SocketAddr,

    /// How often to beat
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = above_zero)]
    pub(crate) heartbeat: Span,

    /// Join explicitly: for servers that demand proof of the address, or whose rejoin is sticky
    #[arg(long)]
    pub(crate) join: bool,

    /// Ask for acks in both directions: texts are sent again until they arrive
    #[arg(long)]
    pub(crate) reliable: bool,

    /// Ask for a session: membership that outlives a NAT that forgets us, and that nobody else can
    /// end
    #[arg(long)]
    pub(crate) session: bool,

    /// A server that beats and is silent for longer is taken for gone
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub(crate) timeout: Span,
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct MergeOptions {
    /// The folders of the shares, all of them
    #[arg(value_name = "DIR", required = true)]
    pub(crate) shares: Vec<PathBuf>,

    /// The folder of the result files
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// How the summary on standard output looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ReportOptions {
    /// Folders of results
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<PathBuf>,

    /// The page [default: DIR/report.html, of several ./report.html]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Where a verdict goes beside standard output.
#[derive(Args)]
pub(crate) struct OutputOptions {
    /// Write JUnit XML: a case for each threshold and each judged metric that differs
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Write the figures as Bencher Metric Format
    #[arg(long, value_name = "FILE")]
    pub(crate) bmf: Option<PathBuf>,

    /// Write the figures of which more is better, for github-action-benchmark (customBiggerIsBetter)
    #[arg(long, value_name = "FILE")]
    pub(crate) bigger_is_better: Option<PathBuf>,

    /// Write the figures of which less is better, for github-action-benchmark (customSmallerIsBetter)
    #[arg(long, value_name = "FILE")]
    pub(crate) smaller_is_better: Option<PathBuf>,

    /// Write a Markdown summary, as for a pull request; `-` appends it to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// How the verdict on standard output looks; schemas/verdict.schema.json describes the JSON
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct CheckOptions {
    /// The scenario files
    #[arg(value_name = "SCENARIO.toml", required = true)]
    pub(crate) scenarios: Vec<PathBuf>,

    /// The folder of the baselines, one folder for each scenario in it. What is simulated has to be
    /// exactly as there; without it thresholds alone are judged
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,

    /// Changes that are smaller don't matter: 0.02, or 2% [default: any change matters]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "baseline")]
    pub(crate) min_effect: Option<f64>,

    /// Make what the scenarios come to now the baseline
    #[arg(long, requires = "baseline")]
    pub(crate) update: bool,

    /// Change a key of every scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<Setting>,

    /// The world: virtual time or real sockets [default: what each scenario says]
    #[arg(long, value_name = "WORLD")]
    pub(crate) mode: Option<World>,

    /// How many runs of a sweep are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// The folder of the results, one folder for each scenario in it
    #[arg(long, value_name = "DIR", default_value = "results/check")]
    pub(crate) out: PathBuf,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) outputs: OutputOptions,
}

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct CompareOptions {
    /// BASE and NEW, two folders of results; or, with --base-bin, the scenario
    #[arg(value_name = "BASE NEW | SCENARIO.toml", required = true, num_args = 1..=2)]
    pub(crate) what: Vec<PathBuf>,

    /// The binary that is compared with: a build of skipbeat, or, where the scenario has a `command`,
    /// a server that takes the place of its program
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) base_bin: Option<PathBuf>,

    /// The binary that is judged
    #[arg(long, value_name = "PROGRAM", requires = "base_bin", conflicts_with = "aa")]
    pub(crate) new_bin: Option<PathBuf>,

    /// Compare the base with itself: how often that is a false alarm, and the smallest effect that can
    /// be seen on this machine
    #[arg(long, requires = "base_bin")]
    pub(crate) aa: bool,

    /// How many pairs of runs, 6 or more. Of n pairs and m metrics the least p is m·2/2^n: 6 can show
    /// something of one metric, 9 of ten
    #[arg(long, value_name = "N", default_value_t = 20, requires = "base_bin",
        value_parser = clap::value_parser!(u32).range(6..=1000))]
    pub(crate) pairs: u32,

    /// The smallest change that matters: 0.02, or 2% [default: with binaries 2%, of folders any]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) min_effect: Option<f64>,

    /// What an earlier --aa wrote: what this machine can't see does not matter either
    #[arg(long, value_name = "FILE", requires = "base_bin")]
    pub(crate) noise: Option<PathBuf>,

    /// A metric that is judged, a column of summary.csv or server_ns_per_datagram, ns_per_datagram,
    /// peak_memory_bytes; may be given many times [default: delivery, latency, evictions, throughput,
    /// processor]
    #[arg(long, value_name = "NAME", requires = "base_bin")]
    pub(crate) metric: Vec<String>,

    /// Change a key of the scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE", requires = "base_bin")]
    pub(crate) set: Vec<Setting>,

    /// The world: virtual time or real sockets [default: what the scenario says]
    #[arg(long, value_name = "WORLD", requires = "base_bin")]
    pub(crate) mode: Option<World>,

    /// The folder of what comes of it [default: NEW, with binaries results/compare/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) outputs: OutputOptions,
}

impl OutputOptions {
    /// Whether a file is asked for.
    pub(crate) fn any_file(&self) -> bool {
        let files = [
            &self.junit,
            &self.bmf,
            &self.bigger_is_better,
            &self.smaller_is_better,
            &self.markdown,
        ];
        files.iter().any(|file| file.is_some())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|percent: f64| percent / 100.0),
        None => text.parse(),
    };
    let share = number.ok().filter(|share| *share > 0.0 && *share <= 10.0);
    share.ok_or_else(|| "expected a share above 0, like 0.02 or 2%".to_owned())
}

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

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum World {
    /// Deterministic virtual time
    Sim,
    /// Real UDP sockets
    Net,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: every metric
    Json,
}

impl From<World> for Mode {
    fn from(world: World) -> Self {
        match world {
            World::Sim => Mode::Sim,
            World::Net => Mode::Net,
        }
    }
}

/// By which calls datagrams go.
pub(crate) fn io(portable: bool) -> Io {
    if portable { Io::Portable } else { Io::default() }
}
