//! The summary of a sweep: a line for each point, with the figures that matter there.

use anstyle::Style;
use serde_json::{Value, json};
use skipbeat_link::compact;
use skipbeat_measure::Figures;
use skipbeat_scenario::Study;

use crate::files::Cell;
use crate::summary::{UNKNOWN, got, json_metrics, json_thresholds, percent, seconds, table};
use crate::tables::plain;

/// More thresholds that are not met are counted, not shown.
const MOST_UNMET: usize = 20;

/// A column: its name, how its figure is found and how it is shown.
struct Column {
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    show: fn(Option<f64>) -> String,
    worth: Worth,
}

/// What makes a figure worth a column, if it is defined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Nothing else.
    Always,
    /// It is not always 0.
    NotZero,
    /// It is a tenth more in one run than in another.
    Varies,
}

impl Worth {
    fn shows(self, values: impl Iterator<Item = f64> + Clone) -> bool {
        let (least, most) =
            values.clone().fold((f64::INFINITY, 0f64), |(a, b), v| (a.min(v), b.max(v)));
        match self {
            Worth::Always => values.count() > 0,
            Worth::NotZero => most > 0.0,
            Worth::Varies => most > 1.1 * least,
        }
    }
}

/// How fast and how often wrong stand side by side.
const COLUMNS: [Column; 12] = [
    column("delivery ratio", |f| f.get("delivery_ratio"), percent),
    column("latency p99", |f| f.get("latency_p99_s"), seconds),
    column("eviction latency", |f| f.get("eviction_latency_mean_s"), seconds),
    varying("its p99", |f| f.get("eviction_latency_p99_s"), seconds),
    column(
        "mistakes/client·h",
        |f| f.get("mistake_rate_per_s").map(|rate| rate * 3600.0),
        significant,
    ),
    column("query accuracy", |f| f.get("query_accuracy"), percent),
    column("datagrams/delivery", |f| f.get("datagrams_per_delivery"), significant),
    varying("dead server noticed", |f| f.get("server_detection_mean_s"), seconds),
    varying("busiest second", |f| f.get("server_rx_peak_per_s"), significant),
    rare("ghosts", |f| f.get("ghosts_mean"), significant),
    rare("expelled", |f| f.get("expelled"), significant),
    column("amplification", |f| f.get("amplification"), significant),
];

const fn column(
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    show: fn(Option<f64>) -> String,
) -> Column {
    Column { name, figure, show, worth: Worth::Always }
}

const fn varying(
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    show: fn(Option<f64>) -> String,
) -> Column {
    Column { worth: Worth::Varies, ..column(name, figure, show) }
}

const fn rare(
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    show: fn(Option<f64>) -> String,
) -> Column {
    Column { worth: Worth::NotZero, ..column(name, figure, show) }
}

/// Three significant digits.
fn significant(value: Option<f64>) -> String {
    let Some(value) = value else { return UNKNOWN.to_owned() };
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2 - value.abs().log10().floor() as i32).max(0) as usize;
    format!("{value:.digits$}")
}

/// The mean over the replications that have the figure.
fn mean(cells: &[&Cell], figure: fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = cells.iter().filter_map(|cell| figure(&cell.figures)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The summary as text with terminal colours.
pub fn sweep_summary(study: &Study, cells: &[Cell]) -> String {
    let bold = Style::new().bold();
    let base = &study.base;
    let points = study.runs.last().map_or(0, |run| run.point + 1);
    let replications = study.runs.len() as u32 / points.max(1);
    let mut text = format!(
        "{bold}{}{bold:#}  {}, seed {}, {points} points × {replications} runs\n",
        base.name,
        base.mode.name(),
        base.seed
    );
    if !base.description.is_empty() {
        text.push_str(&format!("{}\n", base.description));
    }
    let shown = |column: &&Column| {
        column.worth.shows(cells.iter().filter_map(|cell| (column.figure)(&cell.figures)))
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(shown).collect();
    // Keys as short as they can be and still differ.
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(study.keys.iter().map(|key| short(key, &study.keys)));
    rows[0].extend(columns.iter().map(|column| column.name.to_owned()));
    for point in 0..points {
        let of_point: Vec<&Cell> =
            cells.iter().filter(|cell| study.runs[cell.run].point == point).collect();
        let Some(first) = of_point.first() else { continue };
        let mut row = vec![point.to_string()];
        row.extend(study.runs[first.run].values.iter().map(|value| compact(value)));
        row.extend(columns.iter().map(|column| (column.show)(mean(&of_point, column.figure))));
        rows.push(row);
    }
    text.push('\n');
    text.push_str(&table("point", &rows));
    if replications > 1 {
        text.push_str("means over the runs of a point; each run is a row of summary.csv\n");
    }
    text.push('\n');
    text.push_str(&thresholds(study, cells));
    text.push_str(&verdict(study, cells));
    text
}

/// How many thresholds are met, over all runs, and which are not.
fn thresholds(study: &Study, cells: &[Cell]) -> String {
    let mut judged = 0;
    let (mut met, mut unmet) = (0, Vec::new());
    for cell in cells {
        let run = &study.runs[cell.run];
        let ending = cell.ending(&run.plan);
        if let Some(threshold) = &ending.stopped_by {
            let (point, replication) = (run.point, run.replication);
            unmet
                .push(format!("  point {point} run {replication}: stopped early by {threshold}\n"));
        }
        for one in ending.judged {
            judged += 1;
            if one.met == Some(true) {
                met += 1;
            } else {
                let (point, replication) = (run.point, run.replication);
                let (threshold, got) = (&one.threshold, got(&one));
                unmet.push(format!("  point {point} run {replication}: {threshold}, got {got}\n"));
            }
        }
    }
    if judged == 0 {
        return String::new();
    }
    let mut text = format!("thresholds: {met} of {judged} met\n");
    text.extend(unmet.iter().take(MOST_UNMET).map(String::as_str));
    if unmet.len() > MOST_UNMET {
        text.push_str(&format!("  and {} more\n", unmet.len() - MOST_UNMET));
    }
    text
}

/// The last parts of a key that tell it from the others.
fn short(key: &str, all: &[String]) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let tail = |n: usize, parts: &[&str]| parts[parts.len().saturating_sub(n)..].join(".");
    let differs = |n: &usize| {
        let of = |other: &String| tail(*n, &other.split('.').collect::<Vec<_>>());
        all.iter().filter(|other| of(other) == tail(*n, &parts)).count() == 1
    };
    let length = (2..=parts.len()).find(differs).unwrap_or(parts.len());
    tail(length, &parts)
}

fn verdict(study: &Study, cells: &[Cell]) -> String {
    let doubtful: Vec<&Cell> = cells.iter().filter(|cell| !cell.doubts.is_empty()).collect();
    let missing = study.runs.len() - cells.len();
    let mut text = match (doubtful.len(), missing) {
        (0, 0) => "conclusive: every datagram of every run is accounted for\n".to_owned(),
        (0, _) => format!(
            "{} of {} runs are done, and every datagram of theirs is accounted for\n",
            cells.len(),
            study.runs.len()
        ),
        (n, _) => format!("inconclusive: {n} of {} runs\n", cells.len()),
    };
    for cell in doubtful {
        let run = &study.runs[cell.run];
        for doubt in &cell.doubts {
            text.push_str(&format!("  point {} run {}: {doubt}\n", run.point, run.replication));
        }
    }
    text
}

/// The summary for programs: every metric of every run.
pub fn json_sweep(study: &Study, cells: &[Cell], exit_code: u8) -> Value {
    let run = |cell: &Cell| {
        let run = &study.runs[cell.run];
        let values: serde_json::Map<_, _> =
            study.keys.iter().cloned().zip(run.values.iter().map(|v| json!(plain(v)))).collect();
        let groups: serde_json::Map<_, _> = (run.plan.groups.iter().zip(&cell.groups))
            .map(|(group, figures)| (group.name.clone(), json_metrics(figures).into()))
            .collect();
        let ending = cell.ending(&run.plan);
        json!({
            "point": run.point,
            "replication": run.replication,
            "values": values,
            "seed": run.plan.seed,
            "digest": format!("{:016x}", cell.digest),
            "metrics": json_metrics(&cell.figures),
            "groups": groups,
            "verdict": ending.outcome.name(),
            "thresholds": json_thresholds(&ending.judged),
            "stopped_by": ending.stopped_by,
            "load": cell.load,
            "inconclusive": cell.doubts,
        })
    };
    json!({
        "version": 1,
        "scenario": study.base.name,
        "mode": study.base.mode.name(),
        "runs_planned": study.runs.len(),
        "runs": cells.iter().map(run).collect::<Vec<_>>(),
        "exit_code": exit_code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_short_as_they_can_be_and_figures_have_three_digits() {
        let keys = ["group.a.up.loss", "group.b.up.loss", "server.timeout"].map(str::to_owned);
        let shorts: Vec<_> = keys.iter().map(|key| short(key, &keys)).collect();
        assert_eq!(shorts, ["a.up.loss", "b.up.loss", "server.timeout"]);
        let shown = [0.0, 0.01234, 1.0, 208.04, 12345.6].map(|v| significant(Some(v)));
        assert_eq!(shown, ["0", "0.0123", "1.00", "208", "12346"]);
    }
}
