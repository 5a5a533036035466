//! The summary of a sweep: one line per point with its main figures, then the verdict on the whole.

use anstyle::Style;
use skipbeat_link::compact;
use skipbeat_measure::{Metric, Outcome, Tone};
use skipbeat_results::FinishedRun;
use skipbeat_scenario::{Run, Study};

use crate::text::{table, toned};

/// At most this many reasons are shown; the rest are counted.
const MOST_SHOWN: usize = 20;

/// Whether a run counts towards the outcome of its study. Of a ramp only the first step does: later
/// steps are expected to break.
pub fn counts(study: &Study, run: &FinishedRun) -> bool {
    study.ramp.is_none_or(|steps| study.runs[run.run].point.is_multiple_of(steps))
}

/// The outcome of a study, and the reason for it in a sentence. If one run misses a threshold, so
/// does the study, even if other runs are inconclusive.
pub fn study_outcome(study: &Study, runs: &[FinishedRun]) -> (Outcome, String) {
    let verdicts = runs.iter().filter(|run| counts(study, run));
    let outcomes: Vec<Outcome> =
        verdicts.map(|run| run.verdict(&study.runs[run.run].plan).outcome).collect();
    let worst = Outcome::worst(outcomes.iter().copied());
    let many = outcomes.iter().filter(|outcome| **outcome == worst).count();
    let of = format!("{many} of {} runs", outcomes.len());
    let what = if study.ramp.is_some() { "the first step of each ramp" } else { "every run" };
    let reason = match worst {
        _ if outcomes.is_empty() => "no run is over".to_owned(),
        Outcome::NothingRequired => {
            format!("no threshold was set; the figures of {what} can be relied on")
        }
        Outcome::Pass => format!("{what} meets its thresholds"),
        Outcome::Inconclusive => format!("{of} can't be relied on, or lack a required figure"),
        _ => format!("{of} do not meet their thresholds"),
    };
    (if outcomes.is_empty() { Outcome::Inconclusive } else { worst }, reason)
}

/// The mean over the replications that have the figure.
fn mean(runs: &[&FinishedRun], metric: Metric) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.figures.figure(metric)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The metrics that get a column: primary ones with a better direction, and other headlines that
/// differ by more than a tenth between runs. Each must be worth showing for at least one run.
fn columns(runs: &[FinishedRun]) -> Vec<Metric> {
    let shown = |metric: &Metric| {
        if !runs.iter().any(|run| run.figures.say(*metric)) {
            return false;
        }
        let values = runs.iter().filter_map(|run| run.figures.figure(*metric));
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| {
            (least.min(v), most.max(v))
        });
        let varies = most > 1.1 * least;
        if metric.card.primary { most >= least && metric.better().is_some() } else { varies }
    };
    Metric::headlines().into_iter().filter(shown).collect()
}

/// The summary of a sweep as text with terminal colours.
pub fn sweep_summary(study: &Study, runs: &[FinishedRun], outcome: (Outcome, &str)) -> String {
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
    let columns = columns(runs);
    // Keys are cut as short as possible while they still differ.
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(study.keys.iter().map(|key| short(key, &study.keys)));
    rows[0].extend(columns.iter().map(|metric| metric.label()));
    for point in 0..points {
        let of_point: Vec<&FinishedRun> =
            runs.iter().filter(|run| study.runs[run.run].point == point).collect();
        let Some(first) = of_point.first() else { continue };
        let mut row = vec![point.to_string()];
        row.extend(study.runs[first.run].values.iter().map(|value| compact(value)));
        row.extend(columns.iter().map(|metric| metric.unit().show(mean(&of_point, *metric))));
        rows.push(row);
    }
    text.push('\n');
    text.push_str(&table("point", &rows));
    if replications > 1 {
        text.push_str("means over the runs of a point; each run is a row of summary.csv\n");
    }
    text.push('\n');
    text.push_str(&headline(study, runs, outcome));
    text
}

/// The outcome of a sweep in one line, then the reasons against a pass.
pub(crate) fn headline(
    study: &Study,
    runs: &[FinishedRun],
    (outcome, reason): (Outcome, &str),
) -> String {
    let mut text = format!("{}: {reason}\n", toned(outcome.tone(), outcome.words()));
    if runs.len() < study.runs.len() && study.ramp.is_none() {
        text.push_str(&format!("{} of {} runs are over\n", runs.len(), study.runs.len()));
    }
    let against: Vec<String> = runs
        .iter()
        .filter(|run| counts(study, run))
        .flat_map(|run| against(&study.runs[run.run], run))
        .collect();
    for line in against.iter().take(MOST_SHOWN) {
        text.push_str(&format!("  {line}\n"));
    }
    if against.len() > MOST_SHOWN {
        text.push_str(&format!("  and {} more\n", against.len() - MOST_SHOWN));
    }
    text
}

/// The reasons why one run does not pass.
fn against(run: &Run, finished: &FinishedRun) -> Vec<String> {
    let verdict = finished.verdict(&run.plan);
    let stopped = verdict.stopped_by.iter().map(|by| format!("stopped early: not met: {by}"));
    let missed = verdict.thresholds.iter().filter(|one| one.met != Some(true));
    let missed = missed.map(|one| format!("{one}: actual {}, {}", one.shown(), one.words()));
    let all = stopped.chain(missed).chain(verdict.doubts.iter().cloned());
    all.map(|what| format!("point {} run {}: {what}", run.point, run.replication)).collect()
}

/// The shortest tail of a key, of two parts or more, that tells it from the others.
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

/// The tone of a cell that says whether a step holds.
pub(crate) fn tone_of(holds: bool) -> Tone {
    if holds { Tone::Good } else { Tone::Bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_short_as_they_can_be() {
        let keys = ["group.a.up.loss", "group.b.up.loss", "server.timeout"].map(str::to_owned);
        let shorts: Vec<_> = keys.iter().map(|key| short(key, &keys)).collect();
        assert_eq!(shorts, ["a.up.loss", "b.up.loss", "server.timeout"]);
    }
}
