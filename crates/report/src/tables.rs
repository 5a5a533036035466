//! The CSV files, column by column. An undefined figure is an empty cell.

use std::io::{self, Write};

use skipbeat_core::Direction;
use skipbeat_measure::{Figures, METRICS, Results};
use skipbeat_scenario::Plan;

fn writer(out: &mut impl Write) -> csv::Writer<&mut dyn Write> {
    csv::Writer::from_writer(out as &mut dyn Write)
}

fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |value: f64| value.to_string())
}

/// The columns that say which run a row is of. There is one point and one replication until a
/// scenario asks for more.
const RUN_COLUMNS: [&str; 5] = ["scenario", "mode", "seed", "point", "replication"];

fn run_cells(plan: &Plan) -> [String; 5] {
    let (point, replication) = (0, 0);
    [
        plan.name.clone(),
        plan.mode.name().to_owned(),
        plan.seed.to_string(),
        point.to_string(),
        replication.to_string(),
    ]
}

fn metric_cells(figures: &Figures) -> impl Iterator<Item = String> + '_ {
    figures.iter().map(|(_, value)| number(value))
}

pub(crate) fn summary(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record(RUN_COLUMNS.into_iter().chain(METRICS.iter().map(|metric| metric.name)))?;
    csv.write_record(run_cells(plan).into_iter().chain(metric_cells(&results.figures)))?;
    csv.flush()
}

pub(crate) fn groups(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let metrics = METRICS.iter().map(|metric| metric.name);
    csv.write_record(RUN_COLUMNS.into_iter().chain(["group"]).chain(metrics))?;
    for (group, figures) in plan.groups.iter().zip(&results.groups) {
        let name = [group.name.clone()];
        csv.write_record(run_cells(plan).into_iter().chain(name).chain(metric_cells(figures)))?;
    }
    csv.flush()
}

pub(crate) fn timeline(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record([
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
    ])?;
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
