//! A verdict said: on standard output, and in the formats of other programs.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use clap::Args;
use skipbeat_compare::{
    ComparedMetric, Comparison, Conclusion, Design, Finding, ScenarioVerdict, Verdict, Way, export,
    show,
};

use crate::exit::Exit;
use crate::options::Format;
use crate::run::BUILD;

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
    /// Whether a file is asked for.
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
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default().bold();

/// The page of a comparison.
pub(crate) const COMPARISON: &str = "compare.html";
/// More figures that differ are counted on the terminal, and shown in the page.
const MOST_ROWS: usize = 24;

/// Says a verdict everywhere it is to be said, and gives the exit code.
pub(crate) fn say(
    scenarios: Vec<ScenarioVerdict>,
    options: &OutputOptions,
) -> anyhow::Result<Exit> {
    let code = |conclusion| Exit::from(conclusion) as u8;
    let verdict = Verdict::new(BUILD.version, scenarios, code);
    let text = match options.format {
        Format::Text => text(&verdict),
        Format::Json => format!("{:#}\n", serde_json::to_value(&verdict)?),
    };
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    let better = |way| pretty(&export::benchmark_action(&verdict, way));
    let files = [
        (&options.junit, export::junit(&verdict)),
        (&options.bmf, pretty(&export::bencher(&verdict))),
        (&options.bigger_is_better, better(Way::Higher)),
        (&options.smaller_is_better, better(Way::Lower)),
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
    // Whoever closed our output has seen enough; the files are written.
    let _ = anstream::stdout().write_all(said.as_bytes());
    Ok(verdict.conclusion.into())
}

/// Writes a file, and the folder it is to be in.
pub(crate) fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content))
        .with_context(|| format!("can't write {}", path.display()))
}

/// The verdict for people: what has to be looked at, scenario by scenario, and the whole at the end.
fn text(verdict: &Verdict) -> String {
    let mut text = String::new();
    for scenario in &verdict.scenarios {
        let met = scenario.thresholds.iter().filter(|case| case.met == Some(true)).count();
        let _ = writeln!(
            text,
            "{BOLD}{}{BOLD:#}  {}  {}",
            scenario.scenario,
            scenario.mode,
            colour(scenario.conclusion)
        );
        if !scenario.thresholds.is_empty() {
            let _ = writeln!(text, "  {met} of {} thresholds met", scenario.thresholds.len());
        }
        for case in &scenario.thresholds {
            let (style, said) = match case.met {
                Some(true) => continue,
                Some(false) => (BAD, "not met"),
                None => (DOUBT, "cannot tell"),
            };
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
    let _ = writeln!(text, "\nverdict: {}", colour(verdict.conclusion));
    text
}

fn colour(conclusion: Conclusion) -> String {
    let style = match conclusion {
        Conclusion::Pass => GOOD,
        Conclusion::Inconclusive => DOUBT,
        _ => BAD,
    };
    format!("{style}{}{style:#}", conclusion.name())
}

/// A comparison: how many metrics are as they were, and those that are not.
fn compared(comparison: &Comparison) -> String {
    // Of pairs every metric that is judged is of interest, and what has no say only if it says much.
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
        let style = match row.finding {
            Finding::Worse | Finding::Changed => BAD,
            Finding::Better => GOOD,
            Finding::CannotTell => DOUBT,
            Finding::Same => Style::new(),
        };
        let beside = if row.judged { "" } else { "  (not judged)" };
        let p = row.p.map_or(String::new(), |p| format!("  p = {p:.4}"));
        let _ = writeln!(
            text,
            "    {style}{:<11}{style:#} {name:<width$}  {:>10} → {:>10}  {}{p}{beside}",
            row.finding.name(),
            show(&row.unit, row.base),
            show(&row.unit, row.new),
            export::effect(row),
        );
    }
    if more > 0 {
        let _ = writeln!(text, "    and {more} more, in {COMPARISON}");
    }
    text
}
