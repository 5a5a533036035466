//! `skipbeat check`: run scenarios, judge their thresholds, compare them with a baseline, and say one
//! verdict.

use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use skipbeat_compare::{Conclusion, ScenarioVerdict, Sheet, ThresholdCase, compare_exactly};
use skipbeat_measure::Outcome;
use skipbeat_report::{Ending, Shard};
use skipbeat_scenario::{Changes, Mode, Setting, Study};

use crate::exit::{Exit, UsageError, code_of};
use crate::interrupt::Interrupt;
use crate::options::{Format, World, io, share};
use crate::outputs;
use crate::outputs::OutputOptions;
use crate::progress::Display;
use crate::run::{How, conduct};

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
    #[arg(long, value_name = "WORLD")]
    pub(crate) mode: Option<World>,

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

/// What of the result files makes a baseline.
const BASELINE: [&str; 3] = ["summary.csv", "groups.csv", "run.json"];

pub(crate) fn check(options: &CheckOptions) -> anyhow::Result<Exit> {
    let changes = Changes {
        settings: options.set.clone(),
        mode: options.mode.map(Into::into),
        ..Changes::default()
    };
    // Mistakes of any of them are found before the first runs.
    let mut studies: Vec<Study> = Vec::new();
    for path in &options.scenarios {
        let study = Study::load(path, &changes)?;
        if studies.iter().any(|known| known.base.name == study.base.name) {
            let message = format!("two scenarios are named {:?}", study.base.name);
            return Err(UsageError(message).into());
        }
        studies.push(study);
    }
    // A run would be compared with itself, or overwritten by itself.
    fs::create_dir_all(&options.out)
        .with_context(|| format!("can't make the folder {}", options.out.display()))?;
    if options.baseline.as_ref().is_some_and(|baseline| same(baseline, &options.out)) {
        let message = "--out and --baseline are the same folder".to_owned();
        return Err(UsageError(message).into());
    }
    let interrupt = Interrupt::listen()?;
    let mut verdicts = Vec::new();
    for study in &studies {
        // What went wrong with one scenario is no reason to say nothing of the others.
        let verdict =
            check_one(study, options, &interrupt).unwrap_or_else(|error| failed(study, &error));
        let interrupted = verdict.conclusion == Conclusion::Interrupted;
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
        conclusion: match code_of(error) {
            Exit::Interrupted => Conclusion::Interrupted,
            _ => Conclusion::Failed,
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
    let finished = conduct(study, Shard::WHOLE, &how, &folder, interrupt)?;
    let errors = finished.errors.iter().map(|error| format!("{error:#}"));
    let endings = finished.endings(study);
    let early = endings.iter().filter_map(|(_, ending)| ending.stopped_by.as_ref());
    let early =
        early.map(|threshold| format!("stopped early, since this was not met: {threshold}"));
    let failure = endings.iter().filter_map(|(_, ending)| ending.failure.clone());
    let mut verdict = ScenarioVerdict {
        conclusion: match finished.exit() {
            Exit::Failed => Conclusion::Failed,
            _ => finished.outcome.into(),
        },
        thresholds: thresholds(study, &endings),
        reasons: errors.chain(failure).collect(),
        notes: early.collect(),
        results: Some(folder.display().to_string()),
        ..ScenarioVerdict::new(&study.base.name, study.base.mode.name())
    };
    if finished.outcome == Outcome::Interrupted {
        verdict.reasons.push("interrupted".to_owned());
    }
    if verdict.conclusion != Conclusion::Failed {
        let sheet = Sheet::read(&folder)?;
        verdict.reasons.extend(sheet.doubts.iter().cloned());
        verdict.figures = sheet.figures();
        hold_against_baseline(&mut verdict, &sheet, study.base.mode, &folder, options)?;
    }
    let page = folder.join(outputs::COMPARISON);
    match &verdict.comparison {
        Some(_) => outputs::write(&page, &skipbeat_page::comparison(&verdict))?,
        // One of an earlier check says nothing of this.
        None if page.is_file() => fs::remove_file(&page)?,
        None => {}
    }
    Ok(verdict)
}

/// Compares what came with the baseline, or makes it the baseline.
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
        // What the clock has a part in is another on another machine, and at another time.
        note("on real sockets: judged by its thresholds, not compared".to_owned());
    } else if options.update {
        if matches!(verdict.conclusion, Conclusion::Pass | Conclusion::Threshold) {
            update(folder, &baseline)?;
            note(format!("this is the baseline now: {}", baseline.display()));
        } else {
            note("the baseline stays: this run is no measure".to_owned());
        }
    } else if !baseline.join("run.json").exists() {
        let reason = format!("there is no baseline in {}: --update", baseline.display());
        verdict.reasons.push(reason);
        verdict.conclusion = verdict.conclusion.max(Conclusion::Inconclusive);
    } else {
        let base = Sheet::read(&baseline)?;
        let [base_name, new_name] = [&baseline, folder].map(|path| path.display().to_string());
        let compared = compare_exactly((&base_name, &base), (&new_name, sheet), options.min_effect);
        if compared.conclusion == Conclusion::Regression {
            note("if that is what was meant, --update makes it the baseline".to_owned());
        }
        verdict.conclusion = verdict.conclusion.max(compared.conclusion);
        verdict.comparison = Some(compared);
    }
    Ok(())
}

/// Every threshold of every run that has a say.
fn thresholds(study: &Study, endings: &[(usize, Ending)]) -> Vec<ThresholdCase> {
    let mut cases = Vec::new();
    for (run, ending) in endings {
        let run = &study.runs[*run];
        let values = study.keys.iter().zip(&run.values);
        let point: Vec<_> =
            values.map(|(key, value)| format!("{key}={}", value.trim_matches('"'))).collect();
        for judged in &ending.judged {
            cases.push(ThresholdCase {
                point: point.join(" "),
                replication: run.replication,
                group: judged.threshold.group.as_ref().map(|(_, name)| name.clone()),
                metric: judged.threshold.metric.to_owned(),
                condition: judged.threshold.condition.clone(),
                actual: judged.value,
                met: judged.met,
            });
        }
    }
    cases
}

fn update(results: &Path, baseline: &Path) -> anyhow::Result<()> {
    let copied = fs::create_dir_all(baseline).and_then(|()| {
        BASELINE
            .iter()
            .try_for_each(|name| fs::copy(results.join(name), baseline.join(name)).map(drop))
    });
    copied.with_context(|| format!("can't write the baseline {}", baseline.display()))
}
