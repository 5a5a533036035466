//! Writes the CSV files, column by column. An undefined figure is an empty cell.

use std::io::{self, Write};

use skipbeat_core::Direction;
use skipbeat_link::Cause;
use skipbeat_measure::{Columns, Figures, Results};
use skipbeat_scenario::{Plan, Run, Study};

use crate::links::link_rows;
use crate::run_file::plain;
use crate::{Estimate, FinishedRun};

/// The columns that say which run a row belongs to.
pub(crate) const RUN_COLUMNS: [&str; 5] = ["scenario", "mode", "seed", "point", "replication"];
/// The column of `groups.csv` that says which group a row belongs to.
pub(crate) const GROUP: &str = "group";
/// The column of `sweep.csv` that says how many runs a row covers.
pub(crate) const RUNS: &str = "runs";
/// The columns of `timeline.csv`, before those of [`lost_column`].
pub(crate) const TIMELINE: [&str; 11] = [
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
/// The columns of `evictions.csv`.
pub(crate) const EVICTIONS: [&str; 9] = [
    "time_s",
    "client",
    "group",
    "cause",
    "crashed_at_s",
    "evicted_at_s",
    "latency_s",
    "silence_s",
    "uncertainty_s",
];
/// The columns of `ledger.csv`.
pub(crate) const LEDGER: [&str; 6] = ["ledger", "direction", "group", "side", "term", "count"];
/// The columns of `links.csv`.
pub(crate) const LINKS: [&str; 9] = [
    "group",
    "direction",
    "stage",
    "unit",
    "configured",
    "observed",
    "interval",
    "agrees",
    "datagrams",
];

/// The column of `timeline.csv` for what links lost by a cause.
pub(crate) fn lost_column(cause: Cause) -> String {
    format!("lost_{}", cause.name())
}

fn writer(out: &mut impl Write) -> csv::Writer<&mut dyn Write> {
    csv::Writer::from_writer(out as &mut dyn Write)
}

fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |value: f64| value.to_string())
}

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

fn figure_cells(figures: &Figures) -> impl Iterator<Item = String> + '_ {
    figures.values().iter().map(|value| number(*value))
}

/// A run with the figures of the whole run and of each group.
pub(crate) type Row<'a> = (&'a Run, &'a Figures, &'a [Figures]);

pub(crate) fn summary(study: &Study, rows: &[Row<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let columns = study.base.columns();
    let keys = study.keys.iter().map(String::as_str);
    csv.write_record(RUN_COLUMNS.into_iter().chain(keys).chain(columns.names()))?;
    for (run, figures, _) in rows {
        csv.write_record(run_cells(run).chain(figure_cells(figures)))?;
    }
    csv.flush()
}

pub(crate) fn groups(study: &Study, rows: &[Row<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let columns = study.base.columns();
    let keys = study.keys.iter().map(String::as_str);
    csv.write_record(RUN_COLUMNS.into_iter().chain(keys).chain([GROUP]).chain(columns.names()))?;
    for (run, _, groups) in rows {
        for (group, figures) in run.plan.groups.iter().zip(*groups) {
            let name = [group.name.clone()];
            csv.write_record(run_cells(run).chain(name).chain(figure_cells(figures)))?;
        }
    }
    csv.flush()
}

/// One row for each point: the number of runs, and for each metric mean, deviation and half-width
/// of the interval.
pub(crate) fn points(study: &Study, runs: &[FinishedRun], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let columns: Columns = study.base.columns();
    let head = ["scenario", "mode", "point"].map(str::to_owned).into_iter();
    let metrics = columns
        .names()
        .flat_map(|name| Estimate::SUFFIXES.map(|suffix| format!("{name}_{suffix}")));
    let count = [RUNS.to_owned()];
    csv.write_record(head.chain(study.keys.iter().cloned()).chain(count).chain(metrics))?;
    // Runs come in the order of their points.
    for of_point in runs.chunk_by(|a, b| study.runs[a.run].point == study.runs[b.run].point) {
        let run = &study.runs[of_point[0].run];
        let head = [run.plan.name.clone(), run.plan.mode.name().to_owned(), run.point.to_string()];
        let values = run.values.iter().map(|value| plain(value).to_owned());
        let count = [of_point.len().to_string()];
        let figures = columns.iter().flat_map(|(_, metric)| {
            let values = of_point.iter().filter_map(|run| run.figures.figure(metric));
            let estimate = Estimate::of(&values.collect::<Vec<f64>>());
            [estimate.mean, estimate.deviation, estimate.half_width].map(number)
        });
        csv.write_record(head.into_iter().chain(values).chain(count).chain(figures))?;
    }
    csv.flush()
}

pub(crate) fn timeline(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let lost = Cause::ALL.map(lost_column);
    csv.write_record(TIMELINE.map(str::to_owned).into_iter().chain(lost))?;
    for (second, row) in results.tally.timeline().iter().enumerate() {
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
    csv.write_record(EVICTIONS)?;
    for eviction in results.tally.evictions() {
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
    csv.write_record(LEDGER)?;
    for row in &results.ledger {
        csv.write_record([
            row.level.name(),
            row.direction.map_or("", Direction::name),
            row.group.map_or("", |group| &plan.groups[group].name),
            row.side.name(),
            row.term,
            &row.count.to_string(),
        ])?;
    }
    csv.flush()
}

pub(crate) fn links(plan: &Plan, results: &Results, out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record(LINKS)?;
    for row in link_rows(plan, results) {
        csv.write_record([
            row.group.as_str(),
            row.direction.name(),
            row.stage.as_str(),
            row.unit.name(),
            &number(row.configured),
            &number(row.observed),
            &number(row.interval),
            row.agrees().map_or("", |agrees| if agrees { "yes" } else { "no" }),
            &row.datagrams.to_string(),
        ])?;
    }
    csv.flush()
}
