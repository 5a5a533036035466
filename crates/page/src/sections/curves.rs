//! Distributions of times as curves over percentiles.

use hdrhistogram::Histogram;
use maud::{Markup, html};
use skipbeat_core::Unit;
use skipbeat_measure::CARDS;
use skipbeat_results::FigureRow;

use crate::chart::{Axis, Chart, Charts, Line, Lines, Scale, Spot};
use crate::metrics::{capitalised, show};
use crate::parts::{prose, section};
use crate::sections::Named;

/// The distribution that failure detection is judged by.
const EVICTION_LATENCY: &str = "eviction_latency";

/// A chart over percentiles: the tags in `latency.hlog` to draw, each with its name in the legend,
/// which is empty for the label of its card. With several runs, only the first tag is drawn.
type Curve = &'static [(&'static str, &'static str)];

const CURVES: [Curve; 8] = [
    &[("latency", "from planned sending"), ("latency_real", "from real sending")],
    &[(EVICTION_LATENCY, "")],
    &[("mistake_duration", "")],
    &[("server_detection", "")],
    &[("rebind_recovery", "")],
    &[("ghost_duration", "")],
    &[("answer_latency", "")],
    &[("lateness", "")],
];

/// The label and the meaning of a distribution.
fn described(tag: &str) -> (&str, &str) {
    match CARDS.iter().find(|card| card.name == tag) {
        Some(card) => (card.label, card.meaning),
        // Lateness has no card: it is no metric of what was tested, but of the generator.
        None => {
            ("lateness", "how much later than planned datagrams were sent: the test's own error")
        }
    }
}

/// All charts over percentiles. A single run has all its lines, several runs have one line each.
pub(crate) fn curves(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    let mut drawn = Vec::new();
    for curve in CURVES {
        let lines = lines(runs, curve);
        if lines.is_empty() {
            continue;
        }
        let (tag, _) = curve[0];
        let (label, meaning) = described(tag);
        let x = Axis { name: "percentile".to_owned(), unit: Unit::Ratio, scale: Scale::Percentile };
        let y = Axis::linear(label, Unit::Seconds);
        let chart = Chart::Lines(Lines { x, y, lines, areas: Vec::new() });
        let sentence = format!("{}.", capitalised(meaning));
        drawn.push(charts.add(&capitalised(label), prose(&sentence), chart));
        if tag == EVICTION_LATENCY {
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
                    slowest. The further right, the rarer: at 99 %, one value in a hundred is \
                    above the line.";
    section("How long it takes", sentence, content)
}

fn lines(runs: &[Named<'_>], curve: Curve) -> Vec<Line> {
    let single = runs.len() == 1;
    let kept = if single { curve } else { &curve[..1] };
    let mut lines: Vec<Line> = Vec::new();
    for one in runs {
        for (tag, legend) in kept {
            let histogram = one.run.histograms.get(*tag).filter(|h| !h.is_empty());
            let Some(histogram) = histogram else { continue };
            let name = match *legend {
                _ if !single => one.name,
                "" => described(tag).0,
                legend => legend,
            };
            // The figure knows the maximum exactly, a histogram to three digits only.
            let most = one.run.figures.figure(&format!("{tag}_max_s")).unwrap_or(f64::INFINITY);
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

/// The values at percentiles p, placed at 1/(1-p): twenty points per power of ten, as far as there
/// are samples.
fn percentiles(histogram: &Histogram<u64>, most: f64) -> Vec<Spot> {
    let count = histogram.len() as f64;
    let places = (0..).map(|step| 10_f64.powf(f64::from(step) / 20.0));
    let at = |place: f64| seconds(histogram.value_at_quantile(1.0 - 1.0 / place)).min(most);
    let inner = places.take_while(|place| *place < count).map(|place| Spot::new(place, at(place)));
    inner.chain([Spot::new(count, seconds(histogram.max()).min(most))]).collect()
}

/// A chart of the share of crashes that were noticed, over time.
fn cumulative(runs: &[Named<'_>], charts: &mut Charts) -> Markup {
    const STEPS: u32 = 200;
    let lines = runs.iter().filter_map(|one| {
        let histogram = one.run.histograms.get(EVICTION_LATENCY).filter(|h| !h.is_empty())?;
        // A crash counts even if the client was back before anybody noticed.
        let censored = one.run.figures.figure("eviction_latency_censored").unwrap_or(0.0);
        let most = histogram.len() as f64 / (histogram.len() as f64 + censored);
        let mut points: Vec<Spot> = Vec::new();
        for share in (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS)) {
            let time = seconds(histogram.value_at_quantile(share));
            // If several shares have the same time, the largest counts.
            points.pop_if(|last| last.x == time);
            points.push(Spot::new(time, share * most));
        }
        let name = if runs.len() == 1 { "noticed" } else { one.name };
        Some(Line { name: name.to_owned(), points, marked: false })
    });
    let lines = lines.collect();
    let x = Axis::linear("time since the crash", Unit::Seconds);
    let y = Axis::linear("share of crashes noticed", Unit::Ratio);
    let sentence = "The share of crashes that the server has noticed after a time. Clients that \
                    were back before that keep it below 100 %. It means little without the number \
                    of false evictions below.";
    charts.add(
        "Crashes noticed in time",
        html! { (sentence) },
        Chart::Lines(Lines { x, y, lines, areas: Vec::new() }),
    )
}

/// The mistakes that fast detection costs, to be shown with it.
fn mistakes(runs: &[Named<'_>]) -> Markup {
    let said = |figures: &FigureRow| {
        let show = |metric: &str| show(metric, figures.figure(metric));
        format!(
            "{} false evictions, a mistake rate of {} per live client, a query accuracy of {}",
            show("false_evictions"),
            show("mistake_rate_per_s"),
            show("query_accuracy"),
        )
    };
    let noticed = |one: &&Named<'_>| one.run.histograms.contains_key(EVICTION_LATENCY);
    html! {
        @for one in runs.iter().filter(noticed) {
            p.note {
                @if runs.len() > 1 { strong { (one.name) } ": " } @else { "In the same window: " }
                (said(&one.run.figures)) ". Fast detection and few mistakes are each easy alone."
            }
        }
    }
}
