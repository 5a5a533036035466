//! A sweep as charts: what fast detection costs, and each metric over a swept key.

use maud::{Markup, html};

use crate::chart::{Axis, Chart, Charts, Line, Lines, Scale, Spot};
use crate::format::{Unit, thousands};
use crate::headline::label;
use crate::quantity::{Quantity, parse_all, plain, short};
use crate::read::{Point, Sweep};
use crate::sections::section;
use crate::verdict::Verdict;

/// More lines than this can't be told apart.
const LINES: usize = 12;
/// What is drawn without asking: the first few of these that vary.
const DRAWN: [&str; 12] = [
    "delivery_ratio",
    "latency_p99_s",
    "eviction_latency_mean_s",
    "mistake_rate_per_s",
    "query_accuracy",
    "ghosts_mean",
    "expelled",
    "amplification",
    "server_detection_mean_s",
    "rebind_recovery_mean_s",
    "answer_latency_p99_s",
    "deliveries_per_s",
];
/// How many of them.
const CHARTS: usize = 6;

/// A sweep with its name, which stands in the legend where there are several.
pub(crate) struct Swept<'a> {
    pub(crate) name: &'a str,
    pub(crate) sweep: &'a Sweep,
}

/// All charts of one sweep, or of several that are laid over each other.
pub(crate) fn charts(sweeps: &[Swept<'_>], charts: &mut Charts) -> Markup {
    let Some(key) = axis_key(sweeps) else { return html! {} };
    let (mut series, mut count) = (Vec::new(), 0);
    for swept in sweeps {
        let own = Series::of(swept, &key, sweeps.len() > 1);
        count += own.len();
        series.extend(own.into_iter().take((LINES / sweeps.len()).max(1)));
    }
    let axis = KeyAxis::new(&key, &series);
    let varying: Vec<&String> = sweeps[0]
        .sweep
        .metrics
        .iter()
        .filter(|metric| varies(&series, metric) && **metric != "clients")
        .collect();
    if varying.is_empty() {
        return html! {};
    }
    let drawn =
        DRAWN.iter().filter(|one| varying.iter().any(|metric| *metric == *one)).take(CHARTS);
    let sentence = |metric: &str| {
        format!("{} over {}, with 95 % intervals where there are several runs.", label(metric), key)
    };
    let content = html! {
        div.charts {
            (tradeoff(&series, &key, charts))
            @for metric in drawn {
                (charts.add(label(metric), &sentence(metric), axis.chart(metric, &series)))
            }
        }
        (charts.choice(
            "Any metric",
            "Each metric that varies over the points; the one that is chosen is drawn.",
            varying.iter().map(|one| (one.to_string(), axis.chart(one, &series))).collect(),
        ))
        @if count > series.len() {
            p.note {
                "The first " (series.len()) " of " (thousands(count as f64)) " lines are drawn. \
                 Figures of all points are in sweep.csv."
            }
        }
    };
    section("Over the swept keys", "", content)
}

/// The points of a sweep that have all values but one in common.
struct Series<'a> {
    name: String,
    sweep: &'a Sweep,
    /// The value on the axis, and the point.
    points: Vec<(&'a str, &'a Point)>,
}

impl<'a> Series<'a> {
    fn of(swept: &Swept<'a>, key: &str, several: bool) -> Vec<Series<'a>> {
        let sweep = swept.sweep;
        let Some(place) = sweep.keys.iter().position(|one| one == key) else { return Vec::new() };
        let mut all: Vec<(Vec<&str>, Series<'a>)> = Vec::new();
        for point in &sweep.points {
            let mut others: Vec<&str> = point.values.iter().map(String::as_str).collect();
            let value = others.remove(place);
            let known = all.iter().position(|(values, _)| *values == others);
            let at = known.unwrap_or_else(|| {
                let mut name = others_named(sweep, place, &others);
                if several {
                    name = [swept.name, &name].join(" ").trim().to_owned();
                }
                all.push((others, Series { name, sweep, points: Vec::new() }));
                all.len() - 1
            });
            all[at].1.points.push((value, point));
        }
        all.into_iter().map(|(_, series)| series).collect()
    }

    /// A metric as a line; `place` says where a value is on the axis.
    fn line(&self, metric: &str, place: impl Fn(&str) -> Option<f64>) -> Line {
        let spots = self.points.iter().filter_map(|(value, point)| {
            let estimate = self.sweep.figure(point, metric);
            let spot = Spot::new(place(value)?, estimate.mean);
            Some(judged(point, Spot { y_error: estimate.ci95, ..spot }))
        });
        let mut points: Vec<Spot> = spots.collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Line { name: self.name.clone(), points, marked: true }
    }
}

/// A point stands out if it did not pass, and says why.
fn judged(point: &Point, spot: Spot) -> Spot {
    let Some(verdict) = point.verdict.filter(|verdict| *verdict != Verdict::Pass) else {
        return spot;
    };
    let note = format!("{} {}", spot.note, verdict.words()).trim().to_owned();
    Spot { note, missed: true, ..spot }
}

fn others_named(sweep: &Sweep, place: usize, others: &[&str]) -> String {
    let keys = sweep.keys.iter().enumerate().filter(|(at, _)| *at != place);
    let named = keys.zip(others).map(|((_, key), value)| match others.len() {
        1 if Quantity::parse(value).is_none() => plain(value),
        _ => format!("{} {}", short(key), plain(value)),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The key along the axis: the last that is a number everywhere, else the last.
fn axis_key(sweeps: &[Swept<'_>]) -> Option<String> {
    let first = sweeps.first()?.sweep;
    let common =
        first.keys.iter().filter(|key| sweeps.iter().all(|swept| swept.sweep.keys.contains(key)));
    let common: Vec<&String> = common.collect();
    let numeric = |key: &&&String| {
        let values: Vec<&str> = sweeps.iter().flat_map(|one| values(one.sweep, key)).collect();
        parse_all(values.iter().copied()).is_some() && values.iter().any(|one| *one != values[0])
    };
    common.iter().rev().find(numeric).or(common.last()).map(|key| key.to_string())
}

fn values<'a>(sweep: &'a Sweep, key: &str) -> Vec<&'a str> {
    let place = sweep.keys.iter().position(|one| one == key);
    let of_point = |point: &'a Point| point.values.get(place?).map(String::as_str);
    sweep.points.iter().filter_map(of_point).collect()
}

/// The horizontal axis: numbers, or else names in the order in which they come.
struct KeyAxis {
    axis: Axis,
    names: Vec<String>,
}

impl KeyAxis {
    fn new(key: &str, series: &[Series<'_>]) -> KeyAxis {
        let of_series = series.iter().flat_map(|one| one.points.iter().map(|(value, _)| *value));
        let values: Vec<&str> = of_series.collect();
        if let Some(numbers) = parse_all(values.iter().copied()) {
            let times = matches!(numbers.first(), Some(Quantity::Seconds(_)));
            let unit = if times { Unit::Seconds } else { Unit::Number };
            let axis = Axis::fitting(key, unit, numbers.iter().map(|number| number.value()));
            return KeyAxis { axis, names: Vec::new() };
        }
        let mut names: Vec<String> = Vec::new();
        for value in values {
            if !names.iter().any(|name| name == value) {
                names.push(value.to_owned());
            }
        }
        let shown = names.iter().map(|name| plain(name)).collect();
        let axis =
            Axis { name: key.to_owned(), unit: Unit::Number, scale: Scale::Names { names: shown } };
        KeyAxis { axis, names }
    }

    fn place(&self, value: &str) -> Option<f64> {
        if self.names.is_empty() {
            return Quantity::parse(value).map(Quantity::value);
        }
        self.names.iter().position(|name| name == value).map(|place| place as f64)
    }

    fn chart(&self, metric: &str, series: &[Series<'_>]) -> Chart {
        let lines: Vec<Line> =
            series.iter().map(|one| one.line(metric, |value| self.place(value))).collect();
        let seen = lines.iter().flat_map(|line| line.points.iter().filter_map(|spot| spot.y));
        let y = Axis::fitting(label(metric), Unit::of(metric), seen);
        Chart::Lines(Lines { x: self.axis.clone(), y, lines, areas: Vec::new() })
    }
}

fn means<'a>(series: &'a [Series<'_>], metric: &'a str) -> impl Iterator<Item = f64> + 'a {
    series.iter().flat_map(move |one| {
        one.points.iter().filter_map(move |(_, point)| one.sweep.figure(point, metric).mean)
    })
}

fn varies(series: &[Series<'_>], metric: &str) -> bool {
    let first = means(series, metric).next();
    means(series, metric).any(|mean| Some(mean) != first)
}

/// Eviction latency against mistakes, a line for each series.
fn tradeoff(series: &[Series<'_>], key: &str, charts: &mut Charts) -> Markup {
    let (across, up) = ("eviction_latency_mean_s", "mistake_rate_per_s");
    if means(series, across).next().is_none() || !varies(series, up) {
        return html! {};
    }
    let line = |one: &Series<'_>| {
        let spots = one.points.iter().filter_map(|(value, point)| {
            let (x, y) = (one.sweep.figure(point, across), one.sweep.figure(point, up));
            let (x_error, y_error) = (x.ci95, y.ci95);
            let note = format!("{} {}", short(key), plain(value));
            let spot = Spot::new(x.mean?, y.mean);
            Some(judged(point, Spot { x_error, y_error, note, ..spot }))
        });
        Line { name: one.name.clone(), points: spots.collect(), marked: true }
    };
    let lines = series.iter().map(line).collect();
    let x = Axis::linear(label(across), Unit::Seconds);
    let y = Axis::fitting(label(up), Unit::PerSecond, means(series, up));
    let mut sentence = "How fast crashes are noticed against how often the living are taken for \
                        dead. Down and to the left is better; each alone is easy."
        .to_owned();
    if matches!(y.scale, Scale::Log { .. }) && means(series, up).any(|mean| mean == 0.0) {
        sentence.push_str(" Points at the bottom edge had no mistake.");
    }
    charts.add(
        "Speed against mistakes",
        &sentence,
        Chart::Lines(Lines { x, y, lines, areas: Vec::new() }),
    )
}
