//! The plan: a scenario with every default filled in and everything checked.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skipbeat_core::{AddressPlan, Percentile, Roster, Seed, Span, Time, mix};
use skipbeat_link::LinkSchedule;
use skipbeat_measure::{Columns, Figures, Judged, Metric, PERCENTILES, Threshold};
use skipbeat_server::{Admission, EvictionTiming, Mechanism, Options, Rejoin};
use skipbeat_swarm::{Dialect, GroupOptions, SwarmOptions, TimedEvent, Transport};

use crate::error::ScenarioError;

/// A run, ready to be carried out: the resolved scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The name, also of the folder of the results.
    pub name: String,
    /// What the scenario shows.
    pub description: String,
    /// Virtual time or real sockets.
    pub mode: Mode,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Time at the beginning that is not measured.
    pub warmup: Span,
    /// The measured time. What is due in it counts.
    pub duration: Span,
    /// Time at the end that is not measured, in which datagrams and evictions of the measured time
    /// can finish.
    pub drain: Span,
    /// The server.
    pub server: ServerPlan,
    /// How the swarm uses sockets.
    pub swarm: SwarmPlan,
    /// The groups of clients.
    pub groups: Vec<Group>,
    /// The timed events of clients.
    pub events: Vec<TimedEvent>,
    /// How clients talk to a server with another protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// The conditions that metrics have to meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// If a threshold that is not met ends the run: how much of the measured time has to be over
    /// before it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Span>,
    /// What is written of the results.
    #[serde(skip_serializing_if = "Output::is_default")]
    pub output: Output,
}

/// What is written of the results.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// The percentiles of every distribution that are columns of `summary.csv`, `groups.csv` and
    /// `sweep.csv`, at least one; default `["p50", "p90", "p99", "p99.9"]`. A percentile that a
    /// threshold asks for is a column as well.
    #[schemars(length(min = 1))]
    pub percentiles: Vec<Percentile>,
}

impl Default for Output {
    fn default() -> Self {
        Output { percentiles: PERCENTILES.to_vec() }
    }
}

impl Output {
    fn is_default(&self) -> bool {
        *self == Output::default()
    }
}

/// Whether a scenario runs in virtual time or on real sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Deterministic virtual time.
    #[default]
    Sim,
    /// Real sockets.
    Net,
}

impl Mode {
    /// `sim` or `net`.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Sim => "sim",
            Mode::Net => "net",
        }
    }
}

/// The server under test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerPlan {
    /// Which server.
    pub target: Target,
    /// How it treats its members. For a foreign server these options say what to expect: how long
    /// evictions take, whether it evicts lazily, which side sends heartbeats.
    pub options: Options,
    /// Bytes of its socket's receive buffer; the largest possible where not given.
    pub receive_buffer: Option<usize>,
    /// Bytes of its socket's send buffer; the system's default where not given.
    pub send_buffer: Option<usize>,
    /// How the built-in server sends on real sockets.
    pub runtime: ServerRuntime,
    /// When the built-in server falls silent for the rest of the run, as in a crash.
    pub crash_at: Option<Span>,
}

/// How the built-in server sends on real sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ServerRuntime {
    /// How long a text may wait for others that go to the same members, so that they are sent
    /// together. Zero: only while the socket has more to read. Up to an hour.
    pub linger: Span,
    /// Datagrams to one member that are handed to the kernel as one message at most, 1 to 64, where
    /// kernel and network have segmentation offload (UDP_SEGMENT). One switches it off.
    pub coalesce: u32,
    /// Datagrams that may wait for a full send buffer. Further ones are counted and not sent, so
    /// that an overloaded server still hears its members.
    pub send_queue: u64,
}

impl Default for ServerRuntime {
    fn default() -> Self {
        ServerRuntime { linger: Span::ZERO, coalesce: 64, send_queue: 1 << 20 }
    }
}

/// Which server is under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Target {
    /// The built-in one.
    BuiltIn {
        /// Where it listens; port 0 leaves the choice to the system.
        listen: SocketAddr,
    },
    /// One that is already running.
    Address {
        /// Where it listens.
        address: SocketAddr,
    },
    /// One that the run starts and stops.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Where it will listen.
        address: SocketAddr,
    },
}

/// How the swarm uses real sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwarmPlan {
    /// How clients get their addresses.
    pub sockets: Sockets,
    /// Bytes of its sockets' receive buffers; the largest possible where not given.
    pub receive_buffer: Option<usize>,
    /// Bytes of its sockets' send buffers; the system's default where not given.
    pub send_buffer: Option<usize>,
    /// The address of the first client on shared sockets; the others follow. All of them must be
    /// local, as all of 127/8 is.
    pub addresses: Option<IpAddr>,
    /// Threads that read and send, each with a socket for its range of clients. With one, the
    /// thread that plays the clients does both.
    pub threads: u32,
    /// Whether datagrams that the server sent as one message are read as one (UDP_GRO).
    pub gro: bool,
    /// A run whose 99th percentile of lateness is above this is inconclusive.
    pub lateness_limit: Span,
}

/// How clients of a real swarm get their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sockets {
    /// Shared where the server is on a 127/8 address, else one per client.
    Auto,
    /// One socket for all; each client has its own 127/8 address at a common port.
    Shared,
    /// A socket per client; each client has its own port. Ends at the limit of open files.
    PerClient,
}

/// A group of clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its name, for `--set`, events and results.
    pub name: String,
    /// What its clients do.
    pub behaviour: GroupOptions,
    /// The links from its clients to the server.
    pub up: LinkSchedule,
    /// The links from the server to its clients.
    pub down: LinkSchedule,
}

impl Plan {
    /// The columns of its figures.
    pub fn columns(&self) -> Columns {
        let required: Vec<Metric> = self.thresholds.iter().map(|one| one.metric).collect();
        Columns::new(&self.output.percentiles, &required)
    }

    /// Judges the figures of the whole run and of its groups by the thresholds.
    pub fn judge(&self, whole: &Figures, groups: &[Figures]) -> Vec<Judged> {
        self.thresholds.iter().map(|threshold| threshold.judge(whole, groups)).collect()
    }

    /// The most clients of a run.
    pub const MOST_CLIENTS: u32 = AddressPlan::CAPACITY;

    /// Which clients belong to which group.
    pub fn roster(&self) -> Roster {
        Roster::new(self.groups.iter().map(|group| group.behaviour.clients))
    }

    /// Checks that the plan can run in its mode. `name` is the file, for messages.
    ///
    /// # Errors
    /// If a foreign server is to be simulated, or the TCP of the kernel to be impaired.
    pub fn check_mode(&self, name: &str) -> Result<(), ScenarioError> {
        if self.mode == Mode::Sim && !matches!(self.server.target, Target::BuiltIn { .. }) {
            let message = "a target runs in `net` only: the simulator has the built-in server";
            return Err(ScenarioError::whole(name, message));
        }
        let streams = self.groups.iter().filter(|g| g.behaviour.transport == Transport::Tcp);
        for Group { name: group, up, down, .. } in streams {
            let message = match self.mode {
                Mode::Sim => continue,
                Mode::Net if !(up.is_nothing() && down.is_nothing()) => format!(
                    "the kernel's TCP can't be impaired without privilege: no links and no events of \
                     links for group {group:?} in `net`, or run it in `sim`"
                ),
                Mode::Net if !matches!(self.server.target, Target::BuiltIn { .. }) => {
                    format!("group {group:?} talks TCP to the built-in server only")
                }
                Mode::Net => continue,
            };
            return Err(ScenarioError::whole(name, message));
        }
        Ok(())
    }

    /// The resolved scenario as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a plan has only text, numbers, lists and tables")
    }

    /// SHA-256 of the resolved scenario without its seed, in hexadecimal: runs with the same hash
    /// are replications of each other.
    pub fn hash(&self) -> String {
        let mut json = self.to_json();
        json.as_object_mut().expect("a plan is a table").remove("seed");
        Sha256::digest(json.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The number in the tags of this run's texts.
    pub fn run_id(&self) -> u16 {
        (mix(self.seed) >> 48) as u16
    }

    /// The seed of all random streams.
    pub fn seed(&self) -> Seed {
        Seed(self.seed)
    }

    /// The beginning of the measured time.
    pub fn measured_from(&self) -> Time {
        Time::ZERO + self.warmup
    }

    /// The end of the measured time.
    pub fn measured_to(&self) -> Time {
        self.measured_from() + self.duration
    }

    /// The end of the run.
    pub fn end(&self) -> Time {
        self.measured_to() + self.drain
    }

    /// The longest time that the eviction of a crashed client is expected to take: the longest
    /// silence, the period of looks, and the slowest last heartbeat. Lazy eviction has no bound:
    /// only the longest silence counts, and detection times are those seen before the end.
    pub fn detection_horizon(&self) -> Span {
        let look = match self.server.options.eviction {
            EvictionTiming::Every(period) => period,
            EvictionTiming::Deadline | EvictionTiming::Lazy => Span::ZERO,
        };
        let slowest = self.groups.iter().map(|group| group.up.nearly_longest()).max();
        self.server.options.longest_silence() + look + slowest.unwrap_or_default()
    }

    /// The options of the swarm.
    pub fn swarm_options(&self) -> SwarmOptions {
        SwarmOptions {
            groups: self.groups.iter().map(|group| group.behaviour.clone()).collect(),
            events: self.events.clone(),
            run: self.run_id(),
            join_explicitly: self.server.options.rejoin == Rejoin::Sticky
                && matches!(self.server.target, Target::BuiltIn { .. }),
            prove_address: self.server.options.admission == Admission::Cookie,
            numbered: self.server.options.detector.wants_numbers(),
            clients_beat: self.server.options.heartbeat != Mechanism::Server,
            server_timeout: (self.server.options.heartbeat.by_server())
                .then_some(self.server.options.timeout),
            end: self.end(),
        }
    }
}
