//! What a reader needs to repeat a run, and to check that the results are the same.

use maud::{Markup, html};
use skipbeat_core::number::thousands;
use skipbeat_results::{RunFile, RunPart};

use crate::parts::{facts, section, table};

/// Hashes, versions, a command and the resolved scenario.
pub(crate) fn again(file: &RunFile) -> Markup {
    let mut what = vec![
        ("Scenario hash", file.scenario_hash.clone()),
        ("Seed", file.seed.to_string()),
        ("Version", file.skipbeat.version.clone()),
        ("Commit", file.skipbeat.commit.clone()),
    ];
    what.extend(file.run.as_ref().into_iter().flat_map(of_run));
    let resolved = serde_json::to_string_pretty(&file.scenario).unwrap_or_default();
    let content = html! {
        pre.command { (command(file)) }
        (facts(&what))
        @if let Some(run) = &file.run { (refused(run)) }
        details { summary { "The scenario as resolved" } pre { (resolved) } }
    };
    let sentence = "In sim the same scenario and seed give the same digest on any machine, in net \
                    a different one each time. The name of the file is a guess: the hash tells \
                    whether it is the same scenario.";
    section("Run it again", sentence, content)
}

fn of_run(run: &RunPart) -> Vec<(&'static str, String)> {
    let every = run.observed_every_nth_client;
    let bounds = run.reorder_extents_that_are_lower_bounds;
    let some = |count: u64, least: u64| {
        if count < least { String::new() } else { thousands(count as f64) }
    };
    vec![
        ("Digest of the events", run.digest.clone()),
        ("Events", thousands(run.events as f64)),
        ("Order observed of one client in", some(every.into(), 2)),
        ("Reordering extents that are lower bounds", some(bounds, 1)),
    ]
}

fn command(file: &RunFile) -> String {
    let name = if file.name().is_empty() { "scenario" } else { file.name() };
    let mode = file.mode.name();
    let mut command = format!("skipbeat run {name}.toml --mode {mode} --seed {}", file.seed);
    for setting in &file.settings {
        // A shell can't escape a single quote inside single quotes.
        command.push_str(&format!(" --set '{}'", setting.replace('\'', r"'\''")));
    }
    if let Some(replications) = file.replications {
        command.push_str(&format!(" --replications {replications}"));
    }
    command
}

fn refused(run: &RunPart) -> Markup {
    let rows = run.refused.iter().map(|(cause, count)| {
        vec![html! { code { (cause) } }, html! { (thousands(*count as f64)) }]
    });
    let rows: Vec<_> = rows.collect();
    html! {
        @if !rows.is_empty() {
            details {
                summary { "What the server refused" }
                (table(&["Cause", "Datagrams"], 1, &rows))
            }
        }
    }
}
