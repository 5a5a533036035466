//! A sweep as charts: what fast detection costs, and each metric over a swept key.

use maud::{Markup, html};
use skipbeat_core::Unit;
use skipbeat_core::number::thousands;
use skipbeat_measure::Metric;
use skipbeat_results::{SweepPoint, SweepRead};

use crate::chart::{Axis, Chart, Charts, Line, Lines, Scale, Spot};
use crate::metrics::{capitalised, label, unit};
use crate::parts::section;
use crate::quantity::{Quantity, parse_all, plain, short};

/// More lines than this can't be told apart.
const LINES: usize = 12;
/// How many metrics are drawn by default.
const CHARTS: usize = 6;

/// A sweep with its name, which is in the legend if there are several sweeps.
pub(crate) struct Swept<'a> {
    pub(crate) name: &'a str,
    pub(crate) sweep: &'a SweepRead,
}

/// All charts of one sweep, or of several that are overlaid.
pub(crate) fn charts(sweeps: &[Swept<'_>], charts: &mut Charts) -> Markup {
    let Some(key) = axis_key(sweeps) else { return html! {} };
    let (mut series, mut count) = (Vec::new(), 0);
    for swept in sweeps {
        let own = Series::of(swept, &key, sweeps.len() > 1);
        count += own.len();
        series.extend(own.into_iter().take((LINES / sweeps.len()).max(1)));
    }
    let axis = KeyAxis::new(&key, &series);
    let columns = sweeps[0].sweep.points.first().map_or(&[][..], |point| &point.figures);
    let varying: Vec<&str> = columns
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|metric| varies(&series, metric))
        .collect();
    if varying.is_empty() {
        return html! {};
    }
    let sentence = |metric: &str| {
        let label = capitalised(&label(metric));
        format!("{label} over {key}, with 95 % intervals where there are several runs.")
    };
    let content = html! {
        div.charts {
            (tradeoff(&series, &key, charts))
            @for metric in drawn(&varying) {
                (charts.add(
                    &capitalised(&label(&metric)),
                    html! { (sentence(&metric)) },
                    axis.chart(&metric, &series),
                ))
            }
        }
        (charts.choice(
            "Any metric",
            html! { "Each column that varies over the points; the one that is chosen is drawn." },
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

/// The metrics that are drawn by default: primary ones with a better direction, then other
/// headlines with one, then headlines without.
fn drawn(varying: &[&str]) -> Vec<String> {
    let mut ranked = Metric::headlines();
    ranked.retain(|metric| varying.contains(&metric.name().as_str()));
    ranked.sort_by_key(|metric| {
        let judged = metric.better().is_some();
        (!(judged && metric.card.primary), !judged)
    });
    ranked.into_iter().take(CHARTS).map(Metric::name).collect()
}

/// The points of a sweep that have all values but one in common.
struct Series<'a> {
    name: String,
    /// The value on the axis, and the point.
    points: Vec<(&'a str, &'a SweepPoint)>,
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
                all.push((others, Series { name, points: Vec::new() }));
                all.len() - 1
            });
            all[at].1.points.push((value, point));
        }
        all.into_iter().map(|(_, series)| series).collect()
    }

    /// A metric as a line; `place` gives the position of a value on the axis.
    fn line(&self, metric: &str, place: impl Fn(&str) -> Option<f64>) -> Line {
        let spots = self.points.iter().filter_map(|(value, point)| {
            let estimate = point.figure(metric);
            let spot = Spot::new(place(value)?, estimate.mean);
            Some(judged(point, Spot { y_error: estimate.half_width, ..spot }))
        });
        let mut points: Vec<Spot> = spots.collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Line { name: self.name.clone(), points, marked: true }
    }
}

/// Marks a point that did not pass, and adds its outcome to the note.
fn judged(point: &SweepPoint, spot: Spot) -> Spot {
    let Some(outcome) = point.outcome.filter(|outcome| !outcome.succeeds()) else { return spot };
    let note = format!("{} {} {}", spot.note, outcome.sign(), outcome.words());
    Spot { note: note.trim().to_owned(), missed: true, ..spot }
}

fn others_named(sweep: &SweepRead, place: usize, others: &[&str]) -> String {
    let keys = sweep.keys.iter().enumerate().filter(|(at, _)| *at != place);
    let named = keys.zip(others).map(|((_, key), value)| match others.len() {
        1 if Quantity::parse(value).is_none() => plain(value),
        _ => format!("{} {}", short(key), plain(value)),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The key of the horizontal axis: the last one whose values are all numbers, else the last one.
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

fn values<'a>(sweep: &'a SweepRead, key: &str) -> Vec<&'a str> {
    let place = sweep.keys.iter().position(|one| one == key);
    let of_point = |point: &'a SweepPoint| point.values.get(place?).map(String::as_str);
    sweep.points.iter().filter_map(of_point).collect()
}

/// The horizontal axis: numbers if all values are numbers, else names in the order they appear.
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
        let y = Axis::fitting(label(metric), unit(metric), seen);
        Chart::Lines(Lines { x: self.axis.clone(), y, lines, areas: Vec::new() })
    }
}

fn means<'a>(series: &'a [Series<'_>], metric: &'a str) -> impl Iterator<Item = f64> + 'a {
    series.iter().flat_map(move |one| {
        one.points.iter().filter_map(move |(_, point)| point.figure(metric).mean)
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
            let (x, y) = (point.figure(across), point.figure(up));
            let (x_error, y_error) = (x.half_width, y.half_width);
            let note = format!("{} {}", short(key), plain(value));
            let spot = Spot::new(x.mean?, y.mean);
            Some(judged(point, Spot { x_error, y_error, note, ..spot }))
        });
        Line { name: one.name.clone(), points: spots.collect(), marked: true }
    };
    let lines = series.iter().map(line).collect();
    let x = Axis::linear(label(across), Unit::Seconds);
    let y = Axis::fitting(label(up), Unit::PerSecond, means(series, up));
    let mut sentence = "How fast crashes are noticed against how often live clients are evicted. \
                        Down and to the left is better; each alone is easy."
        .to_owned();
    if matches!(y.scale, Scale::Log { .. }) && means(series, up).any(|mean| mean == 0.0) {
        sentence.push_str(" Points at the bottom edge had no mistake.");
    }
    charts.add(
        "Speed against mistakes",
        html! { (sentence) },
        Chart::Lines(Lines { x, y, lines, areas: Vec::new() }),
    )
}
