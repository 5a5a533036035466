//! What happened second by second.

use maud::{Markup, html};

use crate::chart::{Area, Axis, Chart, Charts, Line, Lines, Spot};
use crate::format::{Unit, thousands};
use crate::read::{Run, RunFile, Table, TableRow};
use crate::sections::section;

/// More points than this no screen shows: several seconds are drawn as one point then.
const POINTS: usize = 600;

/// A run with its name in the legend.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) about: &'a RunFile,
    pub(crate) run: &'a Run,
}

/// How the rows of several seconds become one point.
#[derive(Clone, Copy)]
enum Fold {
    /// The last of them.
    Last,
    /// Their mean.
    Mean,
    /// The sum of all seconds so far.
    Total,
}

/// A chart over time: each line is the sum of some columns.
struct Panel {
    title: &'static str,
    sentence: &'static str,
    unit: &'static str,
    fold: Fold,
    /// Lines of a single run. Of several runs only the first is drawn.
    lines: Vec<(String, Vec<String>)>,
}

/// All charts over time: of one run with all lines, of several runs with one line each.
pub(crate) fn timelines(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    let seen = |column: &String| {
        runs.iter().any(|one| {
            one.run.timeline.rows().any(|row| row.number(column).is_some_and(|n| n != 0.0))
        })
    };
    let drawn: Vec<Panel> = panels(runs)
        .into_iter()
        .filter(|panel| panel.lines.iter().flat_map(|(_, columns)| columns).any(seen))
        .collect();
    if drawn.is_empty() {
        return html! {};
    }
    let bin = runs.iter().map(|one| one.run.timeline.len()).max().unwrap_or(0).div_ceil(POINTS);
    let mut sentence = "The whole run, warm-up and drain included; figures count the measured \
                        window alone."
        .to_owned();
    if bin > 1 {
        let seconds = thousands(bin as f64);
        sentence.push_str(&format!(" Each point stands for {seconds} seconds."));
    }
    let content = html! {
        div.charts {
            @for panel in &drawn {
                (charts.add(panel.title, panel.sentence, chart(panel, runs, bin)))
            }
        }
        @for one in runs.iter().filter(|one| !one.run.causes.is_empty()) {
            p.note {
                @if runs.len() > 1 { strong { (one.name) } ": evictions" } @else { "Evictions" }
                " of the whole run by cause: " (causes(one.run)) "."
            }
        }
    };
    section("Second by second", &sentence, content)
}

fn causes(run: &Run) -> String {
    let named =
        run.causes.iter().map(|(cause, count)| format!("{} {cause}", thousands(*count as f64)));
    named.collect::<Vec<_>>().join(", ")
}

fn panel(
    title: &'static str,
    sentence: &'static str,
    unit: &'static str,
    fold: Fold,
    lines: &[(&str, &str)],
) -> Panel {
    let line = |(name, column): &(&str, &str)| (name.to_string(), vec![column.to_string()]);
    Panel { title, sentence, unit, fold, lines: lines.iter().map(line).collect() }
}

fn panels(runs: &[Named<'_>]) -> Vec<Panel> {
    vec![
        panel(
            "Members",
            "Whom the server takes for present, at the end of each second.",
            "members",
            Fold::Last,
            &[("members", "members")],
        ),
        panel(
            "Deliveries",
            "First deliveries of the messages that count; nothing before and after the window.",
            "deliveries per second",
            Fold::Mean,
            &[("deliveries", "delivered")],
        ),
        panel(
            "Datagrams to the server",
            "Where the lines part, links lose, hold back or duplicate.",
            "datagrams per second",
            Fold::Mean,
            &[("received", "up_received"), ("sent", "up_sent")],
        ),
        panel(
            "Datagrams to the clients",
            "Broadcasts multiply what the server reads by its members.",
            "datagrams per second",
            Fold::Mean,
            &[("received", "down_received"), ("sent", "down_sent")],
        ),
        losses(runs),
        panel(
            "Evictions",
            "All of them, and those of clients that were alive.",
            "evictions per second",
            Fold::Mean,
            &[("all", "evicted"), ("false", "evicted_falsely")],
        ),
        panel(
            "False evictions so far",
            "Live clients put out since the run began: where it is steep, something made \
             heartbeats late.",
            "false evictions",
            Fold::Total,
            &[("false evictions", "evicted_falsely")],
        ),
    ]
}

/// Losses by cause, of the causes that ever lost anything. Of several runs, all causes together.
fn losses(runs: &[Named<'_>]) -> Panel {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for table in runs.iter().map(|one| &one.run.timeline) {
        for column in table.columns() {
            let Some(cause) = column.strip_prefix("lost_") else { continue };
            let known = lines.iter().any(|(_, columns)| columns.contains(column));
            if !known && table.rows().any(|row| row.number(column).is_some_and(|n| n > 0.0)) {
                lines.push((cause.replace('_', " "), vec![column.clone()]));
            }
        }
    }
    if runs.len() > 1 {
        let all = lines.into_iter().flat_map(|(_, columns)| columns).collect();
        lines = vec![("lost".to_owned(), all)];
    }
    Panel {
        title: "Losses on the links",
        sentence: "Datagrams lost in each second, both directions together, by what lost them.",
        unit: "datagrams per second",
        fold: Fold::Mean,
        lines,
    }
}

fn chart(panel: &Panel, runs: &[Named<'_>], bin: usize) -> Chart {
    let single = runs.len() == 1;
    let mut lines = Vec::new();
    for one in runs {
        let kept = panel.lines.iter().take(if single { usize::MAX } else { 1 });
        for (name, columns) in kept {
            let ended = one.about.ended_at_s.unwrap_or(f64::INFINITY);
            let points = points(&one.run.timeline, columns, panel.fold, bin, ended);
            let name = if single { name } else { one.name };
            lines.push(Line { name: name.to_owned(), points, marked: false });
        }
    }
    let areas = if single { areas(runs[0].about) } else { Vec::new() };
    let x = Axis::linear("seconds since the run began", Unit::Number);
    Chart::Lines(Lines { x, y: Axis::linear(panel.unit, Unit::Number), lines, areas })
}

/// The sum of some columns over time, with the rows of so many seconds as one point. A last second that
/// is not whole would look like a fall.
fn points(table: &Table, columns: &[String], fold: Fold, bin: usize, ended: f64) -> Vec<Spot> {
    let sum = |row: TableRow<'_>| {
        let known: Vec<f64> = columns.iter().filter_map(|column| row.number(column)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>())
    };
    let values: Vec<(Option<f64>, Option<f64>)> =
        table.rows().map(|row| (row.number("second"), sum(row))).collect();
    let whole = |(second, _): &&(Option<f64>, _)| second.is_none_or(|second| second + 1.0 <= ended);
    let values: Vec<_> = match values.iter().filter(whole).count() {
        0 => values,
        // What has come together until the end has come.
        _ if matches!(fold, Fold::Total) => values,
        _ => values.iter().filter(whole).copied().collect(),
    };
    let mut total = 0.0;
    let spots = values.chunks(bin.max(1)).filter_map(|rows| {
        let known: Vec<f64> = rows.iter().filter_map(|(_, value)| *value).collect();
        let last = *known.last()?;
        let seen: f64 = known.iter().sum();
        total += seen;
        let value = match fold {
            Fold::Last => last,
            Fold::Mean => seen / known.len() as f64,
            Fold::Total => total,
        };
        Some(Spot::new(rows[0].0?, value))
    });
    spots.collect()
}

/// Warm-up, the measured window, and the drain, as far as the run came.
fn areas(about: &RunFile) -> Vec<Area> {
    let time = |key: &str| about.time(key);
    let (Some(warmup), Some(duration), Some(drain)) =
        (time("warmup"), time("duration"), time("drain"))
    else {
        return Vec::new();
    };
    let parts = [("warm-up", warmup), ("measured", duration), ("drain", drain)];
    let mut from = 0.0;
    let mut areas = Vec::new();
    for (name, length) in parts {
        let to = f64::min(from + length, about.ended_at_s.unwrap_or(f64::INFINITY));
        if to > from {
            areas.push(Area { name: name.to_owned(), from, to, measured: name == "measured" });
        }
        from += length;
    }
    areas
}
