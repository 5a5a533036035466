//! Draws `report.html`: next to the result files after each run, and again with `skipbeat report`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use skipbeat_results::names::REPORT;

use crate::exit::Exit;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ReportOptions {
    /// Folders of results
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<PathBuf>,

    /// The page [default: DIR/report.html, of several ./report.html]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Draws the page of a results folder and writes it there.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    draw(&[folder], &folder.join(REPORT))
}

fn draw(folders: &[&Path], page: &Path) -> anyhow::Result<()> {
    let html = skipbeat_page::render(folders).context("failed to draw the report")?;
    fs::write(page, html).with_context(|| format!("can't write {}", page.display()))
}

/// `skipbeat report DIR…`: draws the page of one folder, or of several overlaid.
pub(crate) fn report(options: &ReportOptions) -> anyhow::Result<Exit> {
    let folders: Vec<&Path> = options.folders.iter().map(PathBuf::as_path).collect();
    let page = match (&options.out, &folders[..]) {
        (Some(out), _) => out.clone(),
        (None, [folder]) => folder.join(REPORT),
        (None, _) => PathBuf::from(REPORT),
    };
    draw(&folders, &page)?;
    // If standard output is closed, the page is written all the same.
    let _ = writeln!(anstream::stdout(), "{}", page.display());
    Ok(Exit::Pass)
}
