//! The points of a sweep as a table.

use maud::{Markup, html};

use crate::format::{Unit, thousands};
use crate::headline::{HEADLINES, Headline};
use crate::quantity::{plain, short};
use crate::read::{Estimate, Point, Sweep};
use crate::sections::head::tag;
use crate::sections::{section, table};

/// A page that is to be read has no more rows than this.
const ROWS: usize = 200;

/// One row for each point, with the headlines that say anything in any of them.
pub(crate) fn points(sweep: &Sweep) -> Markup {
    if sweep.points.is_empty() {
        let none = html! { p.note { "No run of it was over." } };
        return section("Points", "", none);
    }
    let shown: Vec<&Headline> = HEADLINES.iter().filter(|one| says(sweep, one.metric)).collect();
    let judged = sweep.points.iter().any(|point| point.verdict.is_some());
    let mut head: Vec<&str> = vec!["Point"];
    head.extend(sweep.keys.iter().map(|key| short(key)));
    head.extend(judged.then_some("Outcome"));
    let texts = head.len();
    head.push("Runs");
    head.extend(shown.iter().map(|headline| &*headline.label));
    let rows = sweep.points.iter().take(ROWS).map(|point| {
        let mut row = vec![html! { (point.number) }];
        row.extend(
            point.values.iter().map(|value| html! { span title=(value) { (plain(value)) } }),
        );
        if judged {
            row.push(html! { @if let Some(verdict) = point.verdict { (tag(verdict)) } });
        }
        row.push(html! { (Unit::Number.show(point.runs)) });
        row.extend(shown.iter().map(|headline| cell(sweep, point, headline.metric)));
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
                    where there are two runs or more.";
    section("Points", sentence, content)
}

/// Whether a metric is anything but undefined or 0 in all points.
fn says(sweep: &Sweep, metric: &str) -> bool {
    let figures = sweep.points.iter().map(|point| sweep.figure(point, metric));
    figures.into_iter().any(|figure| figure.mean.is_some_and(|mean| mean != 0.0))
}

fn cell(sweep: &Sweep, point: &Point, metric: &str) -> Markup {
    let unit = Unit::of(metric);
    let Estimate { mean, ci95 } = sweep.figure(point, metric);
    let [mean, half] = unit.show_handy(mean, ci95);
    html! {
        (mean)
        @if ci95.is_some() { span.interval { " ± " (half) } }
    }
}
