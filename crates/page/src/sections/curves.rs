//! Distributions of times as curves over percentiles.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use crate::chart::{Axis, Chart, Charts, Line, Lines, Scale, Spot};
use crate::format::Unit;
use crate::read::Figures;
use crate::sections::section;
use crate::sections::timeline::Named;

/// A chart over percentiles: a line for each of these histograms.
struct Curve {
    title: &'static str,
    sentence: &'static str,
    axis: &'static str,
    lines: &'static [Source],
}

/// A histogram as a line.
struct Source {
    name: &'static str,
    tag: &'static str,
    /// The metric that knows its exact maximum: a histogram knows it to three digits only.
    most: &'static str,
}

const fn source(name: &'static str, tag: &'static str, most: &'static str) -> Source {
    Source { name, tag, most }
}

const CURVES: [Curve; 4] = [
    Curve {
        title: "Latency of deliveries",
        sentence: "So many deliveries took no longer than this. The further right, the rarer: at \
                   99 % one in a hundred is above the line.",
        axis: "latency",
        lines: &[
            source("from planned sending", "latency", "latency_max_s"),
            source("from real sending", "latency_real", "latency_max_s"),
        ],
    },
    Curve {
        title: "Eviction latency",
        sentence: "So many crashes were noticed within this time, from the crash to the eviction.",
        axis: "eviction latency",
        lines: &[source("eviction latency", "eviction_latency", "eviction_latency_max_s")],
    },
    Curve {
        title: "How long mistakes lasted",
        sentence: "From a false eviction until the client is a member again.",
        axis: "duration",
        lines: &[source("duration", "mistake_duration", "")],
    },
    Curve {
        title: "Lateness of the generator",
        sentence: "How much later than planned datagrams went to the kernel: the test's own error.",
        axis: "lateness",
        lines: &[source("lateness", "lateness", "")],
    },
];

/// All curves: of one run with all lines, of several runs with one line each.
pub(crate) fn curves(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    let mut drawn = Vec::new();
    for curve in &CURVES {
        let lines = lines(runs, curve);
        if lines.is_empty() {
            continue;
        }
        let x = Axis { name: "percentile".to_owned(), unit: Unit::Ratio, scale: Scale::Percentile };
        let y = Axis::linear(curve.axis, Unit::Seconds);
        let chart = Chart::Lines(Lines { x, y, lines, areas: Vec::new() });
        drawn.push(charts.add(curve.title, curve.sentence, chart));
        if curve.axis == "eviction latency" {
            drawn.push(cumulative(runs, charts));
        }
    }
    if drawn.is_empty() {
        return html! {};
    }
    let content = html! {
        div.charts { @for chart in &drawn { (chart) } }
        (mistakes(runs))
    };
    let sentence = "Whole distributions, to three significant digits, where a mean would hide the \
                    slowest.";
    section("How long it takes", sentence, content)
}

fn lines(runs: &[Named<'_>], curve: &Curve) -> Vec<Line> {
    let single = runs.len() == 1;
    let kept = if single { curve.lines } else { &curve.lines[..1] };
    let mut lines: Vec<Line> = Vec::new();
    for one in runs {
        for source in kept {
            let histogram = one.run.histograms.get(source.tag).filter(|h| !h.is_empty());
            let Some(histogram) = histogram else { continue };
            let name = if single { source.name } else { one.name };
            let most = one.run.figures.get(source.most).unwrap_or(f64::INFINITY);
            let points = percentiles(histogram, most);
            let marked = points.len() < 4;
            // In virtual time planned and real sending are the same.
            if !lines.iter().any(|line| single && line.points == points) {
                lines.push(Line { name: name.to_owned(), points, marked });
            }
        }
    }
    lines
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The value at p, placed at 1/(1-p), twenty to a power of ten, as far as there are values.
fn percentiles(histogram: &Histogram<u64>, most: f64) -> Vec<Spot> {
    let count = histogram.len() as f64;
    let places = (0..).map(|step| 10_f64.powf(f64::from(step) / 20.0));
    let at = |place: f64| seconds(histogram.value_at_quantile(1.0 - 1.0 / place)).min(most);
    let inner = places.take_while(|place| *place < count).map(|place| Spot::new(place, at(place)));
    inner.chain([Spot::new(count, seconds(histogram.max()).min(most))]).collect()
}

/// The share of crashes that was noticed within a time.
fn cumulative(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    const STEPS: u32 = 200;
    let lines = runs.iter().filter_map(|one| {
        let histogram = one.run.histograms.get("eviction_latency").filter(|h| !h.is_empty())?;
        // Those that were back before anybody noticed are crashes too.
        let censored = one.run.figures.get("eviction_latency_censored").unwrap_or(0.0);
        let most = histogram.len() as f64 / (histogram.len() as f64 + censored);
        let mut points: Vec<Spot> = Vec::new();
        for share in (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS)) {
            let time = seconds(histogram.value_at_quantile(share));
            // Of several shares at one time the largest had been noticed.
            points.pop_if(|last| last.x == time);
            points.push(Spot::new(time, share * most));
        }
        let name = if runs.len() == 1 { "noticed" } else { one.name };
        Some(Line { name: name.to_owned(), points, marked: false })
    });
    let lines = lines.collect();
    let x = Axis::linear("time since the crash", Unit::Seconds);
    let y = Axis::linear("share of crashes noticed", Unit::Ratio);
    let sentence = "The share of crashes that the server has noticed after a time; clients that were \
                    back before that keep it below 100 %. It says nothing without the number of \
                    false evictions below.";
    charts.add(
        "Crashes noticed in time",
        sentence,
        Chart::Lines(Lines { x, y, lines, areas: Vec::new() }),
    )
}

/// What fast detection costs, which belongs beside it.
fn mistakes(runs: &[Named<'_>]) -> Markup {
    let said = |figures: &Figures| {
        let show = |metric: &str| Unit::of(metric).show(figures.get(metric));
        format!(
            "{} false evictions, a mistake rate of {} per live client, a query accuracy of {}",
            show("false_evictions"),
            show("mistake_rate_per_s"),
            show("query_accuracy"),
        )
    };
    let noticed = |one: &&Named<'_>| one.run.histograms.contains_key("eviction_latency");
    html! {
        @for one in runs.iter().filter(noticed) {
            p.note {
                @if runs.len() > 1 { strong { (one.name) } ": " } @else { "In the same window: " }
                (said(&one.run.figures)) ". Fast detection and few mistakes are each easy alone."
            }
        }
    }
}
