//! A folder with the results of a small run, or of a small sweep.

use std::path::{Path, PathBuf};

use skipbeat_measure::{HostReport, Outcome, Results, RunVerdict};
use skipbeat_results::{Build, FinishedRun, HostFile, ResultFolder, RunFile};
use skipbeat_scenario::{Changes, Study};
use tempfile::TempDir;

const SCENARIO: &str = r#"
name = "small"
warmup = "1s"
duration = "6s"
drain = "4s"
[server]
timeout = "2s"
[[group]]
name = "a"
clients = 12
heartbeat = { every = "700ms" }
chat = { rate = 0.5 }
churn = { crash = 0.05, rejoin_after = "2s" }
up = { loss = 0.2, delay = "20ms" }
down = { loss = 0.2, delay = "20ms" }
[[group]]
name = "b"
clients = 5
[thresholds]
delivery_ratio = ">= 10 %"
latency = "p99.99 <= 5s"
"#;
const SWEEP: &str = "[sweep]\nreplications = 2\n[sweep.over]\n\"group.a.up.loss\" = [0.0, 0.1]\n";

pub(crate) fn build() -> Build {
    Build { version: "1.2.3".to_owned(), commit: "abc".to_owned() }
}

/// A temporary folder of results, removed when it is dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Changes the text of a file.
    pub(crate) fn change(&self, name: &str, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(self.file(name)).expect("the file is there");
        std::fs::write(self.file(name), change(&text)).expect("the file can be written");
    }

    /// A folder with a single run, with the results and the `run.json` that were written.
    pub(crate) fn run() -> (Folder, Results, RunFile) {
        let study = Study::parse("small.toml", SCENARIO, &Changes::default()).expect("it is sound");
        let plan = &study.runs[0].plan;
        let results = skipbeat_sim::run(plan, &mut |_| true);
        let judged = plan.judge(&results.figures, &results.groups);
        let verdict = RunVerdict::new(judged, Vec::new(), None, None);
        assert_eq!(verdict.outcome, Outcome::Pass);
        let file = RunFile::of_run(&study, &results, &verdict, &build());
        let folder = Folder(TempDir::new().expect("a temporary folder"));
        let open = ResultFolder::create(folder.path(), false).expect("it can be made");
        let host = HostFile::Machine(Box::new(HostReport { wall_s: 0.5, ..Default::default() }));
        let errors = open.write_run(&study, &results, &file, &host);
        assert!(errors.is_empty(), "{errors:?}");
        (folder, results, file)
    }

    /// A folder with a sweep of two points with two runs each.
    pub(crate) fn sweep() -> (Folder, RunFile) {
        let text = format!("{SCENARIO}{SWEEP}");
        let study = Study::parse("small.toml", &text, &Changes::default()).expect("it is sound");
        let play = |number: usize| {
            let results = skipbeat_sim::run(&study.runs[number].plan, &mut |_| true);
            FinishedRun::new(number, results, None, None)
        };
        let runs: Vec<FinishedRun> = (0..study.runs.len()).map(play).collect();
        let came_to = (Outcome::Pass, "every run meets its thresholds".to_owned());
        let file = RunFile::of_sweep(&study, &runs, came_to, None, &build());
        let folder = Folder(TempDir::new().expect("a temporary folder"));
        let open = ResultFolder::create(folder.path(), true).expect("it can be made");
        let host = HostFile::Machine(Box::default());
        let errors = open.write_sweep(&study, &runs, &file, &host);
        assert!(errors.is_empty(), "{errors:?}");
        (folder, file)
    }
}
