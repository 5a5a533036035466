//! `skipbeat check`: runs scenarios, judges their thresholds, compares them with a baseline, and
//! gives one verdict.

use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use skipbeat_compare::{ScenarioVerdict, Sheet, ThresholdCase, compare_exactly};
use skipbeat_measure::{Outcome, RunVerdict};
use skipbeat_results::Shard;
use skipbeat_results::names::{OF_BASELINE, RUN};
use skipbeat_scenario::{Changes, Mode, Setting, Study};

use crate::args::{Format, io, mode, share};
use crate::execute::execute;
use crate::exit::{Exit, UsageError, code_of};
use crate::finished::How;
use crate::interrupt::Interrupt;
use crate::outputs::{self, OutputOptions};
use crate::progress::Display;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct CheckOptions {
    /// The scenario files
    #[arg(value_name = "SCENARIO.toml", required = true)]
    pub(crate) scenarios: Vec<PathBuf>,

    /// The folder of the baselines, one folder for each scenario in it. What is simulated has to be
    /// exactly as there; without it thresholds alone are judged
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,

    /// Changes that are smaller don't matter: 0.02, or 2% [default: any change matters]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "baseline")]
    pub(crate) min_effect: Option<f64>,

    /// Make what the scenarios come to now the baseline
    #[arg(long, requires = "baseline")]
    pub(crate) update: bool,

    /// Change a key of every scenario, groups by name: group.phones.up.loss=0.1
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    pub(crate) set: Vec<Setting>,

    /// The world: virtual time or real sockets [default: what each scenario says]
    #[arg(long, value_name = "WORLD", value_parser = mode())]
    pub(crate) mode: Option<Mode>,

    /// How many runs of a sweep are simulated at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// The folder of the results, one folder for each scenario in it
    #[arg(long, value_name = "DIR", default_value = "results/check")]
    pub(crate) out: PathBuf,

    /// No progress on standard error
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) outputs: OutputOptions,
}

pub(crate) fn check(options: &CheckOptions) -> anyhow::Result<Exit> {
    let changes =
        Changes { settings: options.set.clone(), mode: options.mode, ..Changes::default() };
    // All scenarios are read before the first one runs, so that mistakes show up early.
    let mut studies: Vec<Study> = Vec::new();
    for path in &options.scenarios {
        let study = Study::load(path, &changes)?;
        if studies.iter().any(|known| known.base.name == study.base.name) {
            let message = format!("two scenarios are named {:?}", study.base.name);
            return Err(UsageError(message).into());
        }
        studies.push(study);
    }
    // In the folder of the baseline a run would overwrite it, or be compared with itself.
    fs::create_dir_all(&options.out)
        .with_context(|| format!("can't make the folder {}", options.out.display()))?;
    if options.baseline.as_ref().is_some_and(|baseline| same(baseline, &options.out)) {
        let message = "--out and --baseline are the same folder".to_owned();
        return Err(UsageError(message).into());
    }
    let interrupt = Interrupt::listen()?;
    let mut verdicts = Vec::new();
    for study in &studies {
        // An error in one scenario must not hide the verdicts on the others.
        let verdict =
            check_one(study, options, &interrupt).unwrap_or_else(|error| failed(study, &error));
        let interrupted = verdict.outcome == Outcome::Interrupted;
        verdicts.push(verdict);
        if interrupted {
            break;
        }
    }
    outputs::say(verdicts, &options.outputs)
}

/// Whether two paths lead to one folder.
fn same(one: &Path, other: &Path) -> bool {
    let at = |path: &Path| fs::canonicalize(path).ok();
    at(one).is_some() && at(one) == at(other)
}

fn failed(study: &Study, error: &anyhow::Error) -> ScenarioVerdict {
    ScenarioVerdict {
        outcome: match code_of(error) {
            Exit::Interrupted => Outcome::Interrupted,
            _ => Outcome::Failed,
        },
        reasons: vec![format!("{error:#}")],
        ..ScenarioVerdict::new(&study.base.name, study.base.mode.name())
    }
}

fn check_one(
    study: &Study,
    options: &CheckOptions,
    interrupt: &Interrupt,
) -> anyhow::Result<ScenarioVerdict> {
    let folder = options.out.join(&study.base.name);
    let how = How {
        io: io(false),
        threads: options.threads,
        resume: false,
        pcap: None,
        display: Display::of(options.quiet, false),
        format: Format::Text,
    };
    let finished = execute(study, Shard::WHOLE, &how, &folder, interrupt)?;
    let errors = finished.errors.iter().map(|error| format!("{error:#}"));
    let verdicts = finished.verdicts(study);
    let early = verdicts.iter().filter_map(|(_, verdict)| verdict.stopped_by.as_ref());
    let early =
        early.map(|threshold| format!("stopped early, since this was not met: {threshold}"));
    let failure = verdicts.iter().filter_map(|(_, verdict)| verdict.failure.clone());
    let mut verdict = ScenarioVerdict {
        outcome: match finished.exit() {
            Exit::Failed => Outcome::Failed,
            _ => finished.outcome,
        },
        thresholds: thresholds(study, &verdicts),
        reasons: errors.chain(failure).collect(),
        notes: early.collect(),
        results: Some(folder.display().to_string()),
        ..ScenarioVerdict::new(&study.base.name, study.base.mode.name())
    };
    if finished.outcome == Outcome::Interrupted {
        verdict.reasons.push("interrupted".to_owned());
    }
    if verdict.outcome != Outcome::Failed {
        let sheet = Sheet::read(&folder)?;
        verdict.reasons.extend(sheet.doubts.iter().cloned());
        verdict.figures = sheet.figures();
        hold_against_baseline(&mut verdict, &sheet, study.base.mode, &folder, options)?;
    }
    let page = folder.join(outputs::COMPARISON);
    match &verdict.comparison {
        Some(_) => outputs::write(&page, &skipbeat_page::comparison(&verdict))?,
        // The page of an earlier check does not belong to this run.
        None if page.is_file() => fs::remove_file(&page)?,
        None => {}
    }
    Ok(verdict)
}

/// Compares the results with the baseline, or makes them the new baseline.
fn hold_against_baseline(
    verdict: &mut ScenarioVerdict,
    sheet: &Sheet,
    mode: Mode,
    folder: &Path,
    options: &CheckOptions,
) -> anyhow::Result<()> {
    let Some(baseline) = options.baseline.as_ref().map(|all| all.join(&verdict.scenario)) else {
        return Ok(());
    };
    if same(&baseline, folder) {
        anyhow::bail!("{} is the baseline itself", folder.display());
    }
    let mut note = |text: String| verdict.notes.push(text);
    if mode == Mode::Net {
        // Figures that depend on real time differ from machine to machine and from run to run.
        note("on real sockets: judged by its thresholds, not compared".to_owned());
    } else if options.update {
        if verdict.outcome.succeeds() || verdict.outcome == Outcome::Threshold {
            update(folder, &baseline)?;
            note(format!("this is the baseline now: {}", baseline.display()));
        } else {
            note("the baseline stays: this run is no measure".to_owned());
        }
    } else if !baseline.join(RUN).exists() {
        let reason = format!("there is no baseline in {}: --update", baseline.display());
        verdict.reasons.push(reason);
        verdict.outcome = verdict.outcome.max(Outcome::Inconclusive);
    } else {
        let base = Sheet::read(&baseline)?;
        let [base_name, new_name] = [&baseline, folder].map(|path| path.display().to_string());
        let compared = compare_exactly((&base_name, &base), (&new_name, sheet), options.min_effect);
        if compared.outcome == Outcome::Regression {
            note("if that is what was meant, --update makes it the baseline".to_owned());
        }
        verdict.outcome = verdict.outcome.max(compared.outcome);
        verdict.comparison = Some(compared);
    }
    Ok(())
}

/// Every threshold of these runs.
fn thresholds(study: &Study, verdicts: &[(usize, RunVerdict)]) -> Vec<ThresholdCase> {
    let mut cases = Vec::new();
    for (run, verdict) in verdicts {
        let run = &study.runs[*run];
        let values = study.keys.iter().zip(&run.values);
        let point: Vec<_> =
            values.map(|(key, value)| format!("{key}={}", value.trim_matches('"'))).collect();
        for judged in &verdict.thresholds {
            cases.push(ThresholdCase {
                point: point.join(" "),
                replication: run.replication,
                group: judged.group.clone(),
                metric: judged.metric.clone(),
                required: judged.required.clone(),
                actual: judged.actual,
                met: judged.met,
            });
        }
    }
    cases
}

fn update(results: &Path, baseline: &Path) -> anyhow::Result<()> {
    let copied = fs::create_dir_all(baseline).and_then(|()| {
        OF_BASELINE
            .iter()
            .try_for_each(|name| fs::copy(results.join(name), baseline.join(name)).map(drop))
    });
    copied.with_context(|| format!("can't write the baseline {}", baseline.display()))
}
