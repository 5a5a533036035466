//! Runs a study that is a single run.

use std::path::Path;

use skipbeat_measure::{RunVerdict, Snapshot};
use skipbeat_report::{json_summary, text_summary};
use skipbeat_results::{FinishedRun, HostFile, ResultFolder, RunFile};
use skipbeat_scenario::Study;

use crate::args::Format;
use crate::capture::SharedCapture;
use crate::exit::Exit;
use crate::finished::{Finished, How, unwritten};
use crate::interrupt::Interrupt;
use crate::play::{cost, play};
use crate::version::build;
use crate::watch::Watch;

/// Runs the study and writes its results.
pub(crate) fn run(
    study: &Study,
    how: &How,
    path: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    let folder = ResultFolder::create(path, false)?;
    let plan = &study.runs[0].plan;
    let mut progress = how.display.begin(plan)?;
    let mut watch = Watch::new(plan, interrupt);
    let mut go_on = |snapshot: Snapshot<'_>| {
        progress.show(&snapshot);
        watch.allows(&snapshot)
    };
    let capture = how.pcap.as_deref().map(SharedCapture::create).transpose()?;
    let mut played = play(plan, how.io, capture.clone(), &mut go_on)?;
    progress.finish();
    if let Some(Err(failure)) = capture.map(|capture| capture.finish(played.results.end())) {
        played.failure.get_or_insert(failure);
    }
    let results = &played.results;
    let thresholds = plan.judge(&results.figures, &results.groups);
    let doubts = results.doubts.iter().map(ToString::to_string).collect();
    let early = (results.end() < plan.end()).then(|| results.end().seconds());
    let stopped_by = watch.stopped_by.take();
    let mut verdict = RunVerdict::new(thresholds, doubts, stopped_by.clone(), early);
    if watch.interrupted {
        verdict = verdict.interrupted();
    }
    if let Some(failure) = &played.failure {
        verdict = verdict.failed(format!("{failure:#}"));
    }
    // The results are written even if something failed.
    let file = RunFile::of_run(study, results, &verdict, &build());
    let host = HostFile::Machine(Box::new(played.host.clone()));
    let mut errors = unwritten(folder.write_run(study, results, &file, &host), path);
    errors.extend(played.failure.take());
    let exit = if errors.is_empty() { verdict.outcome.into() } else { Exit::Failed };
    let text = match how.format {
        Format::Json => format!("{:#}\n", json_summary(plan, results, &verdict, exit as u8)),
        Format::Text => {
            let summary = text_summary(plan, results, &played.host, &verdict);
            format!("{summary}{}; results in {}\n", cost(&played.host), path.display())
        }
    };
    let outcome = verdict.outcome;
    let run = FinishedRun::new(0, played.results, Some(played.host.load()), stopped_by);
    Ok(Finished { runs: vec![run], verdict: Some(verdict), outcome, text, errors })
}
