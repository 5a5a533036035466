//! The tables of a scenario file as serde reads them, and how a document becomes a plan. Rules
//! between several keys are checked here.

use std::net::IpAddr;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use skipbeat_core::{Span, schema};
use skipbeat_server::Admission;
use skipbeat_swarm::{Acks, ClientEvent, Dialect, GroupOptions, Transport};
use skipbeat_workload::Word;
use toml::Spanned;

use crate::Setting;
use crate::error::{Reporter, ScenarioError};
use crate::event::{EventTable, events};
use crate::group::{GroupTable, groups};
use crate::name::{NAME, check_name};
use crate::plan::{Group, Mode, Output, Plan, ServerPlan, Sockets, SwarmPlan, Target};
use crate::preset::Preset;
use crate::ramp::RampTable;
use crate::server::{BufferSize, ServerTable, server};
use crate::sweep::SweepTable;
use crate::thresholds::ThresholdTable;

/// A test of a server under heartbeats, impaired links and churn, with the results it has to reach.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = whole)]
pub(crate) struct Document {
    /// Letters, digits, '-' and '_'. The results go to `results/NAME`.
    #[schemars(with = "String", regex(pattern = NAME))]
    name: Spanned<String>,
    /// What the scenario shows; it is a line in the summary. Default: empty.
    #[serde(default)]
    description: String,
    /// Virtual time or real sockets; default `"sim"`. A `server.target` needs `"net"`.
    #[serde(default)]
    mode: Mode,
    /// The seed of all random numbers: a whole number from 0, default 1.
    #[serde(default)]
    seed: Option<u64>,
    /// A real system, whose heartbeat, timeout and detector become the defaults; default
    /// `"tutorial"`.
    #[serde(default)]
    preset: Preset,
    /// Time at the beginning that is not measured; default `"0s"`. Give it at least one heartbeat
    /// period, with the jitter and the delay.
    #[serde(default)]
    warmup: Span,
    /// The measured time, above zero. What is due in it counts.
    #[schemars(with = "Span", transform = schema::above_zero)]
    duration: Spanned<Span>,
    /// How long the run continues after the measured time; default `"2s"`. All crashes are detected
    /// if it is longer than `timeout` and the period of `eviction`.
    drain: Option<Span>,
    /// The server under test: the built-in one, or another at `target`.
    #[serde(default)]
    server: ServerTable,
    /// How the swarm uses sockets. It has no effect in `sim`.
    #[serde(default)]
    swarm: SwarmTable,
    /// Groups of clients, at least one.
    #[serde(default)]
    #[schemars(with = "Vec<GroupTable>", length(min = 1))]
    group: Vec<Spanned<GroupTable>>,
    /// What happens to groups and their links at stated times.
    #[serde(default)]
    #[schemars(with = "Vec<EventTable>")]
    event: Vec<Spanned<EventTable>>,
    /// Runs the scenario for each combination of values, with replications.
    #[serde(default)]
    #[expect(dead_code, reason = "it is read here so that its mistakes are found with the others")]
    sweep: Option<SweepTable>,
    /// Raises one key step by step until a threshold is not met. It needs `[thresholds]`.
    #[serde(default)]
    #[expect(dead_code, reason = "as above")]
    ramp: Option<RampTable>,
    /// The results that the run has to reach: metrics and their conditions.
    #[serde(default)]
    thresholds: ThresholdTable,
    /// What is written of the results.
    #[schemars(with = "Option<Output>")]
    output: Option<Spanned<Output>>,
    /// How clients talk to a server with another protocol. It needs `server.target`.
    #[schemars(with = "Option<Dialect>")]
    dialect: Option<Spanned<Dialect>>,
}

/// How the swarm uses sockets.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SwarmTable {
    /// How clients get their addresses; default `"auto"`.
    sockets: Option<Sockets>,
    /// Bytes asked for each of its sockets' receive buffers, up to 2,147,483,647. Not given: the
    /// shared socket's is the largest possible.
    receive_buffer: Option<BufferSize>,
    /// Bytes asked for each of its sockets' send buffers, up to 2,147,483,647. Not given: the
    /// system's default.
    send_buffer: Option<BufferSize>,
    /// The address of the first client on shared sockets, default 127.1.0.0; the others follow. All
    /// of them must be local.
    #[schemars(extend("pattern" = IP))]
    addresses: Option<IpAddr>,
    /// Threads that read and send, 1 to 64; default 1. More are of use on more than two cores.
    #[schemars(with = "Option<u32>", range(min = 1, max = 64))]
    threads: Option<Spanned<u32>>,
    /// Whether datagrams that were sent as one message are read as one (UDP_GRO); default `false`.
    gro: bool,
    /// A run is inconclusive when the 99th percentile of the lateness is above this; default
    /// `"100ms"`.
    lateness_limit: Option<Span>,
}

/// An IPv4 or IPv6 address; the range of its numbers is not checked.
const IP: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$";

/// The rules of [`resolve`] for the whole document.
fn whole(schema: &mut Schema) {
    schema::require(schema, "group");
    let rules = [
        json!({
            "if": { "required": ["dialect"] },
            "then": { "required": ["server"], "properties": { "server": { "required": ["target"] } } },
        }),
        json!({ "if": { "required": ["ramp"] }, "then": { "required": ["thresholds"] } }),
    ];
    schema::also(schema, rules);
}

impl Plan {
    /// Reads a scenario from a text, with settings applied. `name` is the file, for messages.
    ///
    /// ```
    /// use skipbeat_scenario::Plan;
    ///
    /// let text = r#"
    ///     name = "example"
    ///     duration = "10s"
    ///
    ///     [[group]]
    ///     name = "phones"
    ///     clients = 100
    /// "#;
    /// let plan = Plan::parse("example.toml", text, &["group.phones.up.loss=5%".parse()?]).unwrap();
    /// assert_eq!(plan.groups[0].up.options.loss.model.mean(), Some(0.05));
    ///
    /// let mistake = Plan::parse("example.toml", &text.replace("10s", "10"), &[]).unwrap_err();
    /// assert!(mistake.to_string().starts_with("example.toml:3:"), "{mistake}");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the scenario, and where.
    pub fn parse(name: &str, text: &str, settings: &[Setting]) -> Result<Self, ScenarioError> {
        if settings.is_empty() {
            return read(name, text);
        }
        let changed = Setting::apply_all(settings, name, text)?;
        read(name, &changed).map_err(|error| {
            // A mistake that the file has without --set is shown in the file.
            match read(name, text) {
                Err(in_file) if in_file.message == error.message => in_file,
                _ => error.of_settings(&Setting::list(settings)),
            }
        })
    }
}

/// Reads a document and makes it a plan.
fn read(name: &str, text: &str) -> Result<Plan, ScenarioError> {
    let document: Document = toml::from_str(text)
        .map_err(|e| ScenarioError::at(name, text, e.span(), e.message().replace('\n', ", ")))?;
    resolve(document, &Reporter { name, text })
}

fn resolve(document: Document, report: &Reporter<'_>) -> Result<Plan, ScenarioError> {
    let Document { warmup, duration, drain, .. } = &document;
    let drain = drain.unwrap_or(Span::from_secs(2));
    if duration.get_ref().is_zero() {
        return Err(report.at(duration, "expected a duration above zero"));
    }
    let wrong = |threads: &&Spanned<u32>| !(1..=64).contains(threads.get_ref());
    if let Some(threads) = document.swarm.threads.as_ref().filter(wrong) {
        return Err(report.at(threads, "expected 1 to 64 threads"));
    }
    let run = *warmup + *duration.get_ref() + drain;
    if run > LONGEST_RUN {
        let message = format!("a run of {run} is too long, expected up to {LONGEST_RUN} in all");
        return Err(report.at(duration, message));
    }
    check_name(&document.name, "results go to a folder of that name", report)?;
    let defaults = document.preset.defaults();
    let mut groups = groups(document.group, &defaults, report)?;
    let events = events(document.event, &mut groups, run, report)?;
    let moves = groups.iter().any(|group| group.behaviour.churn.rebind > 0.0)
        || events.iter().any(|event| event.happening == ClientEvent::Rebind);
    let taken = groups.iter().map(|g| g.behaviour.clients + g.behaviour.forged_addresses());
    if moves && taken.sum::<u32>() > Plan::MOST_CLIENTS / 2 {
        let message = "too many clients that addresses would be left for those that change theirs";
        return Err(ScenarioError::whole(report.name, message));
    }
    let server = server(document.server, &defaults, report)?;
    if let Some(dialect) = &document.dialect {
        check_dialect(dialect, &server, &groups, report)?;
    }
    let (thresholds, abort) = document.thresholds.resolve(&groups, report)?;
    let nothing = |output: &&Spanned<Output>| output.get_ref().percentiles.is_empty();
    if let Some(output) = document.output.as_ref().filter(nothing) {
        return Err(report.at(output, "expected at least one percentile such as \"p99\""));
    }
    Ok(Plan {
        name: document.name.into_inner(),
        description: document.description,
        mode: document.mode,
        seed: document.seed.unwrap_or(1),
        warmup: document.warmup,
        duration: document.duration.into_inner(),
        drain,
        server,
        swarm: SwarmPlan {
            sockets: document.swarm.sockets.unwrap_or(Sockets::Auto),
            receive_buffer: document.swarm.receive_buffer.map(|size| size.0),
            send_buffer: document.swarm.send_buffer.map(|size| size.0),
            addresses: document.swarm.addresses,
            threads: document.swarm.threads.map_or(1, Spanned::into_inner),
            gro: document.swarm.gro,
            lateness_limit: document.swarm.lateness_limit.unwrap_or(Span::from_millis(100)),
        },
        groups,
        events,
        thresholds,
        abort,
        output: document.output.map(Spanned::into_inner).unwrap_or_default(),
        dialect: document.dialect.map(Spanned::into_inner),
    })
}

/// A dialect has words for heartbeats, messages and leaving, and for nothing else.
fn check_dialect(
    dialect: &Spanned<Dialect>,
    server: &ServerPlan,
    groups: &[Group],
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let more = |group: &Group| {
        let GroupOptions { acks, session, hostile, workload, transport, .. } = &group.behaviour;
        let says = workload.is_some_and(|work| !matches!(work.saying().word, Word::Text))
            || *transport == Transport::Tcp;
        *acks != Acks::None || *session || hostile.is_some() || says
    };
    let options = &server.options;
    let message = if matches!(server.target, Target::BuiltIn { .. }) {
        "a dialect is for a server that is not ours: expected `target` in [server]"
    } else if let Some(contradiction) = dialect.get_ref().contradiction() {
        contradiction
    } else if groups.iter().any(more)
        || options.heartbeat.by_server()
        || options.admission != Admission::Open
    {
        "a dialect has no words for samples, queries, streams, `acks`, `session`, `hostile`, \
         `admission` or heartbeats of the \
         server"
    } else {
        return Ok(());
    };
    Err(report.at(dialect, message))
}

/// The longest run. A run keeps a row in memory for each of its seconds.
const LONGEST_RUN: Span = Span::from_secs(5_000_000);
