//! What happened second by second.

use maud::{Markup, html};
use skipbeat_core::Unit;
use skipbeat_core::number::thousands;
use skipbeat_link::Cause;
use skipbeat_measure::Second;
use skipbeat_results::RunRead;

use crate::chart::{Area, Axis, Chart, Charts, Line, Lines, Spot};
use crate::parts::section;
use crate::sections::Named;

/// The most points that a screen can show. Beyond that, several seconds are drawn as one point.
const POINTS: usize = 600;

/// How several seconds become one point.
#[derive(Clone, Copy)]
enum Fold {
    /// The last of them.
    Last,
    /// Their mean.
    Mean,
    /// The sum of all seconds so far.
    Total,
}

/// What is counted in a second.
#[derive(Clone, Copy)]
enum Count {
    Members,
    Field(fn(&Second) -> u64),
    LostBy(Cause),
    Lost,
}

impl Count {
    fn of(self, second: &Second) -> f64 {
        match self {
            Count::Members => second.members as f64,
            Count::Field(field) => field(second) as f64,
            Count::LostBy(cause) => second.lost[cause as usize] as f64,
            Count::Lost => second.lost.iter().sum::<u64>() as f64,
        }
    }

    fn seen(self, runs: &[Named<'_>]) -> bool {
        runs.iter().any(|one| one.run.timeline.iter().any(|second| self.of(second) != 0.0))
    }
}

/// A chart over time.
struct Panel {
    title: &'static str,
    sentence: &'static str,
    unit: &'static str,
    fold: Fold,
    /// The lines of a single run. With several runs, only the first line is drawn.
    lines: Vec<(&'static str, Count)>,
}

/// All charts over time. A single run has all its lines, several runs have one line each.
pub(crate) fn timelines(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    let seen = |panel: &Panel| panel.lines.iter().any(|(_, count)| count.seen(runs));
    let drawn: Vec<Panel> = panels(runs).into_iter().filter(seen).collect();
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
                (charts.add(panel.title, html! { (panel.sentence) }, chart(panel, runs, bin)))
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

fn causes(run: &RunRead) -> String {
    let named = run.causes.iter();
    let named =
        named.map(|(cause, count)| format!("{} {}", thousands(*count as f64), cause.name()));
    named.collect::<Vec<_>>().join(", ")
}

fn panels(runs: &[Named<'_>]) -> Vec<Panel> {
    vec![
        Panel {
            title: "Members",
            sentence: "The clients that the server takes for present at the end of each second.",
            unit: "members",
            fold: Fold::Last,
            lines: vec![("members", Count::Members)],
        },
        Panel {
            title: "Deliveries",
            sentence: "First deliveries of messages that count; none before or after the window.",
            unit: "deliveries per second",
            fold: Fold::Mean,
            lines: vec![("deliveries", Count::Field(|second| second.deliveries))],
        },
        Panel {
            title: "Datagrams to the server",
            sentence: "Where the lines part, links lose, delay or duplicate datagrams.",
            unit: "datagrams per second",
            fold: Fold::Mean,
            lines: vec![
                ("received", Count::Field(|second| second.up_received)),
                ("sent", Count::Field(|second| second.up_sent)),
            ],
        },
        Panel {
            title: "Datagrams to the clients",
            sentence: "A broadcast multiplies what the server reads by the number of its members.",
            unit: "datagrams per second",
            fold: Fold::Mean,
            lines: vec![
                ("received", Count::Field(|second| second.down_received)),
                ("sent", Count::Field(|second| second.down_sent)),
            ],
        },
        losses(runs),
        Panel {
            title: "Evictions",
            sentence: "All evictions, and those of clients that were alive.",
            unit: "evictions per second",
            fold: Fold::Mean,
            lines: vec![
                ("all", Count::Field(|second| second.evictions)),
                ("false", Count::Field(|second| second.false_evictions)),
            ],
        },
        Panel {
            title: "False evictions so far",
            sentence: "Evictions of live clients since the run began. A steep rise means that \
                       something delayed heartbeats.",
            unit: "false evictions",
            fold: Fold::Total,
            lines: vec![("false evictions", Count::Field(|second| second.false_evictions))],
        },
    ]
}

/// Losses by cause, for the causes that lost anything. With several runs, all causes together.
fn losses(runs: &[Named<'_>]) -> Panel {
    let by_cause = Cause::ALL.map(|cause| (cause.name(), Count::LostBy(cause)));
    let lines = match runs {
        [_] => by_cause.into_iter().filter(|(_, count)| count.seen(runs)).collect(),
        _ => vec![("lost", Count::Lost)],
    };
    Panel {
        title: "Losses on the links",
        sentence: "Datagrams lost in each second in either direction, by cause.",
        unit: "datagrams per second",
        fold: Fold::Mean,
        lines,
    }
}

/// When a run ended, in seconds of its own time.
fn ended(run: &RunRead) -> f64 {
    run.file.run.as_ref().map_or(f64::INFINITY, |part| part.ended_at_s)
}

fn chart(panel: &Panel, runs: &[Named<'_>], bin: usize) -> Chart {
    let single = runs.len() == 1;
    let mut lines = Vec::new();
    for one in runs {
        let kept = panel.lines.iter().take(if single { usize::MAX } else { 1 });
        for (name, count) in kept {
            let points = points(one.run, *count, panel.fold, bin);
            let name = if single { name } else { one.name };
            lines.push(Line { name: name.to_owned(), points, marked: false });
        }
    }
    let areas = if single { areas(runs[0].run) } else { Vec::new() };
    let x = Axis::linear("seconds since the run began", Unit::Number);
    Chart::Lines(Lines { x, y: Axis::linear(panel.unit, Unit::Number), lines, areas })
}

/// A count over time, with one point for `bin` seconds. A partial last second is left out: it would
/// look like a drop.
fn points(run: &RunRead, count: Count, fold: Fold, bin: usize) -> Vec<Spot> {
    let seconds = &run.timeline;
    let whole = seconds.len().min(ended(run).floor() as usize);
    let kept = match fold {
        // A running total is right even in a partial second.
        Fold::Total => seconds.len(),
        _ if whole == 0 => seconds.len(),
        _ => whole,
    };
    let bin = bin.max(1);
    let mut total = 0.0;
    let spots = seconds[..kept].chunks(bin).enumerate().map(|(number, chunk)| {
        let sum: f64 = chunk.iter().map(|second| count.of(second)).sum();
        total += sum;
        let value = match fold {
            Fold::Last => chunk.last().map_or(0.0, |last| count.of(last)),
            Fold::Mean => sum / chunk.len() as f64,
            Fold::Total => total,
        };
        Spot::new((number * bin) as f64, value)
    });
    spots.collect()
}

/// Warm-up, the measured window, and the drain, as far as the run got.
fn areas(run: &RunRead) -> Vec<Area> {
    let time = |key: &str| run.file.time(key);
    let (Some(warmup), Some(duration), Some(drain)) =
        (time("warmup"), time("duration"), time("drain"))
    else {
        return Vec::new();
    };
    let parts = [("warm-up", warmup), ("measured", duration), ("drain", drain)];
    let mut from = 0.0;
    let mut areas = Vec::new();
    for (name, length) in parts {
        let to = f64::min(from + length, ended(run));
        if to > from {
            areas.push(Area { name: name.to_owned(), from, to, measured: name == "measured" });
        }
        from += length;
    }
    areas
}
