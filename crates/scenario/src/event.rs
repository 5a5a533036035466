//! `[[event]]`: what happens to a group or to its links at a stated time.

use std::ops::Range;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;
use skipbeat_core::{Span, schema};
use skipbeat_link::{LinkTable, Outage, OutageKind};
use skipbeat_swarm::{Amount, ClientEvent, TimedEvent, Transport};
use toml::Spanned;

use crate::error::{Reporter, ScenarioError};
use crate::link_files::read_link_files;
use crate::plan::Group;

/// Something that happens to part of a group, once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_event)]
pub(crate) struct EventTable {
    /// When it happens, from the beginning of the run with its warm-up; before the end of the run.
    #[schemars(with = "Span")]
    at: Spanned<Span>,
    /// The name of a group.
    #[schemars(with = "String")]
    group: Spanned<String>,
    /// How many of the clients that are up crash. They are drawn at random.
    crash: Option<Amount>,
    /// How many of the clients that are up leave.
    leave: Option<Amount>,
    /// How many of the clients that are not up start. They send a heartbeat at once.
    join: Option<Amount>,
    /// How many of the clients that are up change their address.
    rebind: Option<Amount>,
    /// Links that lose everything, until `heal` or the end of the run.
    partition: Option<LinkDirection>,
    /// Links whose `partition` ends.
    heal: Option<LinkDirection>,
    /// Links that keep everything back, until `release` or the end of the run.
    clog: Option<LinkDirection>,
    /// Links whose `clog` ends.
    release: Option<LinkDirection>,
    /// New values for keys of the links from the clients.
    up: Option<LinkTable>,
    /// New values for keys of the links to the clients.
    down: Option<LinkTable>,
}

/// Which links of a group.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LinkDirection {
    /// Those from the clients to the server.
    Up,
    /// Those from the server to the clients.
    Down,
    /// Both.
    Both,
}

/// The rule of [`EventTable::what`]; `up` and `down` together count as one thing.
fn one_event(schema: &mut Schema) {
    let single = ["crash", "leave", "join", "rebind", "partition", "heal", "clog", "release"];
    let single = single.map(|key| json!({ "required": [key] }));
    let links = json!({ "anyOf": [{ "required": ["up"] }, { "required": ["down"] }] });
    let all: Vec<_> = single.into_iter().chain([links]).collect();
    schema::also(schema, [json!({ "oneOf": all })]);
}

/// The events of the clients, in the order of the file. Those of links become part of the groups'
/// schedules.
pub(crate) fn events(
    tables: Vec<Spanned<EventTable>>,
    groups: &mut [Group],
    run: Span,
    report: &Reporter<'_>,
) -> Result<Vec<TimedEvent>, ScenarioError> {
    let mut of_clients = Vec::new();
    let mut of_links = Vec::new();
    for table in tables {
        let EventTable { at, group, .. } = table.get_ref();
        let index = groups.iter().position(|known| known.name == *group.get_ref());
        let Some(index) = index else {
            let known: Vec<_> = groups.iter().map(|group| format!("{:?}", group.name)).collect();
            let message =
                format!("unknown group {:?}, expected {}", group.get_ref(), known.join(" or "));
            return Err(report.at(group, message));
        };
        if *at.get_ref() >= run {
            let message = format!("the event is not before the end of the run at {run}");
            return Err(report.at(at, message));
        }
        let at = *at.get_ref();
        match table.get_ref().what() {
            Some(What::Clients(happening, amount)) => {
                let stream = groups[index].behaviour.transport == Transport::Tcp;
                if stream && happening == ClientEvent::Rebind {
                    return Err(report.at(group, "a connection ends with its address: no `rebind`"));
                }
                if groups[index].behaviour.hostile.is_some() {
                    let message = "nothing but their links happens to hostile clients";
                    return Err(report.at(group, message));
                }
                of_clients.push(TimedEvent { at, group: index, happening, amount });
            }
            Some(What::Links) => of_links.push((at, index, table)),
            None => {
                let message = "expected exactly one of `crash`, `leave`, `join`, `rebind`, \
                               `partition`, `heal`, `clog`, `release`, or `up` and `down`";
                return Err(report.at(&table, message));
            }
        }
    }
    of_links.sort_by_key(|(at, ..)| *at);
    for (at, index, table) in of_links {
        let span = table.span();
        link_event(table.into_inner(), at, &mut groups[index], run, span, report)?;
    }
    Ok(of_clients)
}

/// What an event is about.
enum What {
    Clients(ClientEvent, Amount),
    Links,
}

impl EventTable {
    /// What happens, if it is one thing.
    fn what(&self) -> Option<What> {
        let events = [
            (ClientEvent::Crash, self.crash),
            (ClientEvent::Leave, self.leave),
            (ClientEvent::Join, self.join),
            (ClientEvent::Rebind, self.rebind),
        ];
        let mut clients = events.into_iter().filter_map(|(what, amount)| Some((what, amount?)));
        let ways = [self.partition, self.heal, self.clog, self.release];
        let links =
            ways.iter().flatten().count() + usize::from(self.up.is_some() || self.down.is_some());
        match (clients.next(), clients.next(), links) {
            (Some((what, amount)), None, 0) => Some(What::Clients(what, amount)),
            (None, None, 1) => Some(What::Links),
            _ => None,
        }
    }
}

/// Adds an event to the links of a group. Events have to come in order of time.
fn link_event(
    event: EventTable,
    at: Span,
    group: &mut Group,
    run: Span,
    span: Range<usize>,
    report: &Reporter<'_>,
) -> Result<(), ScenarioError> {
    let EventTable { partition, heal, clog, release, up, down, .. } = event;
    for (schedule, own, table) in
        [(&mut group.up, LinkDirection::Up, up), (&mut group.down, LinkDirection::Down, down)]
    {
        let here = |which: Option<LinkDirection>| {
            which.is_some_and(|which| which == own || which == LinkDirection::Both)
        };
        for (begins, ends, kind) in
            [(partition, heal, OutageKind::Partition), (clog, release, OutageKind::Clog)]
        {
            if here(begins) {
                // Without an end it lasts to the end of the run.
                schedule.outages.push(Outage { kind, from: at, to: run });
            }
            if here(ends) {
                let open = |o: &&mut Outage| o.kind == kind && o.to == run;
                if schedule.outages.iter_mut().filter(open).map(|o| o.to = at).count() == 0 {
                    let message = "there is nothing to end: expected a `partition` before `heal`, a \
                                   `clog` before `release`, of the same links";
                    return Err(report.within(span, message));
                }
            }
        }
        if let Some(table) = table {
            let now = schedule.changes.last().map_or(&schedule.options, |(_, options)| options);
            let options = read_link_files(table.over(now.clone()), span.clone(), report)?;
            schedule.changes.push((at, options));
        }
    }
    Ok(())
}
