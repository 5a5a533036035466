//! Writes a verdict: on standard output, and in the formats of other programs.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::Style;
use anyhow::Context;
use clap::Args;
use skipbeat_compare::{
    CheckReport, ComparedMetric, Comparison, Design, Finding, ScenarioVerdict, export,
};
use skipbeat_core::Better;
use skipbeat_measure::{Outcome, Tone};
use skipbeat_report::style;

use crate::args::Format;
use crate::exit::Exit;
use crate::version::build;

/// Where a verdict goes beside standard output.
#[derive(Args)]
pub(crate) struct OutputOptions {
    /// Write JUnit XML: a case for each threshold and each judged metric that differs
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Write the figures as Bencher Metric Format
    #[arg(long, value_name = "FILE")]
    pub(crate) bmf: Option<PathBuf>,

    /// Write the figures of which more is better, for github-action-benchmark (customBiggerIsBetter)
    #[arg(long, value_name = "FILE")]
    pub(crate) bigger_is_better: Option<PathBuf>,

    /// Write the figures of which less is better, for github-action-benchmark (customSmallerIsBetter)
    #[arg(long, value_name = "FILE")]
    pub(crate) smaller_is_better: Option<PathBuf>,

    /// Write a Markdown summary, as for a pull request; `-` appends it to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// How the verdict on standard output looks; schemas/verdict.schema.json describes the JSON
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

impl OutputOptions {
    /// Whether any file was asked for.
    pub(crate) fn any_file(&self) -> bool {
        let files = [
            &self.junit,
            &self.bmf,
            &self.bigger_is_better,
            &self.smaller_is_better,
            &self.markdown,
        ];
        files.iter().any(|file| file.is_some())
    }
}

const BOLD: Style = Style::new().bold();

/// The file name of a comparison's page.
pub(crate) const COMPARISON: &str = "compare.html";
/// At most this many differing figures are listed on the terminal. The page shows them all.
const MOST_ROWS: usize = 24;

/// Prints the verdict, writes the files that were asked for, and returns the exit code.
pub(crate) fn say(
    scenarios: Vec<ScenarioVerdict>,
    options: &OutputOptions,
) -> anyhow::Result<Exit> {
    let code = |outcome| Exit::from(outcome) as u8;
    let verdict = CheckReport::new(&build().version, scenarios, code);
    let text = match options.format {
        Format::Text => text(&verdict),
        Format::Json => format!("{:#}\n", serde_json::to_value(&verdict)?),
    };
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    let better = |way| pretty(&export::benchmark_action(&verdict, way));
    let files = [
        (&options.junit, export::junit(&verdict)),
        (&options.bmf, pretty(&export::bencher(&verdict))),
        (&options.bigger_is_better, better(Better::Higher)),
        (&options.smaller_is_better, better(Better::Lower)),
        (&options.markdown, export::markdown(&verdict)),
    ];
    let mut said = text;
    for (path, content) in files {
        match path {
            Some(path) if path == Path::new("-") => said.push_str(&content),
            Some(path) => write(path, &content)?,
            None => {}
        }
    }
    // If standard output is closed, the files are written all the same.
    let _ = anstream::stdout().write_all(said.as_bytes());
    Ok(verdict.outcome.into())
}

/// Writes a file, and creates its folder if there is none.
pub(crate) fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content))
        .with_context(|| format!("can't write {}", path.display()))
}

/// The verdict for people: what needs attention in each scenario, then the overall outcome.
fn text(verdict: &CheckReport) -> String {
    let mut text = String::new();
    for scenario in &verdict.scenarios {
        let met = scenario.thresholds.iter().filter(|case| case.met == Some(true)).count();
        let _ = writeln!(
            text,
            "{BOLD}{}{BOLD:#}  {}  {}",
            scenario.scenario,
            scenario.mode,
            colour(scenario.outcome)
        );
        if !scenario.thresholds.is_empty() {
            let _ = writeln!(text, "  {met} of {} thresholds met", scenario.thresholds.len());
        }
        for case in &scenario.thresholds {
            let (tone, said) = match case.met {
                Some(true) => continue,
                Some(false) => (Tone::Bad, "not met"),
                None => (Tone::Unsure, "cannot tell"),
            };
            let style = style(tone);
            let _ = writeln!(text, "    {style}{said}{style:#}: {}", export::threshold(case));
        }
        for reason in scenario.reasons.iter().chain(&scenario.notes) {
            let _ = writeln!(text, "  {reason}");
        }
        if let Some(comparison) = &scenario.comparison {
            text.push_str(&compared(comparison));
        }
        if let Some(results) = &scenario.results {
            let _ = writeln!(text, "  results in {results}");
        }
    }
    let _ = writeln!(text, "\nverdict: {}", colour(verdict.outcome));
    text
}

fn colour(outcome: Outcome) -> String {
    let style = style(outcome.tone());
    format!("{style}{}{style:#}", outcome.words())
}

/// A comparison for people: the number of metrics by finding, then the metrics that differ.
fn compared(comparison: &Comparison) -> String {
    // For pairs, every judged metric is listed, and others only if they are worse or better.
    let shown = |row: &&ComparedMetric| match comparison.design {
        Design::InterleavedPairs if row.judged => true,
        Design::InterleavedPairs => [Finding::Worse, Finding::Better].contains(&row.finding),
        _ => row.finding != Finding::Same,
    };
    let differing: Vec<&ComparedMetric> = comparison.rows.iter().filter(shown).collect();
    let count = |finding| comparison.rows.iter().filter(|row| row.finding == finding).count();
    let mut text = format!(
        "  against {}, {} {} of runs: {} worse, {} changed, {} cannot tell, {} better, {} the same\n",
        comparison.base,
        comparison.pairs,
        if comparison.pairs == 1 { "pair" } else { "pairs" },
        count(Finding::Worse),
        count(Finding::Changed),
        count(Finding::CannotTell),
        count(Finding::Better),
        count(Finding::Same),
    );
    for note in &comparison.notes {
        let _ = writeln!(text, "    {note}");
    }
    let more = differing.len().saturating_sub(MOST_ROWS);
    let differing = &differing[..differing.len() - more];
    let names: Vec<String> = differing.iter().map(|row| export::row(row)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (row, name) in differing.iter().zip(&names) {
        let style = style(row.finding.tone());
        let beside = if row.judged { "" } else { "  (not judged)" };
        let p = row.p.map_or(String::new(), |p| format!("  p = {p:.4}"));
        let _ = writeln!(
            text,
            "    {style}{:<11}{style:#} {name:<width$}  {:>10} → {:>10}  {}{p}{beside}",
            row.finding.name(),
            row.unit.show(row.base),
            row.unit.show(row.new),
            export::effect(row),
        );
    }
    if more > 0 {
        let _ = writeln!(text, "    and {more} more, in {COMPARISON}");
    }
    text
}
