//! The `[server]` table: which server, how it treats its members, how it sends.

use std::net::SocketAddr;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use skipbeat_core::{Span, schema};
use skipbeat_server::{
    Admission, DetectorOptions, EvictionTiming, Limits, Mechanism, Options, Rejoin,
};
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};
use crate::plan::{ServerPlan, ServerRuntime, Target};
use crate::preset::Defaults;

/// The longest `linger`.
const LONGEST_LINGER: Span = Span::from_secs(3600);

/// The server under test. For a foreign server the keys say what to expect of it.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = rules_between_keys)]
pub(crate) struct ServerTable {
    /// Where the built-in server listens in `net`: IP and port; default `"127.0.0.1:0"`, any free
    /// port.
    #[schemars(with = "Option<SocketAddr>", extend("pattern" = ADDRESS))]
    listen: Option<Spanned<SocketAddr>>,
    /// The address of a foreign server: IP and port. In `net` only.
    #[schemars(extend("pattern" = ADDRESS))]
    target: Option<SocketAddr>,
    /// Program and arguments of a server that the run starts and stops. It needs `target`.
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    command: Option<Spanned<Vec<String>>>,
    /// Which side sends heartbeats; default `"client"`, or by the preset.
    heartbeat: Option<Mechanism>,
    /// How often the server sends a heartbeat to each member, if it does; above zero, default
    /// `"5s"` or by the preset.
    #[schemars(with = "Option<Span>", transform = schema::above_zero)]
    heartbeat_every: Option<Spanned<Span>>,
    /// How silence is judged; default `"timeout"`, or by the preset.
    detector: Option<DetectorOptions>,
    /// When the built-in server falls silent for the rest of the run. Not given: never.
    crash_at: Option<Span>,
    /// Who may become a member; default `"open"`.
    admission: Admission,
    /// How much clients may ask; no limits where not given.
    limits: Limits,
    /// A member is evicted when it has been silent for longer; above zero, default `"10s"` or by
    /// the preset. Twice the heartbeat period is a knife edge.
    #[schemars(with = "Option<Span>", transform = schema::above_zero)]
    timeout: Option<Spanned<Span>>,
    /// When the server looks for silent members: `"deadline"` (default), `"lazy"` or a period.
    eviction: Option<EvictionTiming>,
    /// The old name of `eviction`.
    #[schemars(with = "Option<EvictionTiming>", extend("deprecated" = true))]
    sweep: Option<Spanned<EvictionTiming>>,
    /// What makes an evicted client a member again; default `"auto"`.
    rejoin: Option<Rejoin>,
    /// Longer datagrams of clients are refused: bytes, 64 to 65,507; default 1024.
    #[schemars(with = "Option<usize>", range(min = 64, max = 65_507))]
    max_datagram: Option<Spanned<usize>>,
    /// The least length of the answer to a query in bytes, up to 65,000; default 64. The built-in
    /// server pads the key to it.
    #[schemars(with = "Option<usize>", range(max = 65_000))]
    value_size: Option<Spanned<usize>>,
    /// Bytes asked for the receive buffer of the built-in server's socket, up to 2,147,483,647. Not
    /// given: the largest possible.
    receive_buffer: Option<BufferSize>,
    /// Bytes asked for the send buffer of the same socket, up to 2,147,483,647. Not given: the
    /// system's default.
    send_buffer: Option<BufferSize>,
    /// How long a text may wait for others that go to the same members, up to an hour; default
    /// `"0s"`: only while the socket has more to read.
    #[schemars(with = "Option<Span>")]
    linger: Option<Spanned<Span>>,
    /// The most datagrams to one member that are sent as one message, 1 to 64; default 64.
    #[schemars(with = "Option<u32>", range(min = 1, max = 64))]
    coalesce: Option<Spanned<u32>>,
    /// Datagrams that may wait for a full send buffer, from 1; default 1,048,576.
    #[schemars(with = "Option<u64>", range(min = 1))]
    send_queue: Option<Spanned<u64>>,
}

/// An IP address and a port; the range of their numbers is not checked.
const ADDRESS: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+(%[0-9]+)?\]):[0-9]{1,5}$";

/// The rules of [`server`] between keys.
fn rules_between_keys(schema: &mut Schema) {
    let together = json!({ "if": { "required": ["command"] }, "then": { "required": ["target"] } });
    let either = json!({ "not": { "required": ["listen", "target"] } });
    let one_name = json!({ "not": { "required": ["eviction", "sweep"] } });
    schema::also(schema, [together, either, one_name]);
}

/// Bytes of a socket's buffer, up to what the kernel's interface can say.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
#[schemars(inline, extend("maximum" = i32::MAX))]
pub(crate) struct BufferSize(pub(crate) usize);

impl TryFrom<u64> for BufferSize {
    type Error = &'static str;

    fn try_from(bytes: u64) -> Result<Self, &'static str> {
        let size = i32::try_from(bytes).ok().and_then(|bytes| usize::try_from(bytes).ok());
        size.map(BufferSize).ok_or("expected up to 2147483647 bytes")
    }
}

/// Makes the plan of the server.
pub(crate) fn server(
    table: ServerTable,
    defaults: &Defaults,
    report: &Reporter<'_>,
) -> Result<ServerPlan, ScenarioError> {
    let ordinary = Options::default();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let target = match (table.target, table.command) {
        (Some(_), _) if table.listen.is_some() => {
            let listen = table.listen.expect("it was just seen");
            let message = "`listen` is for the built-in server, `target` for another one";
            return Err(report.at(&listen, message));
        }
        (None, None) => {
            Target::BuiltIn { listen: table.listen.map_or(anywhere, Spanned::into_inner) }
        }
        (Some(address), None) => Target::Address { address },
        (None, Some(command)) => {
            let message = "a command needs `target`, the address that it will listen on";
            return Err(report.at(&command, message));
        }
        (Some(address), Some(command)) if !command.get_ref().is_empty() => {
            Target::Command { command: command.into_inner(), address }
        }
        (Some(_), Some(command)) => return Err(report.at(&command, "expected a program to start")),
    };
    if let Some(timeout) = table.timeout.as_ref().filter(|timeout| timeout.get_ref().is_zero()) {
        return Err(report.at(timeout, "expected a timeout above zero"));
    }
    let longest = |bytes: &usize| (64..=65_507).contains(bytes);
    if let Some(bytes) = table.max_datagram.as_ref().filter(|bytes| !longest(bytes.get_ref())) {
        return Err(report.at(bytes, "expected 64 to 65507 bytes"));
    }
    if let Some(bytes) = table.value_size.as_ref().filter(|bytes| *bytes.get_ref() > 65_000) {
        return Err(report.at(bytes, "expected up to 65000 bytes"));
    }
    if let Some(every) = table.heartbeat_every.as_ref().filter(|every| every.get_ref().is_zero()) {
        return Err(report.at(every, "expected a period above zero"));
    }
    let eviction = match (table.eviction, table.sweep) {
        (Some(_), Some(old)) => {
            return Err(
                report.at(&old, "`sweep` is the old name of `eviction`: expected one of them")
            );
        }
        (eviction, old) => eviction.or(old.map(Spanned::into_inner)),
    };
    let options = Options {
        heartbeat: table.heartbeat.unwrap_or(defaults.mechanism),
        heartbeat_every: (table.heartbeat_every)
            .map_or(defaults.heartbeat.every, Spanned::into_inner),
        detector: table.detector.unwrap_or(defaults.detector),
        timeout: table.timeout.map_or(defaults.timeout, Spanned::into_inner),
        eviction: eviction.unwrap_or(ordinary.eviction),
        rejoin: table.rejoin.unwrap_or(ordinary.rejoin),
        admission: table.admission,
        limits: table.limits,
        max_datagram: table.max_datagram.map_or(ordinary.max_datagram, Spanned::into_inner),
        value_size: table.value_size.map_or(ordinary.value_size, Spanned::into_inner),
    };
    if let Some(contradiction) = options.contradiction() {
        return Err(ScenarioError::whole(report.name, contradiction));
    }
    Ok(ServerPlan {
        target,
        options,
        receive_buffer: table.receive_buffer.map(|size| size.0),
        send_buffer: table.send_buffer.map(|size| size.0),
        runtime: runtime(table.linger, table.coalesce, table.send_queue, report)?,
        crash_at: table.crash_at,
    })
}

/// How the built-in server sends on real sockets.
fn runtime(
    linger: Option<Spanned<Span>>,
    coalesce: Option<Spanned<u32>>,
    send_queue: Option<Spanned<u64>>,
    report: &Reporter<'_>,
) -> Result<ServerRuntime, ScenarioError> {
    let ordinary = ServerRuntime::default();
    if let Some(linger) = linger.as_ref().filter(|linger| *linger.get_ref() > LONGEST_LINGER) {
        return Err(report.at(linger, format!("expected up to {LONGEST_LINGER}")));
    }
    if let Some(coalesce) = coalesce.as_ref().filter(|n| !(1..=64).contains(n.get_ref())) {
        return Err(report.at(coalesce, "expected 1 to 64 datagrams"));
    }
    if let Some(none) = send_queue.as_ref().filter(|n| *n.get_ref() == 0) {
        return Err(report.at(none, "expected at least one datagram"));
    }
    Ok(ServerRuntime {
        linger: linger.map_or(ordinary.linger, Spanned::into_inner),
        coalesce: coalesce.map_or(ordinary.coalesce, Spanned::into_inner),
        send_queue: send_queue.map_or(ordinary.send_queue, Spanned::into_inner),
    })
}
