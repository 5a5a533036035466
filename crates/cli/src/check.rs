//! `skipbeat check`: run scenarios, judge their thresholds, compare them with a baseline, and say one
//! verdict.

use std::fs;
use std::path::Path;

use anyhow::Context;
use skipbeat_compare::{Conclusion, ScenarioVerdict, Sheet, ThresholdCase, compare_exactly};
use skipbeat_measure::Outcome;
use skipbeat_report::Shard;
use skipbeat_scenario::{Changes, Mode, Study};

use crate::exit::{Exit, UsageError};
use crate::interrupt::Interrupt;
use crate::options::{CheckOptions, Format, io};
use crate::outputs;
use crate::progress::Display;
use crate::run::{Finished, How, conduct};
use crate::sweep::counts;

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
    let interrupt = Interrupt::listen()?;
    let mut verdicts = Vec::new();
    for study in &studies {
        let verdict = check_one(study, options, &interrupt)?;
        let interrupted = verdict.conclusion == Conclusion::Interrupted;
        verdicts.push(verdict);
        if interrupted {
            break;
        }
    }
    outputs::say(verdicts, &options.outputs)
}

fn check_one(
    study: &Study,
    options: &CheckOptions,
    interrupt: &Interrupt,
) -> anyhow::Result<ScenarioVerdict> {
    let name = &study.base.name;
    let folder = options.out.join(name);
    let how = How {
        io: io(false),
        threads: options.threads,
        resume: false,
        pcap: None,
        display: Display::of(options.quiet, false),
        format: Format::Text,
    };
    let finished = conduct(study, Shard::WHOLE, &how, &folder, interrupt)?;
    let sheet = Sheet::read(&folder)?;
    let errors = finished.errors.iter().map(|error| format!("{error:#}"));
    let mut reasons: Vec<String> = errors.chain(sheet.doubts.iter().cloned()).collect();
    let mut conclusion = match finished.exit() {
        Exit::Failed => Conclusion::Failed,
        _ => finished.outcome.into(),
    };
    let baseline = options.baseline.as_ref().map(|baseline| baseline.join(name));
    let mut comparison = None;
    match baseline {
        None => {}
        // What the clock has a part in is another on another machine, and at another time.
        Some(_) if study.base.mode == Mode::Net => {
            reasons.push("on real sockets: judged by its thresholds, not compared".to_owned());
        }
        Some(baseline) if options.update => {
            if matches!(finished.outcome, Outcome::Pass | Outcome::Threshold) {
                update(&folder, &baseline)?;
                reasons.push(format!("this is the baseline now: {}", baseline.display()));
            } else {
                reasons.push("the baseline stays: this run is no measure".to_owned());
            }
        }
        Some(baseline) if !baseline.join("run.json").exists() => {
            reasons.push(format!("there is no baseline in {}: --update", baseline.display()));
            conclusion = conclusion.max(Conclusion::Inconclusive);
        }
        Some(baseline) => {
            let base = Sheet::read(&baseline)?;
            let [base_name, new_name] = [&baseline, &folder].map(|path| path.display().to_string());
            let compared = compare_exactly((&base_name, &base), (&new_name, &sheet), None);
            conclusion = conclusion.max(compared.conclusion);
            if compared.conclusion == Conclusion::Regression {
                reasons
                    .push("if that is what was meant, --update makes it the baseline".to_owned());
            }
            comparison = Some(compared);
        }
    }
    let verdict = ScenarioVerdict {
        scenario: name.clone(),
        mode: study.base.mode.name().to_owned(),
        conclusion,
        thresholds: thresholds(study, &finished),
        comparison,
        reasons,
        figures: sheet.figures(),
        results: Some(folder.display().to_string()),
    };
    if verdict.comparison.is_some() {
        let page = skipbeat_page::comparison(&verdict);
        outputs::write(&folder.join(outputs::COMPARISON), &page)?;
    }
    Ok(verdict)
}

/// Every threshold of every run that has a say.
fn thresholds(study: &Study, finished: &Finished) -> Vec<ThresholdCase> {
    let mut cases = Vec::new();
    for cell in finished.cells.iter().filter(|cell| counts(study, cell)) {
        let run = &study.runs[cell.run];
        let values = study.keys.iter().zip(&run.values);
        let point: Vec<_> =
            values.map(|(key, value)| format!("{key}={}", value.trim_matches('"'))).collect();
        for judged in cell.ending(&run.plan).judged {
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
