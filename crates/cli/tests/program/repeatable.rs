//! The same scenario and seed give the same bytes in any process and build; another seed gives
//! different ones.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Bench, shipped, stderr};

/// Every result file except `host.json`, which depends on the machine, and the page, which shows
/// it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    });
    files.filter(|(name, _)| name != "host.json" && name != "report.html").collect()
}

#[test]
fn two_processes_write_the_same_bytes() {
    let bench = Bench::new();
    let mut runs = Vec::new();
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        let arguments = ["--mode", "sim", "--seed", seed, "--out", out, "--quiet"];
        let output = bench.run(&shipped("quickstart.toml"), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        runs.push(files(&bench.path().join(out)));
    }
    assert_eq!(runs[0].len(), 8);
    assert!(runs[0] == runs[1], "the same seed gives other bytes");
    for name in ["summary.csv", "timeline.csv", "evictions.csv", "run.json"] {
        assert_ne!(runs[0][name], runs[2][name], "{name} does not depend on the seed");
    }
}

/// The committed results come from a release build, these from a test build.
#[test]
fn a_build_of_another_profile_writes_the_same_figures() {
    let bench = Bench::new();
    let reference = files(&shipped("../results/reference/quickstart"));
    let arguments = ["--mode", "sim", "--out", "out", "--quiet"];
    let output = bench.run(&shipped("quickstart.toml"), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let here = files(&bench.path().join("out"));
    for (name, bytes) in reference.iter().filter(|(name, _)| *name != "run.json") {
        assert!(here.get(name) == Some(bytes), "{name} is not as committed");
    }
    let digest = |files: &BTreeMap<String, Vec<u8>>| {
        let run: serde_json::Value = serde_json::from_slice(&files["run.json"]).unwrap();
        run["run"]["digest"].as_str().expect("there is one").to_owned()
    };
    assert_eq!(digest(&here), digest(&reference));
}

#[test]
fn every_shipped_scenario_closes_its_ledger_in_virtual_time() {
    let bench = Bench::new();
    for entry in std::fs::read_dir(shipped("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let mut arguments = vec!["--mode", "sim", "--out", "out", "--quiet"];
            let text = std::fs::read_to_string(&path).unwrap();
            // A server that is not ours can't be simulated.
            if text.contains("command = ") {
                continue;
            }
            if text.contains("[sweep") {
                arguments.extend(["--set", "warmup=5s", "--set", "duration=20s"]);
            }
            let output = bench.run(&path, &arguments);
            assert_eq!(output.status.code(), Some(0), "{}", path.display());
            let unexplained = bench.column("out/summary.csv", "unexplained");
            assert!(unexplained.iter().all(|cell| cell == "0"), "{}", path.display());
        }
    }
}
