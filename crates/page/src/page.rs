//! The order of a page: one run, one sweep, or several folders laid over each other.

use std::path::Path;

use maud::{Markup, html};

use crate::chart::Charts;
use crate::error::PageError;
use crate::read::{Figures, Folder, Kind, Run};
use crate::sections::sweep::Swept;
use crate::sections::timeline::{Named, timelines};

use crate::sections::{again, curves, figures, flow, head, host, links, points, sweep, table};
use crate::shell::shell;
use crate::verdict::Verdict;

/// Reads result folders and draws them: one run or sweep, or several overlaid.
pub fn render(folders: &[&Path]) -> Result<String, PageError> {
    let folders: Vec<Folder> =
        folders.iter().map(|path| Folder::read(path)).collect::<Result<_, _>>()?;
    let names = names(&folders);
    let mut charts = Charts::default();
    let (title, body) = match folders.as_slice() {
        [] => return Err(PageError::NoFolder),
        [folder] => (names[0].clone(), alone(folder, &names[0], &mut charts)),
        _ => (names.join(", "), together(&folders, &names, &mut charts)),
    };
    Ok(shell(&format!("{title} · skipbeat"), body, &charts.into_json()))
}

/// What tells the folders apart: the scenario's name, or else the folder's, or else a number too.
fn names(folders: &[Folder]) -> Vec<String> {
    let distinct = |names: &[String]| {
        names.iter().enumerate().all(|(at, name)| !name.is_empty() && !names[..at].contains(name))
    };
    let scenarios: Vec<String> = folders.iter().map(|one| one.about.name().to_owned()).collect();
    if distinct(&scenarios) {
        return scenarios;
    }
    let own: Vec<String> = folders.iter().map(|one| one.name.clone()).collect();
    if distinct(&own) {
        return own;
    }
    own.iter().enumerate().map(|(at, name)| format!("{} {name}", at + 1)).collect()
}

/// The page of one folder.
fn alone(folder: &Folder, name: &str, charts: &mut Charts) -> Markup {
    let about = &folder.about;
    html! {
        (head::head(folder, name))
        @match &folder.kind {
            Kind::Run(run) => {
                (figures::tiles(&run.figures))
                (links::links(&run.links))
                (timelines(&[Named { name, about, run }], charts))
                (curves::curves(&[Named { name, about, run }], charts))
                (details(run, charts))
            },
            Kind::Sweep(swept) => {
                (sweep::charts(&[Swept { name, sweep: swept }], charts))
                (points::points(swept))
            },
        }
        (host::host(&folder.host))
        (again::again(about))
    }
}

/// What a run has that can't be laid over that of another.
fn details(run: &Run, charts: &mut Charts) -> Markup {
    html! {
        (flow::flows(&run.ledger, charts))
        (figures::groups(run))
        (figures::all(&run.figures))
    }
}

/// The page of several folders: what compares first, then each by itself.
fn together(folders: &[Folder], names: &[String], charts: &mut Charts) -> Markup {
    let mut runs: Vec<Named<'_>> = Vec::new();
    let mut sweeps: Vec<Swept<'_>> = Vec::new();
    for (folder, name) in folders.iter().zip(names) {
        match &folder.kind {
            Kind::Run(run) => runs.push(Named { name, about: &folder.about, run }),
            Kind::Sweep(swept) => sweeps.push(Swept { name, sweep: swept }),
        }
    }
    let beside: Vec<(String, &Figures)> =
        runs.iter().map(|one| (one.name.to_owned(), &one.run.figures)).collect();
    html! {
        header.head {
            p.kind { "skipbeat, " (folders.len()) " results" }
            h1 { (names.join(", ")) }
        }
        section { (outcomes(folders, names)) }
        @if !runs.is_empty() {
            (figures::side_by_side(&beside))
            (timelines(&runs, charts))
            (curves::curves(&runs, charts))
        }
        @if comparable(&sweeps) { (sweep::charts(&sweeps, charts)) }
        @else if !sweeps.is_empty() {
            p.note {
                "A sweep is laid over another if both are over the same keys; these stand by themselves \
                 below."
            }
        }
        @for (folder, name) in folders.iter().zip(names) {
            details.folder {
                summary { (name) }
                (by_itself(folder, name, !comparable(&sweeps), charts))
            }
        }
    }
}

/// Sweeps over the same keys go into the same charts.
fn comparable(sweeps: &[Swept<'_>]) -> bool {
    sweeps.len() > 1 && sweeps.iter().all(|one| one.sweep.keys == sweeps[0].sweep.keys)
}

/// A folder's own part of a page about several.
fn by_itself(folder: &Folder, name: &str, draw_sweep: bool, charts: &mut Charts) -> Markup {
    html! {
        (head::head(folder, name))
        @match &folder.kind {
            Kind::Run(run) => {
                (links::links(&run.links))
                (details(run, charts))
            },
            Kind::Sweep(swept) => {
                @if draw_sweep { (sweep::charts(&[Swept { name, sweep: swept }], charts)) }
                (points::points(swept))
            },
        }
        (host::host(&folder.host))
        (again::again(&folder.about))
    }
}

/// The verdict of each folder.
fn outcomes(folders: &[Folder], names: &[String]) -> Markup {
    let rows = folders.iter().zip(names).map(|(folder, name)| {
        let about = &folder.about;
        vec![
            html! { (name) },
            head::tag(Verdict::of(about)),
            html! { (head::world(about)) },
            html! { (about.server()) },
            html! { (head::seed(about)) },
        ]
    });
    table(&["Result", "Outcome", "World", "Server", "Seed"], 5, &rows.collect::<Vec<_>>())
}
