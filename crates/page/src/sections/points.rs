//! The points of a sweep as a table.

use maud::{Markup, html};
use skipbeat_core::number::thousands;
use skipbeat_measure::{Metric, Outcome};
use skipbeat_results::{SweepPoint, SweepRead};

use crate::metrics::{capitalised, headlines};
use crate::parts::{outcome_tag, section, table};
use crate::quantity::{plain, short};

/// The most rows to show, so that the page stays readable.
const ROWS: usize = 200;

/// One row for each point, with the headlines that are worth showing for any of them.
pub(crate) fn points(sweep: &SweepRead) -> Markup {
    if sweep.points.is_empty() {
        let none = html! { p.note { "No run of it was over." } };
        return section("Points", "", none);
    }
    let sets: Vec<_> =
        sweep.points.iter().map(|point| move |name: &str| point.figure(name).mean).collect();
    let shown = headlines(&sets);
    let labels: Vec<String> = shown.iter().map(|metric| capitalised(&metric.label())).collect();
    // If nothing is required of any run, the head of the page says so, and no column is needed.
    let judged = |point: &SweepPoint| point.outcome.is_some_and(|o| o != Outcome::NothingRequired);
    let judged = sweep.points.iter().any(judged);
    let mut head: Vec<&str> = vec!["Point"];
    head.extend(sweep.keys.iter().map(|key| short(key)));
    head.extend(judged.then_some("Outcome"));
    let texts = head.len();
    head.push("Runs");
    head.extend(labels.iter().map(String::as_str));
    let rows = sweep.points.iter().take(ROWS).map(|point| {
        let mut row = vec![html! { (point.number) }];
        row.extend(
            point.values.iter().map(|value| html! { span title=(value) { (plain(value)) } }),
        );
        if judged {
            row.push(html! { @if let Some(outcome) = point.outcome { (outcome_tag(outcome)) } });
        }
        row.push(html! { (thousands(point.runs as f64)) });
        row.extend(shown.iter().map(|metric| cell(point, *metric)));
        row
    });
    let content = html! {
        (table(&head, texts, &rows.collect::<Vec<_>>()))
        @if sweep.points.len() > ROWS {
            p.note {
                "The first " (thousands(ROWS as f64)) " of "
                (thousands(sweep.points.len() as f64)) " points. All of them are in sweep.csv."
            }
        }
    };
    let sentence = "Means over the runs of each point, ± half of their 95 % confidence interval \
                    where there are two runs or more. A dash is undefined, not 0.";
    section("Points", sentence, content)
}

fn cell(point: &SweepPoint, metric: Metric) -> Markup {
    let estimate = point.figure(&metric.name());
    let [mean, half] = metric.unit().show_with_interval(estimate.mean, estimate.half_width);
    html! {
        (mean)
        @if estimate.half_width.is_some() { span.interval { " ± " (half) } }
    }
}
