//! The features that CI uses: thresholds of groups, runs that thresholds end early, checks against
//! a baseline, pages that are rendered again, and files for other programs.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::support::{Bench, headline, stderr, stdout};

const SCENARIO: &str = r#"
name = "gate"
seed = 3
warmup = "2s"
duration = "20s"
drain = "3s"
[server]
timeout = "2500ms"
[[group]]
name = "far"
clients = 20
heartbeat = { every = "1s", jitter = "rfc5626" }
chat = { rate = 0.2 }
up = { loss = 0.3, delay = "20ms" }
[[group]]
name = "near"
clients = 20
heartbeat = { every = "1s" }
chat = { rate = 0.2 }
"#;

#[test]
fn a_threshold_of_a_group_judges_that_group_alone() {
    let bench = Bench::new();
    let thresholds = "[thresholds]\nunexplained = \"== 0\"\n\
                      [thresholds.group.near]\ndelivery_ratio = \">= 0.99\"\n\
                      mistake_rate_per_s = \"== 0\"\n\
                      [thresholds.group.far]\nmistake_rate_per_s = \"== 0\"\n";
    let scenario = bench.scenario(&format!("{SCENARIO}{thresholds}"));
    let output = bench.run(&scenario, &["--quiet", "--out", "out"]);
    assert_eq!(output.status.code(), Some(99), "{}", stdout(&output));
    let text = stdout(&output);
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or("").to_owned();
    assert!(line("far mistake_rate_per_s").contains("not met"), "{text}");
    let run = bench.json("out/run.json");
    assert_eq!(run["outcome"], "threshold");
    let verdict = &run["run"]["verdict"];
    assert_eq!(verdict["outcome"], "threshold");
    let judged = |n: usize| {
        let one = &verdict["thresholds"][n];
        let text = |key: &str| one[key].as_str().unwrap_or("").to_owned();
        (text("group"), text("metric"), text("required"), one["met"].clone())
    };
    let expected = [
        ("", "unexplained", "== 0", true),
        ("near", "delivery_ratio", ">= 0.99", false),
        ("near", "mistake_rate_per_s", "== 0", true),
        ("far", "mistake_rate_per_s", "== 0", false),
    ];
    assert_eq!(verdict["thresholds"].as_array().map(Vec::len), Some(expected.len()));
    for (n, (group, metric, required, met)) in expected.into_iter().enumerate() {
        let found = judged(n);
        let found = (found.0.as_str(), found.1.as_str(), found.2.as_str(), found.3);
        assert_eq!(found, (group, metric, required, met.into()));
        let cells = match group {
            "" => bench.column("out/summary.csv", metric),
            _ => bench.column("out/groups.csv", metric),
        };
        let cell = &cells[usize::from(group == "near")];
        assert_eq!(verdict["thresholds"][n]["actual"], cell.parse::<f64>().expect("a number"));
    }
    assert_eq!(headline(&output), "threshold not met: 2 of 4 thresholds are not met");
}

#[test]
fn unknown_metrics_and_groups_are_errors_before_the_run() {
    let bench = Bench::new();
    for (thresholds, expected) in [
        ("[thresholds.group.nobody]\nclients = \"== 1\"\n", "unknown group \"nobody\""),
        ("[thresholds.group.far]\nlatencies = \"<= 1\"\n", "unknown metric \"latencies\""),
        ("[thresholds]\nabort = 1\n", "expected true or false"),
        ("[thresholds]\nabort_after = \"1s\"\n", "`abort = true`"),
        ("[thresholds]\ngroup = 5\n", "[thresholds.group.NAME]"),
    ] {
        let scenario = bench.scenario(&format!("{SCENARIO}{thresholds}"));
        let output = bench.run(&scenario, &["--quiet", "--out", "out"]);
        assert_eq!(output.status.code(), Some(104), "{thresholds}");
        assert!(stderr(&output).contains(expected), "{thresholds}: {}", stderr(&output));
        assert!(!bench.path().join("out").exists());
    }
}

#[test]
fn a_broken_threshold_can_end_the_run_early() {
    let bench = Bench::new();
    let aborting = "[thresholds]\nabort = true\nabort_after = \"5s\"\nfalse_evictions = \"<= 3\"\n\
                    deliveries = \">= 1\"\n";
    let scenario = bench.scenario(&format!("{SCENARIO}{aborting}"));
    let ends = || {
        let output = bench.run(&scenario, &["--quiet", "--out", "out"]);
        assert_eq!(output.status.code(), Some(99), "{}", stdout(&output));
        let said = headline(&output);
        let stopped = "threshold not met: the run was stopped: not met: false_evictions <= 3; \
                       it ended early, at ";
        assert!(said.starts_with(stopped), "{said}");
        let run = bench.json("out/run.json");
        let reason = "the run was stopped: not met: false_evictions <= 3";
        assert_eq!((&run["outcome"], &run["reason"]), (&"threshold".into(), &reason.into()));
        let run = &run["run"];
        assert_eq!(run["verdict"]["stopped_by"], "false_evictions <= 3");
        assert_eq!(run["verdict"]["ended_early_at_s"], run["ended_at_s"]);
        (run["ended_at_s"].as_f64().unwrap(), run["digest"].clone())
    };
    let (ended, digest) = ends();
    assert_eq!(digest.as_str().map(str::len), Some(16), "{digest}");
    assert!((8.0..20.0).contains(&ended), "{ended}");
    assert_eq!(ends(), (ended, digest), "it ends at the same moment each time");
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
    // Thresholds are judged once a second of virtual time, even if few events happen.
    let none = "[thresholds]\nabort = true\nfalse_evictions = \"== 0\"\n";
    let scenario = bench.scenario(&format!("{SCENARIO}{none}"));
    let sparse = ["--quiet", "--out", "out", "--set", "group.far.up.loss=0.9"];
    assert_eq!(bench.run(&scenario, &sparse).status.code(), Some(99));
    let ended = bench.json("out/run.json")["run"]["ended_at_s"].as_f64().unwrap();
    let first = bench.column("out/evictions.csv", "time_s")[0].parse::<f64>().unwrap();
    assert!(ended <= first.max(3.0) + 1.1, "{first} {ended}");
    // A count that only grows may still reach its minimum, so it does not end the run.
    let growing = "[thresholds]\nabort = true\ndeliveries = \">= 100\"\n";
    let scenario = bench.scenario(&format!("{SCENARIO}{growing}"));
    assert_eq!(bench.run(&scenario, &["--quiet", "--out", "out"]).status.code(), Some(0));
    let whole = &bench.json("out/run.json")["run"];
    assert_eq!(whole["ended_at_s"], 25.0);
    assert_eq!(whole["verdict"]["ended_early_at_s"], Value::Null);
}

#[test]
fn a_check_passes_against_its_own_baseline_and_fails_if_figures_differ() {
    let bench = Bench::new();
    let thresholds = "[thresholds]\ndelivery_ratio = \">= 0.5\"\n";
    bench.scenario(&format!("{SCENARIO}{thresholds}"));
    let check = |more: &[&str]| {
        let fixed = ["check", "test.toml", "--baseline", "base", "--out", "out", "--quiet"];
        bench.skipbeat(&[&fixed, more].concat())
    };
    let without = check(&[]);
    assert_eq!(without.status.code(), Some(97), "{}", stdout(&without));
    assert!(stdout(&without).contains("--update"), "{}", stdout(&without));
    let updated = check(&["--update"]);
    assert_eq!(updated.status.code(), Some(0), "{}", stdout(&updated));
    let same = check(&["--junit", "j.xml", "--markdown", "m.md", "--bmf", "b.json"]);
    assert_eq!(same.status.code(), Some(0), "{}", stdout(&same));
    assert!(stdout(&same).contains("verdict: pass"), "{}", stdout(&same));
    let read = |name: &str| fs::read_to_string(bench.path().join(name)).expect("it is written");
    assert!(read("j.xml").contains("delivery_ratio &gt;= 0.5"));
    assert!(read("m.md").contains("✅ pass") && read("b.json").contains("delivery-ratio"));

    let other = check(&["--set", "server.timeout=2400ms", "--format", "json"]);
    assert_eq!(other.status.code(), Some(98), "{}", stdout(&other));
    let verdict: Value = serde_json::from_str(&stdout(&other)).expect("it is JSON");
    assert_eq!((&verdict["outcome"], &verdict["exit_code"]), (&"regression".into(), &98.into()));
    assert_eq!(verdict["version"], 2);
    let scenario = &verdict["scenarios"][0];
    assert_eq!(scenario["outcome"], "regression");
    assert_eq!(scenario["comparison"]["outcome"], "regression");
    assert_eq!(scenario["thresholds"][0]["required"], ">= 0.5");
    assert_eq!(scenario["thresholds"][0]["met"], true);
    assert!(bench.path().join("out/gate/compare.html").exists());
    // A broken threshold outweighs a regression in the exit code.
    let broken = check(&["--set", "thresholds.delivery_ratio=>= 0.999"]);
    assert_eq!(broken.status.code(), Some(99), "{}", stdout(&broken));
    // The output must not be the baseline, and no two scenarios may share an output folder.
    let itself = bench.skipbeat(&["check", "test.toml", "--out", "base", "--baseline", "base"]);
    assert_eq!(itself.status.code(), Some(2), "{}", stderr(&itself));
    let new = ["check", "test.toml", "--out", "new", "--baseline", "new", "--update"];
    assert_eq!(bench.skipbeat(&new).status.code(), Some(2));
    let twice = bench.skipbeat(&["check", "test.toml", "test.toml", "--quiet"]);
    assert_eq!(twice.status.code(), Some(2), "{}", stderr(&twice));
}

#[test]
fn a_check_reports_the_other_scenarios_if_one_fails_to_run() {
    let bench = Bench::new();
    bench.scenario(SCENARIO);
    let broken = SCENARIO
        .replace("\"gate\"", "\"broken\"")
        .replace("seed = 3", "seed = 3\nmode = \"net\"")
        .replace("[server]", "[server]\ntarget = \"127.0.0.1:9\"\ncommand = [\"/nowhere/server\"]");
    fs::write(bench.path().join("broken.toml"), broken).unwrap();
    let arguments = ["check", "broken.toml", "test.toml", "--quiet", "--junit", "j.xml"];
    let output = bench.skipbeat(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("gate  sim  nothing required"), "{}", stdout(&output));
    let xml = fs::read_to_string(bench.path().join("j.xml")).unwrap();
    assert!(xml.contains("/nowhere/server") && xml.contains("testsuite name=\"gate\""), "{xml}");
}

#[test]
fn a_run_on_sockets_is_judged_by_thresholds_but_not_compared_with_a_baseline() {
    let bench = Bench::new();
    let scenario = SCENARIO.replace("20s", "1s").replace("duration", "mode = \"net\"\nduration");
    bench.scenario(&(scenario + "[thresholds]\nunexplained = \"== 0\"\n"));
    let arguments = [
        "check",
        "test.toml",
        "--baseline",
        "base",
        "--out",
        "out",
        "--quiet",
        "--set",
        "swarm.lateness_limit=5s",
    ];
    let output = bench.skipbeat(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("judged by its thresholds, not compared"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn report_renders_the_same_page_again_and_overlays_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(SCENARIO);
    for (out, seed) in [("a", "1"), ("b", "2")] {
        let run = bench.run(&scenario, &["--quiet", "--out", out, "--seed", seed]);
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    }
    let page = |name: &str| fs::read(bench.path().join(name)).expect("there is a page");
    let before = page("a/report.html");
    fs::remove_file(bench.path().join("a/report.html")).unwrap();
    assert_eq!(bench.skipbeat(&["report", "a"]).status.code(), Some(0));
    assert!(page("a/report.html") == before, "the page is not a function of the files");
    let both = bench.skipbeat(&["report", "a", "b", "--out", "both.html"]);
    assert_eq!((both.status.code(), stdout(&both).trim()), (Some(0), "both.html"));
    assert!(page("both.html").len() < 2_000_000);
    let none = bench.skipbeat(&["report", "nowhere"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("nowhere"), "{}", stderr(&none));
}

/// The reader of the hdrhistogram library checks our writer.
#[test]
fn the_hdrhistogram_library_reads_our_log() {
    let bench = Bench::new();
    let scenario = bench.scenario(SCENARIO);
    assert_eq!(bench.run(&scenario, &["--quiet", "--out", "out"]).status.code(), Some(0));
    let log = fs::read(bench.path().join("out/latency.hlog")).unwrap();
    assert!(log.starts_with(b"#[Histogram log format version 1.3]\n"));
    let mut counts = BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("the log is well-formed") else { continue };
        let encoded = interval.encoded_histogram();
        let bytes = BASE64_STANDARD.decode(encoded).expect("it is base64");
        let histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).expect("it is a histogram");
        counts.insert(interval.tag().expect("it has a tag").as_str().to_owned(), histogram.len());
    }
    let cell = |column: &str| bench.cell("out/summary.csv", column).parse::<u64>().unwrap();
    assert_eq!(counts["latency"], cell("deliveries"));
    // Every distribution that has values is there, with as many values as its column says.
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["latency", "latency_real", "mistake_duration"]);
    for (tag, count) in &counts {
        assert_eq!(*count, cell(&format!("{tag}_samples")), "{tag}");
    }
}

#[test]
fn the_dashboard_uses_the_alternate_screen_and_restores_the_terminal() {
    let bench = Bench::new();
    bench.scenario(SCENARIO);
    // `script` from util-linux gives the program a terminal.
    let program = env!("CARGO_BIN_EXE_skipbeat");
    let run = |arguments: &str| {
        let command = format!("stty cols 100 rows 40; {program} run test.toml {arguments}");
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm");
        let output = script.current_dir(bench.path()).output().expect("util-linux is there");
        (output.status.code(), stdout(&output))
    };
    let (code, text) = run("--live");
    assert_eq!(code, Some(0), "{text}");
    let (taken, given_back) = (text.find("\x1b[?1049h"), text.find("\x1b[?1049l"));
    assert!(taken.is_some() && taken < given_back, "{text:?}");
    let after = &text[given_back.unwrap()..];
    assert!(text.contains("members"), "{text:?}");
    assert!(after.contains("no threshold was set; the figures can be relied on"), "{after:?}");
    // Without a terminal `--live` falls back to lines of progress.
    let lines = bench.skipbeat(&["run", "test.toml", "--live"]);
    assert_eq!(lines.status.code(), Some(0));
    assert!(!stderr(&lines).contains('\x1b') && stderr(&lines).contains(" of 25.0 s"));
    let both = bench.skipbeat(&["run", "test.toml", "--live", "--quiet"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn schemas_completions_and_manual_are_generated() {
    let bench = Bench::new();
    for name in ["scenario", "verdict"] {
        let printed = stdout(&bench.skipbeat(&["schema", name]));
        let path = crate::support::shipped(&format!("../schemas/{name}.schema.json"));
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(printed == committed, "skipbeat schema {name} > schemas/{name}.schema.json");
    }
    let bash = stdout(&bench.skipbeat(&["completions", "bash"]));
    assert!(bash.contains("--baseline") && bash.contains("complete -F"));
    let man = stdout(&bench.skipbeat(&["man"]));
    assert!(man.contains("regression: worse than the base"), "{man}");
    assert_eq!(bench.skipbeat(&["man", "--out", "pages"]).status.code(), Some(0));
    assert!(bench.path().join("pages/skipbeat-check.1").exists());
}
