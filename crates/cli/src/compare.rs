//! `skipbeat compare`: compares two results folders, or two binaries in interleaved pairs of runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use skipbeat_compare::{
    COSTS, Comparison, Noise, Rule, ScenarioVerdict, Sheet, compare_exactly, compare_pairs, noise,
};
use skipbeat_core::Unit;
use skipbeat_measure::{Metric, Outcome};
use skipbeat_scenario::{Changes, Mode, Setting, Study};

use crate::args::{Format, mode, share};
use crate::exit::{Exit, UsageError};
use crate::interrupt::Interrupt;
use crate::outputs::{self, OutputOptions};
use crate::pairs::{PairedResults, PairedRuns, program};

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct CompareOptions {
    /// BASE and NEW, two folders of results; or, with --base-bin, the scenario
    #[arg(value_name = "BASE NEW | SCENARIO.toml", required = true, num_args = 1..=2)]
    pub(crate) what: Vec<PathBuf>,

    /// The binary that is compared with: a build of skipbeat, or, where the scenario has a `command`,
    /// a server that takes the place of its program
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) base_bin: Option<PathBuf>,

    /// The binary that is judged
    #[arg(long, value_name = "PROGRAM", requires = "base_bin", conflicts_with = "aa")]
    pub(crate) new_bin: Option<PathBuf>,

    /// Compare the base with itself: how often that is a false alarm, and the smallest effect that can
    /// be seen on this machine
    #[arg(long, requires = "base_bin")]
    pub(crate) aa: bool,

    /// How many pairs of runs, 6 or more. Of n pairs and m metrics the least p is m·2/2^n: 6 can show
    /// something of one metric, 9 of ten
    #[arg(long, value_name = "N", default_value_t = 20, requires = "base_bin",
        value_parser = clap::value_parser!(u32).range(6..=1000))]
    pub(crate) pairs: u32,

    /// The smallest change that matters: 0.02, or 2% [default: with binaries 2%, of folders any]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) min_effect: Option<f64>,

    /// What an earlier --aa wrote: what this machine can't see is not called worse, nor passed
    #[arg(long, value_name = "FILE", requires = "new_bin")]
    pub(crate) noise: Option<PathBuf>,

    /// A metric that is judged, a column of summary.csv or server_ns_per_datagram, ns_per_datagram,
    /// peak_memory_bytes; may be given many times [default: delivery, latency, evictions, throughput,
    /// processor]
    #[arg(long, value_name = "NAME", requires = "base_bin")]
    pub(crate) metric: Vec<String>,

    /// Change a key of the scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE", requires = "base_bin")]
    pub(crate) set: Vec<Setting>,

    /// The world: virtual time or real sockets [default: what the scenario says]
    #[arg(long, value_name = "WORLD", value_parser = mode(), requires = "base_bin")]
    pub(crate) mode: Option<Mode>,

    /// The folder of what comes of it [default: NEW, with binaries results/compare/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) outputs: OutputOptions,
}

/// The metrics that are judged by default: what a user of the server notices, and what it costs.
fn judged_by_default() -> Vec<String> {
    let felt = Metric::headlines().into_iter().filter(|metric| metric.card.primary);
    let felt = felt.filter(|metric| metric.better().is_some()).map(Metric::name);
    let costs = COSTS.iter().filter(|cost| cost.unit == Unit::Nanoseconds);
    felt.chain(costs.map(|cost| cost.name.to_owned())).collect()
}

/// The smallest change between binaries that matters by default, as a share.
const MINIMUM_EFFECT: f64 = 0.02;
pub(crate) fn compare(options: &CompareOptions) -> anyhow::Result<Exit> {
    let usage = |message: &str| Err(UsageError(message.to_owned()).into());
    match (&options.what[..], &options.base_bin, &options.new_bin, options.aa) {
        ([base, new], None, ..) => compare_folders(base, new, options),
        ([scenario], Some(base), Some(new), false) => {
            compare_binaries(scenario, &program(base), &program(new), options)
        }
        ([_], Some(_), None, true) if options.outputs.any_file() => {
            usage("--aa gives no verdict that could be written to a file")
        }
        ([scenario], Some(base), None, true) => {
            compare_binaries(scenario, &program(base), &program(base), options)
        }
        ([_], Some(_), None, false) => usage("--base-bin needs --new-bin, or --aa"),
        (_, Some(_), ..) => usage("binaries are compared in one SCENARIO.toml"),
        _ => usage("expected two folders, BASE and NEW, or a scenario and --base-bin"),
    }
}

fn compare_folders(base: &Path, new: &Path, options: &CompareOptions) -> anyhow::Result<Exit> {
    let [of_base, of_new] = [Sheet::read(base)?, Sheet::read(new)?];
    let [base_name, new_name] = [base, new].map(|folder| folder.display().to_string());
    let comparison =
        compare_exactly((&base_name, &of_base), (&new_name, &of_new), options.min_effect);
    let verdict = verdict(&of_new.scenario, of_new.mode.name(), comparison, of_new.figures());
    say(verdict, options.out.as_deref().unwrap_or(new), options)
}

fn verdict(
    scenario: &str,
    mode: &str,
    comparison: Comparison,
    figures: Vec<skipbeat_compare::Figure>,
) -> ScenarioVerdict {
    ScenarioVerdict {
        outcome: comparison.outcome,
        comparison: Some(comparison),
        figures,
        ..ScenarioVerdict::new(scenario, mode)
    }
}

/// Draws the page of a comparison, and prints its verdict.
fn say(mut verdict: ScenarioVerdict, out: &Path, options: &CompareOptions) -> anyhow::Result<Exit> {
    let page = out.join(outputs::COMPARISON);
    outputs::write(&page, &skipbeat_page::comparison(&verdict))?;
    verdict.results = Some(page.display().to_string());
    outputs::say(vec![verdict], &options.outputs)
}

fn compare_binaries(
    scenario: &Path,
    base: &Path,
    new: &Path,
    options: &CompareOptions,
) -> anyhow::Result<Exit> {
    check_metrics(&options.metric)?;
    let changes =
        Changes { settings: options.set.clone(), mode: options.mode, ..Changes::default() };
    let study = Study::load(scenario, &changes)?;
    if study.is_sweep {
        let message = "binaries are compared in a single run: take [sweep] or [ramp] out";
        return Err(UsageError(message.to_owned()).into());
    }
    let default_out = || PathBuf::from("results/compare").join(&study.base.name);
    let out = options.out.clone().unwrap_or_else(default_out);
    let noise_before = options.noise.as_deref().map(read_noise).transpose()?;
    let interrupt = Interrupt::listen()?;
    let paired = PairedRuns {
        study: &study,
        scenario,
        base,
        new,
        arguments: arguments(&study, options),
        pairs: options.pairs,
        out: &out,
        quiet: options.quiet,
    };
    let results = paired.run(&interrupt)?;
    let rule = rule(&study, &results, noise_before.as_ref(), options);
    if options.aa && !results.interrupted {
        return say_noise(&noise(&results.pairs, &rule), &results, &out, options);
    }
    let names = [base, new].map(|binary| binary.display().to_string());
    let mut comparison = compare_pairs([&names[0], &names[1]], &results.pairs, &rule);
    doubt(&results, options.pairs, &mut comparison);
    let mode = study.base.mode.name();
    let mut verdict = verdict(&study.base.name, mode, comparison, Vec::new());
    if results.interrupted {
        verdict.outcome = Outcome::Interrupted;
        verdict.reasons.push("interrupted".to_owned());
    }
    say(verdict, &out, options)
}

/// Rejects metrics that can't be judged; they would silently judge nothing.
fn check_metrics(metrics: &[String]) -> Result<(), UsageError> {
    for name in metrics {
        let message = match Metric::named(name) {
            Some(metric) if metric.better().is_none() => {
                format!("--metric {name}: neither more nor less of it is better")
            }
            None if !COSTS.iter().any(|cost| cost.name == name) => {
                format!("unknown metric {name:?}: docs/metrics.md has all of them")
            }
            _ => continue,
        };
        return Err(UsageError(message));
    }
    Ok(())
}

/// The options of the command line that are passed to the runs.
fn arguments(study: &Study, options: &CompareOptions) -> Vec<String> {
    let settings = options.set.iter().map(ToString::to_string);
    // A run that ends early has figures of a shorter window. No run lasts long enough for this.
    let whole = study.base.abort.map(|_| "thresholds.abort_after=5000000s".to_owned());
    let settings = settings.chain(whole).flat_map(|set| ["--set".to_owned(), set]);
    let mode = options.mode.map(|mode| mode.name().to_owned());
    settings.chain(mode.into_iter().flat_map(|mode| ["--mode".to_owned(), mode])).collect()
}

fn read_noise(path: &Path) -> anyhow::Result<Noise> {
    let text =
        fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what --aa wrote", path.display()))
}

/// The rule to judge by: the metrics that were asked for, or the default ones that are defined.
fn rule(
    study: &Study,
    results: &PairedResults,
    noise: Option<&Noise>,
    options: &CompareOptions,
) -> Rule {
    let defined = |metric: &String| {
        let mut sides = results.pairs.iter().flat_map(|pair| [&pair.base, &pair.new]);
        sides.any(|side| side.contains_key(metric))
    };
    let judged = match &options.metric[..] {
        [] => judged_by_default().into_iter().filter(defined).collect(),
        chosen => chosen.to_vec(),
    };
    let seen = noise.into_iter().flat_map(|noise| &noise.metrics);
    // If no effect on a metric could be detected, no change of it can be called worse.
    let visible =
        seen.map(|row| (row.metric.clone(), row.smallest_effect.unwrap_or(f64::INFINITY)));
    Rule {
        judged,
        minimum_effect: options.min_effect.unwrap_or(MINIMUM_EFFECT),
        visible: visible.collect(),
        seed: study.base.seed(),
    }
}

/// Notes missing pairs in a comparison, and makes it inconclusive if there are too few.
fn doubt(results: &PairedResults, planned: u32, comparison: &mut Comparison) {
    if let Some(reason) = results.dropped.first() {
        let n = results.dropped.len();
        comparison
            .notes
            .push(format!("{n} runs were inconclusive, their pairs do not count: {reason}"));
    }
    if results.pairs.len() < 6 {
        comparison.notes.push("fewer than 6 pairs: they can show nothing".to_owned());
        comparison.outcome = Outcome::Inconclusive;
    } else if (results.pairs.len() as f64) < 0.8 * f64::from(planned)
        && comparison.outcome == Outcome::Pass
    {
        comparison.outcome = Outcome::Inconclusive;
    }
}

/// Writes and prints the noise of this machine, from pairs of a binary with itself.
fn say_noise(
    noise: &Noise,
    results: &PairedResults,
    out: &Path,
    options: &CompareOptions,
) -> anyhow::Result<Exit> {
    use std::fmt::Write as _;
    use std::io::Write as _;

    let path = out.join("aa.json");
    let json = format!("{:#}\n", serde_json::to_value(noise)?);
    outputs::write(&path, &json)?;
    let percent = |share: Option<f64>| Unit::Ratio.show(share);
    let mut text = format!(
        "{} pairs of a binary with itself, {} trials of random signs: {} false alarms ({})\n\n\
         {:<28} {:>16} {:>24}\n",
        noise.pairs,
        noise.trials,
        noise.false_alarms,
        percent(Some(f64::from(noise.false_alarms) / f64::from(noise.trials))),
        "metric",
        "between runs",
        "smallest effect seen"
    );
    for row in &noise.metrics {
        let effect = row.smallest_effect.map_or("above 100 %".to_owned(), |e| percent(Some(e)));
        let _ = writeln!(text, "{:<28} {:>16} {effect:>24}", row.metric, percent(row.spread));
    }
    if let Some(reason) = results.dropped.first() {
        let _ = writeln!(text, "{} runs were inconclusive: {reason}", results.dropped.len());
    }
    let _ = writeln!(text, "\nfor a comparison: --noise {}", path.display());
    let text = if options.outputs.format == Format::Json { json } else { text };
    let _ = anstream::stdout().write_all(text.as_bytes());
    let enough = results.pairs.len() >= 6 && !noise.metrics.is_empty();
    Ok(if enough { Exit::Pass } else { Exit::Inconclusive })
}
