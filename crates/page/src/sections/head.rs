//! Which run it was, and how it came out.

use maud::{Markup, html};

use crate::format::{Unit, length, thousands};
use crate::read::{Folder, Kind, RunFile, Threshold};
use crate::sections::{facts, table};
use crate::verdict::Verdict;

/// The top of a page about one folder, or of one folder's part in a page about several.
pub(crate) fn head(folder: &Folder, name: &str) -> Markup {
    let about = &folder.about;
    html! {
        header.head {
            p.kind { (kind(folder)) }
            h1 { (name) }
            @if !about.description().is_empty() { p.lead { (about.description()) } }
            (facts(&which(folder)))
        }
        (outcome(folder))
    }
}

fn kind(folder: &Folder) -> &'static str {
    match &folder.kind {
        Kind::Run(_) => "skipbeat run",
        Kind::Sweep(_) if folder.about.capacity.is_some() => "skipbeat ramp",
        Kind::Sweep(_) => "skipbeat sweep",
    }
}

/// The world in words.
pub(crate) fn world(about: &RunFile) -> String {
    match about.mode.as_str() {
        "sim" => "sim: virtual time".to_owned(),
        "net" => "net: real sockets".to_owned(),
        other => other.to_owned(),
    }
}

fn which(folder: &Folder) -> Vec<(&'static str, String)> {
    let about = &folder.about;
    let time = |key: &str| about.time(key).map(length);
    let measured = match (time("duration"), time("warmup"), time("drain")) {
        (Some(duration), Some(warmup), Some(drain)) => {
            format!("{duration} after {warmup} of warm-up, {drain} of drain")
        }
        _ => String::new(),
    };
    let mut which = vec![
        ("World", world(about)),
        ("Seed", seed(about)),
        ("Clients", about.clients().map(thousands).unwrap_or_default()),
        ("Server", about.server()),
        ("Measured", measured),
    ];
    if let Kind::Sweep(sweep) = &folder.kind {
        which.push(("Swept", sweep.keys.join(", ")));
        let over = about.runs.len();
        let planned = about.runs_planned.map(|planned| thousands(planned as f64));
        let runs = planned.map(|planned| format!("{} of {planned}", thousands(over as f64)));
        // Of a ramp it is no matter how many steps there would have been.
        if about.capacity.is_none() {
            which.push(("Runs", runs.unwrap_or_default()));
        }
        which.push(("Demanded", demanded(about)));
    }
    which
}

/// The seed as it was given.
pub(crate) fn seed(about: &RunFile) -> String {
    if about.seed.is_null() { String::new() } else { about.seed.to_string() }
}

/// The verdict, and what stands behind it.
fn outcome(folder: &Folder) -> Markup {
    let about = &folder.about;
    let verdict = Verdict::of(about);
    html! {
        div.outcome.(verdict.class()) {
            p.badge { (verdict.words()) }
            p { (reason(folder, verdict)) }
            @if let Some((ended, planned)) = about.ended_early() {
                p { "It ended early, at " (length(ended)) " of " (length(planned)) "." }
            }
            @if let Some(threshold) = &about.stopped_by {
                p { "It was stopped since this was not met: " (threshold) }
            }
            @if let Some(failure) = &about.failure { p.failure { (failure) } }
            (doubts(folder))
            (knees(about))
            @if !about.thresholds.is_empty() { (thresholds(&about.thresholds)) }
        }
    }
}

/// What the verdict means here, in a sentence.
fn reason(folder: &Folder, verdict: Verdict) -> String {
    let about = &folder.about;
    let missed = about.thresholds.iter().filter(|one| one.met == Some(false)).count();
    let asked = about.thresholds.len();
    let marked =
        about.runs.iter().filter(|run| run.verdict.as_deref() == Some("threshold")).count();
    match verdict {
        Verdict::Pass if asked > 0 => "Every threshold is met.".to_owned(),
        Verdict::Pass if about.capacity.is_some() => {
            "The first step of each ramp holds, and no run is in doubt.".to_owned()
        }
        Verdict::Pass if !demanded(about).is_empty() && marked == 0 => {
            "Every threshold is met by every run.".to_owned()
        }
        Verdict::Pass if marked > 0 => {
            "No run is in doubt. Points that do not meet what was demanded are marked.".to_owned()
        }
        Verdict::Pass if matches!(folder.kind, Kind::Sweep(_)) => {
            "No run is in doubt. No threshold was set.".to_owned()
        }
        Verdict::Pass => "Every datagram is accounted for. No threshold was set.".to_owned(),
        Verdict::Threshold if asked > 0 => {
            format!("{missed} of {asked} thresholds {} not met.", plural(missed))
        }
        Verdict::Threshold => "Some points do not meet what was demanded.".to_owned(),
        Verdict::Inconclusive if about.thresholds.iter().any(|one| one.met.is_none()) => {
            "A figure that a threshold asks for is undefined.".to_owned()
        }
        Verdict::Inconclusive => "The figures can't be relied on, for these reasons:".to_owned(),
        Verdict::Interrupted => "A signal ended it. What was seen until then is here.".to_owned(),
        Verdict::Failed => "An error ended it. What was seen until then is here:".to_owned(),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// How far each ramp came, and what broke.
fn knees(about: &RunFile) -> Markup {
    html! {
        @for knee in about.capacity.iter().flatten() {
            p { strong { (knee.ramp) } }
            ul { @for line in &knee.says { li { (line) } } }
        }
    }
}

/// What is demanded of each run of a sweep, by the first of them.
fn demanded(about: &RunFile) -> String {
    let first = about.runs.first().map_or(&[][..], |run| &run.thresholds);
    let each = first.iter().map(|one| {
        let group = one.group.as_ref().map_or(String::new(), |group| format!("{group} "));
        format!("{group}{} {}", one.metric, one.condition)
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The reasons to doubt it; of a sweep, each once, with the number of its runs.
fn doubts(folder: &Folder) -> Markup {
    const SHOWN: usize = 12;
    let about = &folder.about;
    let mut reasons: Vec<(&String, usize)> = Vec::new();
    let of_runs = about.runs.iter().flat_map(|run| &run.inconclusive);
    for reason in about.inconclusive.iter().chain(of_runs) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None => reasons.push((reason, 1)),
        }
    }
    html! {
        @if !reasons.is_empty() {
            ul {
                @for (reason, times) in reasons.iter().take(SHOWN) {
                    li { (reason) @if *times > 1 { " (" (times) " runs)" } }
                }
                @if reasons.len() > SHOWN { li { "and " (reasons.len() - SHOWN) " more" } }
            }
        }
    }
}

/// What was demanded beside what came.
pub(crate) fn thresholds(thresholds: &[Threshold]) -> Markup {
    let rows = thresholds.iter().map(|threshold| {
        vec![
            met(threshold.met),
            html! {
                code { (threshold.metric) " " (threshold.condition) }
                @if let Some(group) = &threshold.group { " of " (group) }
            },
            // In the unit of the condition.
            html! { (Unit::of(&threshold.metric).show(threshold.value)) },
        ]
    });
    table(&["Outcome", "Demanded", "Actual"], 2, &rows.collect::<Vec<_>>())
}

fn met(met: Option<bool>) -> Markup {
    match met {
        Some(true) => html! { span.tag.good { "✓ met" } },
        Some(false) => html! { span.tag.bad { "✗ not met" } },
        None => html! { span.tag.unsure { "? unknown" } },
    }
}

/// A verdict in a table.
pub(crate) fn tag(verdict: Verdict) -> Markup {
    html! { span.tag.(verdict.class()) { (verdict.words()) } }
}
