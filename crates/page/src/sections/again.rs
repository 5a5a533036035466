//! What it takes to run it again, and to see whether it came out the same.

use maud::{Markup, html};

use crate::format::thousands;
use crate::read::RunFile;
use crate::sections::head::seed;
use crate::sections::{facts, section, table};

/// Hashes, versions, a command and the resolved scenario.
pub(crate) fn again(about: &RunFile) -> Markup {
    let count = |count: Option<f64>| count.map(thousands).unwrap_or_default();
    let every = about.observed_every_nth_client.filter(|every| *every > 1.0);
    let what = [
        ("Scenario hash", about.scenario_hash.clone()),
        ("Seed", seed(about)),
        ("Digest of the events", about.digest.clone()),
        ("Events", count(about.events)),
        ("Version", about.skipbeat.version.clone()),
        ("Commit", about.skipbeat.commit.clone()),
        ("Followed for order, every n-th client", count(every)),
    ];
    let resolved = serde_json::to_string_pretty(&about.scenario).unwrap_or_default();
    let content = html! {
        pre.command { (command(about)) }
        (facts(&what))
        (refused(about))
        @if !about.scenario.is_null() {
            details { summary { "The scenario as resolved" } pre { (resolved) } }
        }
    };
    let sentence = "In sim the same scenario and seed give the same digest, on any machine; in \
                    net it is another each time. The file's name is a guess: the hash tells \
                    whether it is the same scenario.";
    section("To run it again", sentence, content)
}

fn command(about: &RunFile) -> String {
    let name = if about.name().is_empty() { "scenario" } else { about.name() };
    let mut command = format!("skipbeat run {name}.toml");
    if !about.mode.is_empty() {
        command.push_str(&format!(" --mode {}", about.mode));
    }
    if !seed(about).is_empty() {
        command.push_str(&format!(" --seed {}", seed(about)));
    }
    for setting in &about.settings {
        // In a shell no quote stands inside quotes.
        command.push_str(&format!(" --set '{}'", setting.replace('\'', r"'\''")));
    }
    if let Some(replications) = about.replications {
        command.push_str(&format!(" --replications {replications}"));
    }
    command
}

fn refused(about: &RunFile) -> Markup {
    let rows = about
        .refused
        .iter()
        .map(|(cause, count)| vec![html! { code { (cause) } }, html! { (thousands(*count)) }]);
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
