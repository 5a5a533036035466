//! `report.html`: beside the result files after each run, and made again by `skipbeat report`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

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

/// The page in a folder of results.
pub(crate) const NAME: &str = "report.html";

/// Draws the result files of a folder into it.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    draw(&[folder], &folder.join(NAME))
}

fn draw(folders: &[&Path], page: &Path) -> anyhow::Result<()> {
    let html = skipbeat_page::render(folders).context("failed to draw the report")?;
    fs::write(page, html).with_context(|| format!("can't write {}", page.display()))
}

/// `skipbeat report DIR…`: each alone, or several overlaid in one page.
pub(crate) fn report(options: &ReportOptions) -> anyhow::Result<Exit> {
    let folders: Vec<&Path> = options.folders.iter().map(PathBuf::as_path).collect();
    let page = match (&options.out, &folders[..]) {
        (Some(out), _) => out.clone(),
        (None, [folder]) => folder.join(NAME),
        (None, _) => PathBuf::from(NAME),
    };
    draw(&folders, &page)?;
    // Nobody may be listening; the page is written.
    let _ = writeln!(anstream::stdout(), "{}", page.display());
    Ok(Exit::Pass)
}
