//! The top of a page: which run it was, and how it came out.

use maud::{Markup, html};
use skipbeat_core::number::{number, thousands};
use skipbeat_measure::{Judged, Tone};
use skipbeat_results::{ReadFolder, RunFile};
use skipbeat_scenario::Mode;

use crate::parts::{badge, class, facts, table, tag};

/// The most reasons to show, and the most thresholds of a sweep.
const MOST_SHOWN: usize = 12;

/// The top of a page about one folder, or of one folder's part in a page about several.
pub(crate) fn head(folder: &ReadFolder, name: &str) -> Markup {
    let file = folder.file();
    html! {
        header.head {
            p.kind { (kind(file)) }
            h1 { (name) }
            @if !file.description().is_empty() { p.lead { (file.description()) } }
            (facts(&which(file)))
        }
        (outcome(file))
    }
}

fn kind(file: &RunFile) -> &'static str {
    match &file.sweep {
        None => "skipbeat run",
        Some(sweep) if sweep.ramps.is_some() => "skipbeat ramp",
        Some(_) => "skipbeat sweep",
    }
}

/// The world in words.
pub(crate) fn world(mode: Mode) -> &'static str {
    match mode {
        Mode::Sim => "sim: virtual time",
        Mode::Net => "net: real sockets",
    }
}

/// A time that someone chose, such as the length of a run: without needless decimals.
fn chosen(seconds: f64) -> String {
    format!("{} s", number(seconds))
}

fn which(file: &RunFile) -> Vec<(&'static str, String)> {
    let time = |key: &str| file.time(key).map(chosen);
    let measured = match (time("duration"), time("warmup"), time("drain")) {
        (Some(duration), Some(warmup), Some(drain)) => {
            format!("{duration} after {warmup} of warm-up, then {drain} of drain")
        }
        _ => String::new(),
    };
    let mut which = vec![
        ("World", world(file.mode).to_owned()),
        ("Seed", file.seed.to_string()),
        ("Clients", file.clients().map(thousands).unwrap_or_default()),
        ("Server", file.server()),
        ("Measured", measured),
    ];
    if let Some(sweep) = &file.sweep {
        which.push(("Swept", sweep.keys.join(", ")));
        // A ramp ends at the first step that breaks, so it has fewer runs than planned.
        if sweep.ramps.is_none() {
            let [over, planned] = [sweep.runs.len() as f64, sweep.runs_planned as f64];
            which.push(("Runs", format!("{} of {}", thousands(over), thousands(planned))));
        }
    }
    which
}

/// The verdict in `run.json`, and the reasons for it.
fn outcome(file: &RunFile) -> Markup {
    // The reason may name these already.
    let unsaid = |text: &&String| !file.reason.contains(text.as_str());
    let verdict = file.run.as_ref().map(|run| &run.verdict);
    let ended = verdict.and_then(|verdict| verdict.ended_early_at_s);
    let stopped_by = verdict.and_then(|verdict| verdict.stopped_by.as_ref()).filter(unsaid);
    let failure = verdict.and_then(|verdict| verdict.failure.as_ref()).filter(unsaid);
    html! {
        div.outcome.(class(file.outcome.tone())) {
            (badge(file.outcome))
            p.reason { (file.reason) }
            @if let Some(ended) = ended {
                p {
                    "It ended early, at " (chosen(ended))
                    @if let Some(planned) = file.planned_end() { " of " (chosen(planned)) }
                    "."
                }
            }
            @if let Some(threshold) = stopped_by {
                p { "It was stopped because this was not met: " (threshold) }
            }
            @if let Some(failure) = failure { p.failure { (failure) } }
            (doubts(file))
            (ramps(file))
            @match verdict {
                Some(verdict) => (thresholds(&verdict.thresholds)),
                None => (thresholds_of_sweep(file)),
            }
        }
    }
}

/// How far each ramp got, and what broke.
fn ramps(file: &RunFile) -> Markup {
    html! {
        @for ramp in file.sweep.iter().flat_map(|sweep| &sweep.ramps).flatten() {
            p { strong { (ramp.ramp) } }
            ul { @for line in &ramp.lines { li { (line) } } }
        }
    }
}

/// Why figures can't be relied on. For a sweep each reason is listed once, with its number of runs.
fn doubts(file: &RunFile) -> Markup {
    let mut reasons: Vec<(&String, usize)> = Vec::new();
    for reason in file.verdicts().into_iter().flat_map(|verdict| &verdict.doubts) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None => reasons.push((reason, 1)),
        }
    }
    html! {
        @if !reasons.is_empty() {
            ul {
                @for (reason, times) in reasons.iter().take(MOST_SHOWN) {
                    li { (reason) @if *times > 1 { " (" (times) " runs)" } }
                }
                @if reasons.len() > MOST_SHOWN {
                    li { "and " (reasons.len() - MOST_SHOWN) " more" }
                }
            }
        }
    }
}

/// The table of thresholds: what was required, and the actual figure.
fn thresholds(thresholds: &[Judged]) -> Markup {
    let rows = thresholds.iter().map(|judged| {
        let (tone, sign) = match judged.met {
            Some(true) => (Tone::Good, "✓"),
            Some(false) => (Tone::Bad, "✗"),
            None => (Tone::Unsure, "?"),
        };
        vec![
            tag(tone, sign, judged.words()),
            html! { code { (judged.subject()) " " (judged.required) } },
            html! { (judged.shown()) },
        ]
    });
    let rows: Vec<_> = rows.collect();
    html! { @if !rows.is_empty() { (table(&["Outcome", "Required", "Actual"], 2, &rows)) } }
}

/// Each threshold of a sweep once, with the number of runs that meet it and of those that don't.
fn thresholds_of_sweep(file: &RunFile) -> Markup {
    let mut counted: Vec<(String, [usize; 3])> = Vec::new();
    for judged in file.verdicts().into_iter().flat_map(|verdict| &verdict.thresholds) {
        let name = judged.to_string();
        let at = counted.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            counted.push((name, [0; 3]));
            counted.len() - 1
        });
        let column = match judged.met {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        counted[at].1[column] += 1;
    }
    let rows = counted.iter().take(MOST_SHOWN).map(|(name, counts)| {
        let counts = counts.map(|count| html! { (thousands(count as f64)) });
        std::iter::once(html! { code { (name) } }).chain(counts).collect()
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    let head = ["Required", "Runs that meet it", "That do not", "Undefined or not judged"];
    html! {
        @if !rows.is_empty() { (table(&head, 1, &rows)) }
        @if counted.len() > MOST_SHOWN {
            p.note { "And " (counted.len() - MOST_SHOWN) " more thresholds, see run.json." }
        }
    }
}
