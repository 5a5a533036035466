//! `[[group]]`: a group of clients, and what they do. Rules between several keys are checked here.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use skipbeat_core::{Direction, ScalarOrTable, schema};
use skipbeat_link::{LinkOptions, LinkPreset, LinkSchedule, LinkTable};
use skipbeat_swarm::{Acks, Churn, GroupOptions, Heartbeat, Hostile, Transport};
use skipbeat_workload::{Chat, Name, Word, Workload};
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};
use crate::link_files::read_link_files;
use crate::name::{NAME, check_name};
use crate::plan::{Group, Plan};
use crate::preset::Defaults;

/// A group of clients.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = hostile_alone)]
pub(crate) struct GroupTable {
    /// Its name for `--set`, events and results: letters, digits, '-' and '_'. Names differ.
    #[schemars(with = "String", regex(pattern = NAME))]
    name: Spanned<String>,
    /// The number of clients, from 0.
    #[schemars(range(max = Plan::MOST_CLIENTS))]
    clients: u32,
    /// Whether they are members, which send heartbeats and get the texts to all; default `true`.
    /// Clients that only send samples or queries need not be members.
    #[schemars(with = "Option<bool>")]
    member: Option<Spanned<bool>>,
    /// When they send heartbeats; by the preset where not given.
    heartbeat: Option<Heartbeat>,
    /// The texts that they send, as a short form of `workload.chat`; none where neither is given.
    chat: Option<Chat>,
    /// What they do besides staying alive: a name, or a table with a name and its keys.
    #[schemars(with = "Option<ScalarOrTable<Name, Workload>>")]
    workload: Option<Spanned<ScalarOrTable<Name, Workload>>>,
    /// How their messages are carried; default `"udp"`. `"tcp"` is for chat and queries.
    #[schemars(with = "Option<TransportChoice>")]
    transport: Option<Spanned<TransportChoice>>,
    /// How they come and go by themselves; they do not where not given.
    #[serde(default)]
    churn: Churn,
    /// Which texts are acked, and repeated until they are; default `"none"`.
    #[serde(default)]
    acks: Acks,
    /// Whether they ask for a session, which keeps their membership through changes of address;
    /// default `false`.
    #[serde(default)]
    session: bool,
    /// These clients attack, and do nothing else.
    #[schemars(with = "Option<Hostile>")]
    hostile: Option<Spanned<Hostile>>,
    /// A kind of network, whose options `up` and `down` can change key by key.
    link: Option<LinkPreset>,
    /// The links from these clients to the server.
    #[serde(default)]
    up: LinkTable,
    /// The links from the server to these clients.
    #[serde(default)]
    down: LinkTable,
}

/// How messages are carried: a transport, and whether losses are repaired.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum TransportChoice {
    /// Each message in a datagram of its own.
    Udp,
    /// The same with `acks = "both"`: datagrams are acked, and repeated until they are.
    UdpAcks,
    /// All messages in a stream, with one connection for each client.
    Tcp,
}

/// Hostile clients do nothing else: see [`check_hostile`].
fn hostile_alone(schema: &mut Schema) {
    let nothing_else = json!({
        "member": { "const": true },
        "heartbeat": false,
        "chat": false,
        "workload": false,
        "churn": { "properties": { "crash": { "const": 0 }, "leave": { "const": 0 },
                                   "rebind": { "const": 0 }, "rejoin_after": false } },
        "transport": { "const": "udp" },
        "acks": { "const": "none" },
        "session": { "const": false },
    });
    let rule = json!({ "if": { "required": ["hostile"] }, "then": { "properties": nothing_else } });
    schema::also(schema, [rule]);
}

/// The groups of a scenario.
pub(crate) fn groups(
    tables: Vec<Spanned<GroupTable>>,
    defaults: &Defaults,
    report: &Reporter<'_>,
) -> Result<Vec<Group>, ScenarioError> {
    if tables.is_empty() {
        return Err(ScenarioError::whole(
            report.name,
            "no group of clients: expected at least one [[group]] with `name` and `clients`",
        ));
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut clients = 0u64;
    for table in tables {
        let span = table.span();
        let table = table.into_inner();
        check_name(&table.name, "--set finds groups by it", report)?;
        if groups.iter().any(|group| group.name == *table.name.get_ref()) {
            let message = format!("there is a group {:?} already", table.name.get_ref());
            return Err(report.at(&table.name, message));
        }
        let preset = table.link;
        let table_base = |direction| match preset {
            Some(preset) => preset.options(direction),
            None => LinkOptions::default(),
        };
        let behaviour = behaviour(&table, defaults, report)?;
        clients += u64::from(table.clients) + u64::from(behaviour.forged_addresses());
        if clients > u64::from(Plan::MOST_CLIENTS) {
            let message =
                format!("more than {} clients and forged addresses in all", Plan::MOST_CLIENTS);
            return Err(report.within(span, message));
        }
        let schedule = |table: LinkTable, direction| {
            let base = table_base(direction);
            read_link_files(table.over(base), span.clone(), report).map(LinkSchedule::from)
        };
        groups.push(Group {
            name: table.name.into_inner(),
            behaviour,
            up: schedule(table.up, Direction::Up)?,
            down: schedule(table.down, Direction::Down)?,
        });
    }
    Ok(groups)
}

/// What the clients of a group do.
fn behaviour(
    table: &GroupTable,
    defaults: &Defaults,
    report: &Reporter<'_>,
) -> Result<GroupOptions, ScenarioError> {
    let choice = table.transport.as_ref().map_or(TransportChoice::Udp, |t| *t.get_ref());
    if let (Some(transport), TransportChoice::UdpAcks) = (&table.transport, choice)
        && table.acks != Acks::None
    {
        return Err(report.at(transport, "\"udp-acks\" is `acks = \"both\"`: no `acks` beside it"));
    }
    let acks = if choice == TransportChoice::UdpAcks { Acks::Both } else { table.acks };
    let stream = choice == TransportChoice::Tcp;
    let behaviour = GroupOptions {
        clients: table.clients,
        member: table.member.as_ref().is_none_or(|member| *member.get_ref()),
        heartbeat: table.heartbeat.unwrap_or(defaults.heartbeat),
        workload: workload(table.chat, table.workload.as_ref(), acks, report)?,
        transport: if stream { Transport::Tcp } else { Transport::Udp },
        churn: table.churn,
        acks,
        session: table.session,
        hostile: table.hostile.as_ref().map(|hostile| *hostile.get_ref()),
    };
    if let Some(hostile) = &table.hostile {
        check_hostile(table, &behaviour, hostile, report)?;
    }
    if let Some(transport) = table.transport.as_ref().filter(|_| stream) {
        check_stream(&behaviour, transport, report)?;
    }
    if let Some(member) = table.member.as_ref().filter(|_| !behaviour.member) {
        check_stranger(table, &behaviour, member, report)?;
    }
    Ok(behaviour)
}

/// Hostile clients do nothing else.
fn check_hostile(
    table: &GroupTable,
    group: &GroupOptions,
    hostile: &Spanned<Hostile>,
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let honest = table.heartbeat.is_some()
        || group.workload.is_some()
        || group.churn != Churn::default()
        || group.acks != Acks::None
        || group.transport != Transport::Udp
        || group.session;
    if honest {
        let message = "hostile clients do nothing else: no `heartbeat`, `chat`, `workload`, \
                       `transport`, `churn`, `acks` or `session` beside it";
        return Err(report.at(hostile, message));
    }
    Ok(())
}

/// A client that is not meant to be a member sends nothing that would make it one.
fn check_stranger(
    table: &GroupTable,
    group: &GroupOptions,
    member: &Spanned<bool>,
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let talks = group.workload.is_some_and(|work| matches!(work.saying().word, Word::Text));
    let stays = table.heartbeat.is_some() || group.acks != Acks::None || group.session;
    if talks || stays || group.hostile.is_some() {
        let message = "who is no member has no `heartbeat`, `acks` or `session`, says no texts and \
                       is not hostile";
        return Err(report.at(member, message));
    }
    Ok(())
}

/// A stream is for workloads that exist with both transports, and needs no repair of losses.
fn check_stream(
    group: &GroupOptions,
    transport: &Spanned<TransportChoice>,
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let fits = group.workload.is_none_or(|w| matches!(w, Workload::chat(_) | Workload::query(_)));
    let message = if !fits {
        "`transport = \"tcp\"` is for the workloads chat and query"
    } else if group.acks != Acks::None || group.session || group.churn.rebind > 0.0 {
        "a connection acks by itself, and ends with its address: no `acks`, `session` or `rebind`"
    } else {
        return Ok(());
    };
    Err(report.at(transport, message))
}

/// The workload of a group. A `chat` beside `workload = "chat"` gives its keys.
fn workload(
    chat: Option<Chat>,
    workload: Option<&Spanned<ScalarOrTable<Name, Workload>>>,
    acks: Acks,
    report: &Reporter<'_>,
) -> Result<Option<Workload>, ScenarioError> {
    let Some(given) = workload else { return Ok(chat.map(Workload::chat)) };
    let workload = match (chat, given.get_ref()) {
        (None, ScalarOrTable::Scalar(name)) => Workload::from(*name),
        (None, ScalarOrTable::Table(workload)) => *workload,
        (Some(chat), ScalarOrTable::Scalar(Name::chat)) => Workload::chat(chat),
        (Some(_), _) => {
            let message = "a group has one workload: expected `workload` or `chat`";
            return Err(report.at(given, message));
        }
    };
    if acks.up() && !matches!(workload.saying().word, Word::Text) {
        let message =
            "`acks` of what clients say are for texts: expected `acks` = \"down\" or none";
        return Err(report.at(given, message));
    }
    Ok(Some(workload))
}
