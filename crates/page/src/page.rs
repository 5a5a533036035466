//! Puts the sections of a page in order: for one run, one sweep, or several folders overlaid.

use std::path::Path;

use maud::{Markup, html};
use skipbeat_results::{ReadFolder, ResultError, RunRead, read_all};

use crate::chart::Charts;
use crate::parts::{outcome_tag, table};
use crate::sections::sweep::Swept;
use crate::sections::timeline::timelines;
use crate::sections::{Named, again, curves, figures, flow, head, host, links, points, sweep};
use crate::shell::shell;

/// Why no page could be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No folder was named.
    #[error("name at least one folder with results")]
    NoFolder,
    /// A result file is missing or can't be read.
    #[error(transparent)]
    Results(#[from] ResultError),
}

/// A folder with the name that the page gives it.
struct Folder {
    name: String,
    read: ReadFolder,
}

/// Reads result folders and draws them: one run or sweep, or several overlaid.
///
/// ```no_run
/// # use std::path::Path;
/// let page = skipbeat_page::render(&[Path::new("results/quick")])?;
/// std::fs::write("report.html", page)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If no folder is named, or if a result file is missing or damaged.
pub fn render(folders: &[&Path]) -> Result<String, PageError> {
    let all: Vec<ReadFolder> =
        folders.iter().map(|folder| read_all(folder)).collect::<Result<_, _>>()?;
    let names = names(folders, &all);
    let folders: Vec<Folder> =
        names.into_iter().zip(all).map(|(name, read)| Folder { name, read }).collect();
    let mut charts = Charts::default();
    let (title, body) = match folders.as_slice() {
        [] => return Err(PageError::NoFolder),
        [folder] => (folder.name.clone(), alone(folder, &mut charts)),
        _ => (joined(&folders), together(&folders, &mut charts)),
    };
    Ok(shell(&format!("{title} · skipbeat"), body, &charts.into_json()))
}

/// Names that tell the folders apart: those of the scenarios, or else those of the folders, or else
/// names with a number.
fn names(paths: &[&Path], folders: &[ReadFolder]) -> Vec<String> {
    let distinct = |names: &[String]| {
        names.iter().enumerate().all(|(at, name)| !name.is_empty() && !names[..at].contains(name))
    };
    let scenarios: Vec<String> = folders.iter().map(|one| one.file().name().to_owned()).collect();
    if distinct(&scenarios) {
        return scenarios;
    }
    let last = |path: &&Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own: Vec<String> = paths.iter().map(last).collect();
    if distinct(&own) {
        return own;
    }
    own.iter().enumerate().map(|(at, name)| format!("{} {name}", at + 1)).collect()
}

fn joined(folders: &[Folder]) -> String {
    folders.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The page of one folder.
fn alone(folder: &Folder, charts: &mut Charts) -> Markup {
    let name = folder.name.as_str();
    html! {
        (head::head(&folder.read, name))
        @match &folder.read {
            ReadFolder::Run(run) => {
                (figures::tiles(&run.figures))
                (links::links(&run.links))
                (timelines(&[Named { name, run }], charts))
                (curves::curves(&[Named { name, run }], charts))
                (details(run, charts))
            },
            ReadFolder::Sweep(swept) => {
                (sweep::charts(&[Swept { name, sweep: swept }], charts))
                (points::points(swept))
            },
        }
        (host::host(folder.read.host()))
        (again::again(folder.read.file()))
    }
}

/// The sections of a run that can't be overlaid with those of another run.
fn details(run: &RunRead, charts: &mut Charts) -> Markup {
    html! {
        (flow::flows(&run.ledger, charts))
        (figures::groups(&run.groups))
        (figures::all(&run.figures))
    }
}

/// The page of several folders: what can be compared comes first, then each folder by itself.
fn together(folders: &[Folder], charts: &mut Charts) -> Markup {
    let mut runs: Vec<Named<'_>> = Vec::new();
    let mut sweeps: Vec<Swept<'_>> = Vec::new();
    for Folder { name, read } in folders {
        match read {
            ReadFolder::Run(run) => runs.push(Named { name, run }),
            ReadFolder::Sweep(sweep) => sweeps.push(Swept { name, sweep }),
        }
    }
    html! {
        header.head {
            p.kind { "skipbeat, " (folders.len()) " results" }
            h1 { (joined(folders)) }
        }
        section { (outcomes(folders)) }
        @if !runs.is_empty() {
            (figures::side_by_side(&runs))
            (timelines(&runs, charts))
            (curves::curves(&runs, charts))
        }
        @if comparable(&sweeps) { (sweep::charts(&sweeps, charts)) }
        @else if !sweeps.is_empty() {
            p.note {
                "Sweeps share their charts if they are over the same keys. These stand by \
                 themselves below."
            }
        }
        @for folder in folders {
            details.folder {
                summary { (folder.name) }
                (by_itself(folder, !comparable(&sweeps), charts))
            }
        }
    }
}

/// Whether there are several sweeps, all over the same keys, so that they can share charts.
fn comparable(sweeps: &[Swept<'_>]) -> bool {
    sweeps.len() > 1 && sweeps.iter().all(|one| one.sweep.keys == sweeps[0].sweep.keys)
}

/// A folder's own part of a page about several.
fn by_itself(folder: &Folder, draw_sweep: bool, charts: &mut Charts) -> Markup {
    let name = folder.name.as_str();
    html! {
        (head::head(&folder.read, name))
        @match &folder.read {
            ReadFolder::Run(run) => {
                (links::links(&run.links))
                (details(run, charts))
            },
            ReadFolder::Sweep(swept) => {
                @if draw_sweep { (sweep::charts(&[Swept { name, sweep: swept }], charts)) }
                (points::points(swept))
            },
        }
        (host::host(folder.read.host()))
        (again::again(folder.read.file()))
    }
}

/// The outcome of each folder.
fn outcomes(folders: &[Folder]) -> Markup {
    let rows = folders.iter().map(|folder| {
        let file = folder.read.file();
        vec![
            html! { (folder.name) },
            outcome_tag(file.outcome),
            html! { (head::world(file.mode)) },
            html! { (file.server()) },
            html! { (file.seed) },
        ]
    });
    table(&["Result", "Outcome", "World", "Server", "Seed"], 5, &rows.collect::<Vec<_>>())
}
