//! The CSV files, column by column. An undefined figure is an empty cell.

use std::io::{self, Write};

use skipbeat_core::Direction;
use skipbeat_link::Cause;
use skipbeat_measure::{Figures, METRICS, Results};
use skipbeat_scenario::{Plan, Run};

use crate::links::link_rows;

pub(crate) fn writer(out: &mut impl Write) -> csv::Writer<&mut dyn Write> {
    csv::Writer::from_writer(out as &mut dyn Write)
}

pub(crate) fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |value: f64| value.to_string())
}

/// The columns that say which run a row is of.
const RUN_COLUMNS: [&str; 5] = ["scenario", "mode", "seed", "point", "replication"];

fn run_cells(run: &Run) -> impl Iterator<Item = String> {
    let cells = [
        run.plan.name.clone(),
        run.plan.mode.name().to_owned(),
        run.plan.seed.to_string(),
        run.point.to_string(),
        run.replication.to_string(),
    ];
    cells.into_iter().chain(run.values.iter().map(|value| plain(value).to_owned()))
}

/// A value of the scenario without the quotes that TOML wants around a text.
pub(crate) fn plain(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn metric_cells(figures: &Figures) -> impl Iterator<Item = String> + '_ {
    figures.iter().map(|(_, value)| number(value))
}

/// A run and its figures, of the whole and by group.
pub(crate) type Row<'a> = (&'a Run, &'a Figures, &'a [Figures]);

pub(crate) fn summary(keys: &[String], rows: &[Row<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let keys = keys.iter().map(String::as_str);
    let metrics = METRICS.iter().map(|metric| metric.name);
    csv.write_record(RUN_COLUMNS.into_iter().chain(keys).chain(metrics))?;
    for (run, figures, _) in rows {
        csv.write_record(run_cells(run).chain(metric_cells(figures)))?;
    }
    csv.flush()
}

pub(crate) fn groups(keys: &[String], rows: &[Row<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let keys = keys.iter().map(String::as_str);
    let metrics = METRICS.iter().map(|metric| metric.name);
    csv.write_record(RUN_COLUMNS.into_iter().chain(keys).chain(["group"]).chain(metrics))?;
    for (run, _, groups) in rows {
        for (group, figures) in run.plan.groups.iter().zip(*groups) {
            let name = [group.name.clone()];
            csv.write_record(run_cells(run).chain(name).chain(metric_cells(figures)))?;
        }
    }
    csv.flush()
}

pub(crate) fn timeline(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let head = [
        "second",
        "members",
        "up_sent",
        "up_received",
        "down_sent",
        "down_received",
        "delivered",
        "evicted",
        "evicted_falsely",
        "up_bytes",
        "down_bytes",
    ];
    let lost = Cause::ALL.map(|cause| format!("lost_{}", cause.name()));
    csv.write_record(head.into_iter().map(str::to_owned).chain(lost))?;
    for (second, row) in results.timeline.iter().enumerate() {
        let counts = [
            row.up_sent,
            row.up_received,
            row.down_sent,
            row.down_received,
            row.deliveries,
            row.evictions,
            row.false_evictions,
            row.up_bytes,
            row.down_bytes,
        ];
        let head = [second.to_string(), row.members.to_string()];
        let counts = counts.into_iter().chain(row.lost);
        csv.write_record(head.into_iter().chain(counts.map(|count| count.to_string())))?;
    }
    csv.flush()
}

pub(crate) fn evictions(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let roster = plan.roster();
    let mut csv = writer(out);
    csv.write_record([
        "time_s",
        "client",
        "group",
        "cause",
        "crashed_at_s",
        "evicted_at_s",
        "latency_s",
        "silence_s",
        "uncertainty_s",
    ])?;
    for eviction in &results.evictions {
        let died = eviction.died;
        csv.write_record([
            number(eviction.at.seconds()),
            eviction.client.to_string(),
            plan.groups[roster.group_of(eviction.client)].name.clone(),
            eviction.cause.name().to_owned(),
            number(died.map(|died| died.seconds())),
            number(eviction.at.seconds()),
            number(died.map(|died| eviction.at.since(died).seconds())),
            number(eviction.silence.map(|silence| silence.seconds())),
            number(eviction.uncertainty.seconds()),
        ])?;
    }
    csv.flush()
}

pub(crate) fn ledger(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record(["ledger", "direction", "group", "side", "term", "count"])?;
    for row in &results.ledger {
        let (side, term) = row.term.split_once(':').unwrap_or(("", &row.term));
        csv.write_record([
            row.level.name(),
            row.direction.map_or("", Direction::name),
            row.group.map_or("", |group| &plan.groups[group].name),
            side,
            term,
            &row.count.to_string(),
        ])?;
    }
    csv.flush()
}

pub(crate) fn links(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record([
        "group",
        "direction",
        "stage",
        "unit",
        "asked",
        "got",
        "interval",
        "agrees",
        "datagrams",
    ])?;
    for row in link_rows(plan, results) {
        csv.write_record([
            row.group,
            row.direction.name(),
            row.stage,
            row.unit.name(),
            &number(row.asked),
            &number(row.got),
            &number(row.interval),
            row.agrees().map_or("", |agrees| if agrees { "yes" } else { "no" }),
            &row.datagrams.to_string(),
        ])?;
    }
    csv.flush()
}
