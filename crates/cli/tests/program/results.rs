//! Result files and printed summaries: they say in the same words how a run ended; any percentile
//! can be a column; and files that can't be read are refused, never treated as empty.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Bench, has_word, headline, stderr, stdout};

/// A room without crashes, so that nobody is evicted and no eviction has a latency.
const ROOM: &str = r#"
name = "room"
seed = 5
duration = "20s"
drain = "3s"
[[group]]
name = "far"
clients = 20
heartbeat = { every = "1s" }
chat = { rate = 0.2 }
down = { loss = 0.1, delay = { kind = "exponential", mean = "20ms" } }
[[group]]
name = "near"
clients = 5
heartbeat = { every = "1s" }
"#;

/// The JSON that a command printed.
fn printed(output: &std::process::Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", stderr(output)))
}

/// The keys of an object.
fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn any_percentile_is_a_column_a_key_in_json_and_can_be_required() {
    let bench = Bench::new();
    let output = "[output]\npercentiles = [\"p50\", \"p95\", \"p99.99\"]\n";
    let with = |limit: &str| {
        let threshold = format!("[thresholds]\nlatency = \"p99.9 <= {limit}\"\n");
        bench.scenario(&format!("{ROOM}{threshold}{output}"))
    };
    let text = bench.run(&with("1s"), &["--quiet", "--out", "out"]);
    assert_eq!(text.status.code(), Some(0), "{}{}", stdout(&text), stderr(&text));
    assert_eq!(headline(&text), "pass: the threshold is met");
    let json = bench.run(&with("1s"), &["--quiet", "--out", "out", "--format", "json"]);
    assert_eq!(json.status.code(), Some(0), "{}", stderr(&json));
    let json = printed(&json);
    let mut before = 0.0;
    for column in ["latency_p50_s", "latency_p95_s", "latency_p99.9_s", "latency_p99.99_s"] {
        let cell: f64 = bench.cell("out/summary.csv", column).parse().expect("a number");
        assert!(cell > before, "{column} is {cell}, the one before {before}");
        before = cell;
        assert_eq!(json["metrics"][column], cell, "{column}");
        let of_groups = bench.column("out/groups.csv", column);
        for (group, cell) in ["far", "near"].iter().zip(of_groups) {
            assert_eq!(json["groups"][group][column], cell.parse::<f64>().unwrap(), "{column}");
        }
    }
    // Both have the same columns, without percentiles that nobody asked for.
    let head = bench.text("out/summary.csv");
    let head: BTreeSet<&str> = head.lines().next().unwrap_or("").split(',').skip(5).collect();
    assert_eq!(head, keys(&json["metrics"]));
    assert!(!head.contains("latency_p90_s") && !head.contains("eviction_latency_p99.9_s"));
    let judged = &json["verdict"]["thresholds"][0];
    assert_eq!(judged["metric"], "latency_p99.9_s");
    assert_eq!((&judged["required"], &judged["met"]), (&"<= 1s".into(), &true.into()));
    assert_eq!(judged["actual"], json["metrics"]["latency_p99.9_s"]);
    let missed = bench.run(&with("50ms"), &["--quiet", "--out", "out"]);
    assert_eq!(missed.status.code(), Some(99), "{}", stdout(&missed));
    assert_eq!(bench.json("out/run.json")["run"]["verdict"]["thresholds"][0]["met"], false);
    for (list, expected) in [
        ("[]", "test.toml:16:1: expected at least one percentile"),
        ("[\"p100\"]", "test.toml:17:15: expected a percentile such as p50, p99 or p99.9"),
        ("[\"99\"]", "test.toml:17:15: expected a percentile such as p50, p99 or p99.9"),
    ] {
        let wrong = format!("{ROOM}[output]\npercentiles = {list}\n");
        let refused = bench.run(&bench.scenario(&wrong), &["--quiet"]);
        assert_eq!(refused.status.code(), Some(104), "{list}");
        assert!(stderr(&refused).contains(expected), "{list}: {}", stderr(&refused));
    }
}

/// Thresholds with the outcome of a run that has them, its exit code, the words for it, the reason
/// that a run gives, and the reason that a sweep of two such runs gives.
const ENDINGS: [(&str, &str, i32, &str, &str, &str); 4] = [
    (
        "",
        "nothing-required",
        0,
        "nothing required",
        "no threshold was set; the figures can be relied on",
        "no threshold was set; the figures of every run can be relied on",
    ),
    (
        "[thresholds]\ndelivery_ratio = \">= 80 %\"\nunexplained = \"== 0\"\n",
        "pass",
        0,
        "pass",
        "all 2 thresholds are met",
        "every run meets its thresholds",
    ),
    (
        "[thresholds]\ndelivery_ratio = \">= 99 %\"\nunexplained = \"== 0\"\n",
        "threshold",
        99,
        "threshold not met",
        "1 of 2 thresholds is not met",
        "2 of 2 runs do not meet their thresholds",
    ),
    (
        "[thresholds]\neviction_latency = \"p99 <= 11s\"\nunexplained = \"== 0\"\n",
        "inconclusive",
        97,
        "inconclusive",
        "a figure that a threshold requires is undefined",
        "2 of 2 runs can't be relied on, or lack a required figure",
    ),
];

#[test]
fn headline_exit_code_run_json_and_printed_json_agree() {
    for (thresholds, outcome, code, words, of_run, of_sweep) in ENDINGS {
        let bench = Bench::new();
        let scenario = bench.scenario(&format!("{ROOM}{thresholds}"));
        for (more, reason) in [(&[][..], of_run), (&["--replications", "2"][..], of_sweep)] {
            let arguments = [&["--quiet", "--out", "out"], more].concat();
            let text = bench.run(&scenario, &arguments);
            let json = bench.run(&scenario, &[&arguments[..], &["--format", "json"]].concat());
            for output in [&text, &json] {
                assert_eq!(output.status.code(), Some(code), "{}", stdout(output));
                assert_eq!(stderr(output), "");
            }
            assert_eq!(headline(&text), format!("{words}: {reason}"));
            let (file, json) = (bench.json("out/run.json"), printed(&json));
            for value in [&file, &json] {
                assert_eq!(value["version"], 2);
                assert_eq!(
                    (&value["outcome"], &value["reason"]),
                    (&outcome.into(), &reason.into())
                );
            }
            assert_eq!(json["exit_code"], code);
            // The file has the same verdict on each run as the printed summary.
            let of_file = match file["sweep"]["runs"].as_array() {
                Some(runs) => runs.iter().map(|run| &run["verdict"]).collect(),
                None => vec![&file["run"]["verdict"]],
            };
            let of_json = match json["runs"].as_array() {
                Some(runs) => runs.iter().map(|run| &run["verdict"]).collect(),
                None => vec![&json["verdict"]],
            };
            assert_eq!(of_file, of_json);
            assert_eq!(of_file.len(), if more.is_empty() { 1 } else { 2 });
            assert!(of_file.iter().all(|verdict| verdict["outcome"] == outcome), "{of_file:?}");
            if code == 97 {
                let said = [stdout(&text), json.to_string(), file.to_string()].concat();
                assert!(!has_word(&said, "conclusive"), "{said}");
                let page = bench.text("out/report.html");
                assert!(!has_word(&page, "conclusive"), "the page calls it conclusive");
            }
        }
        let checked = bench.skipbeat(&["check", "test.toml", "--quiet"]);
        assert_eq!(checked.status.code(), Some(code), "{}", stdout(&checked));
        let last = stdout(&checked).lines().last().unwrap_or("").to_owned();
        assert_eq!(last, format!("verdict: {words}"));
        let json = printed(&bench.skipbeat(&["check", "test.toml", "--quiet", "--format", "json"]));
        assert_eq!((&json["outcome"], &json["exit_code"]), (&outcome.into(), &code.into()));
    }
}

#[test]
fn has_word_tells_conclusive_from_inconclusive() {
    assert!(!has_word("inconclusive: no", "conclusive"));
    assert!(has_word("conclusive: yes", "conclusive") && has_word("\"conclusive\"", "conclusive"));
}

/// A run in which five clients crash and are evicted, with a threshold.
const CRASHES: &str = r#"
[server]
timeout = "2s"
[[event]]
at = "1s"
group = "near"
crash = 1.0
[thresholds]
crashes = "== 5"
"#;

const TOP: [&str; 12] = [
    "version",
    "skipbeat",
    "scenario",
    "scenario_hash",
    "settings",
    "replications",
    "mode",
    "seed",
    "outcome",
    "reason",
    "run",
    "sweep",
];
const RUN: [&str; 7] = [
    "digest",
    "events",
    "ended_at_s",
    "verdict",
    "observed_every_nth_client",
    "reorder_extents_that_are_lower_bounds",
    "refused",
];
const SWEEP: [&str; 4] = ["keys", "runs_planned", "ramps", "runs"];
const ENTRY: [&str; 7] =
    ["point", "replication", "values", "scenario_hash", "seed", "digest", "verdict"];
const VERDICT: [&str; 6] =
    ["outcome", "thresholds", "doubts", "stopped_by", "failure", "ended_early_at_s"];
const JUDGED: [&str; 5] = ["metric", "group", "required", "actual", "met"];

#[test]
fn run_json_has_the_keys_of_version_2() {
    let bench = Bench::new();
    let scenario = bench.scenario(&format!("{ROOM}{CRASHES}"));
    let set = ["--set", "server.timeout=3s", "--quiet", "--out", "out"];
    assert_eq!(bench.run(&scenario, &set).status.code(), Some(0));
    let file = bench.json("out/run.json");
    assert_eq!(keys(&file), BTreeSet::from(TOP));
    assert_eq!(file["settings"], Value::from(vec!["server.timeout=3s"]));
    assert_eq!((&file["replications"], &file["sweep"]), (&Value::Null, &Value::Null));
    assert_eq!(keys(&file["run"]), BTreeSet::from(RUN));
    let verdict = &file["run"]["verdict"];
    assert_eq!(keys(verdict), BTreeSet::from(VERDICT));
    assert_eq!(keys(&verdict["thresholds"][0]), BTreeSet::from(JUDGED));

    let arguments = ["--replications", "2", "--quiet", "--out", "out"];
    assert_eq!(bench.run(&scenario, &arguments).status.code(), Some(0));
    let file = bench.json("out/run.json");
    assert_eq!(keys(&file), BTreeSet::from(TOP));
    assert_eq!((&file["replications"], &file["run"]), (&2.into(), &Value::Null));
    let sweep = &file["sweep"];
    assert_eq!(keys(sweep), BTreeSet::from(SWEEP));
    assert_eq!((&sweep["runs_planned"], &sweep["ramps"]), (&2.into(), &Value::Null));
    let runs = sweep["runs"].as_array().expect("there are runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(keys(run), BTreeSet::from(ENTRY));
        assert_eq!(keys(&run["verdict"]), BTreeSet::from(VERDICT));
        assert_eq!(keys(&run["verdict"]["thresholds"][0]), BTreeSet::from(JUDGED));
    }
}

#[test]
fn links_are_configured_and_observed_and_distributions_have_tags() {
    let bench = Bench::new();
    let scenario = bench.scenario(&format!("{ROOM}{CRASHES}"));
    assert_eq!(bench.run(&scenario, &["--quiet", "--out", "out"]).status.code(), Some(0));
    let links = bench.text("out/links.csv");
    let head = "group,direction,stage,unit,configured,observed,interval,agrees,datagrams";
    assert_eq!(links.lines().next(), Some(head));
    assert_eq!(bench.column("out/links.csv", "stage"), ["loss", "delay, mean", "reordered"]);
    assert_eq!(bench.column("out/links.csv", "configured"), ["0.1", "0.02", ""]);
    let log = bench.text("out/latency.hlog");
    let tags = log.lines().filter_map(|line| line.strip_prefix("Tag=")?.split(',').next());
    assert_eq!(tags.collect::<Vec<_>>(), ["latency", "latency_real", "eviction_latency"]);
}

/// Ways to damage a result file.
enum Damage {
    /// A text in it is replaced by another one.
    Replaced(&'static str, &'static str),
    /// The first row's cell in this column is replaced.
    Cell(&'static str, &'static str),
    /// The first row lacks the cell of this column.
    Lacking(&'static str),
    /// The first row is there twice.
    Twice,
    /// The whole file is gone.
    Gone,
}

impl Damage {
    /// The text after the damage; `None` if the file is gone.
    fn to(&self, text: &str) -> Option<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let index = |column: &str| {
            lines[0].split(',').position(|name| name == column).expect("the column is there")
        };
        let mut cells: Vec<&str> = lines[1].split(',').collect();
        match self {
            Damage::Gone => return None,
            Damage::Replaced(from, to) => {
                assert!(text.contains(from), "there is no {from}");
                return Some(text.replacen(from, to, 1));
            }
            Damage::Cell(column, cell) => cells[index(column)] = cell,
            Damage::Lacking(column) => drop(cells.remove(index(column))),
            Damage::Twice => return Some(format!("{text}{}\n", lines[1])),
        }
        lines[1] = cells.join(",");
        Some(lines.join("\n") + "\n")
    }
}

/// Damage to files that both `report` and `compare` read, and the error of both.
const OF_FIGURES: [(&str, Damage, &str); 9] = [
    (
        "run.json",
        Damage::Replaced("\"version\": 2", "\"version\": 99"),
        ": is of version 99, this build reads version 2",
    ),
    ("run.json", Damage::Replaced("\"version\": 2,", ""), ": has no version"),
    ("run.json", Damage::Replaced("\"version\": 2,", "\"version\": 2"), ":3: expected `,` or `}`"),
    (
        "run.json",
        Damage::Replaced("\"outcome\": \"nothing-required\"", "\"outcome\": \"pass\""),
        ": its outcome is not that of its verdict",
    ),
    (
        "summary.csv",
        Damage::Cell("delivery_ratio", "most"),
        ":2: delivery_ratio: expected a number, got \"most\"",
    ),
    ("groups.csv", Damage::Lacking("delivery_ratio"), ":2: expected "),
    (
        "summary.csv",
        Damage::Replaced("replication", "repetition"),
        ":1: column 5: expected replication, got repetition",
    ),
    ("summary.csv", Damage::Twice, ": expected one row, that of the run, got 2"),
    ("summary.csv", Damage::Gone, ": is missing"),
];

/// Damage to files that only `report` reads: a baseline does not have them.
const OF_PAGE: [(&str, Damage, &str); 5] = [
    ("ledger.csv", Damage::Gone, ": is missing"),
    (
        "ledger.csv",
        Damage::Cell("count", "many"),
        ":2: count: expected a whole number, got \"many\"",
    ),
    ("timeline.csv", Damage::Cell("second", "1"), ":2: a second is missing or appears twice"),
    (
        "links.csv",
        Damage::Cell("observed", "a tenth"),
        ":2: observed: expected a number, got \"a tenth\"",
    ),
    ("latency.hlog", Damage::Gone, ": is missing"),
];

/// Damages a copy of the results in `good`.
fn copy(bench: &Bench, to: &str, file: &str, damage: &Damage) {
    let folder = bench.path().join(to);
    fs::create_dir(&folder).expect("it can be made");
    for entry in fs::read_dir(bench.path().join("good")).expect("there are results") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("it can be copied");
    }
    let damaged = match damage.to(&bench.text(&format!("good/{file}"))) {
        Some(text) => fs::write(folder.join(file), text),
        None => fs::remove_file(folder.join(file)),
    };
    damaged.expect("it can be damaged");
}

/// Runs a command that must end with exit code 1, print only this error, and write nothing.
fn refuses(bench: &Bench, arguments: &[&str], expected: &str) {
    let output = bench.skipbeat(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}{said}", stdout(&output));
    assert_eq!(stdout(&output), "", "{arguments:?}");
    assert!(said.contains(expected), "{arguments:?}: {said} lacks {expected:?}");
}

#[test]
fn results_that_cannot_be_read_are_refused_with_file_and_line() {
    let bench = Bench::new();
    let run = bench.run(&bench.scenario(ROOM), &["--quiet", "--out", "good"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let of_figures = OF_FIGURES.iter().map(|case| (true, case));
    let cases = of_figures.chain(OF_PAGE.iter().map(|case| (false, case)));
    for (number, (compared, (file, damage, problem))) in cases.enumerate() {
        let folder = &format!("damaged-{number}");
        copy(&bench, folder, file, damage);
        let expected = format!("{folder}/{file}{problem}");
        refuses(&bench, &["report", folder], &expected);
        refuses(&bench, &["report", "good", folder, "--out", "both.html"], &expected);
        assert!(!bench.path().join("both.html").exists(), "{expected}");
        let [page, before] =
            [folder, "good"].map(|folder| bench.text(&format!("{folder}/report.html")));
        assert!(page == before, "the page of before stays: {expected}");
        if compared {
            refuses(&bench, &["compare", "good", folder], &expected);
            refuses(&bench, &["compare", folder, "good"], &expected);
            assert!(!bench.path().join(folder).join("compare.html").exists(), "{expected}");
        } else {
            let same = bench.skipbeat(&["compare", folder, "good"]);
            assert_eq!(same.status.code(), Some(0), "{expected}: {}", stderr(&same));
        }
    }
}

#[test]
fn a_check_says_that_its_baseline_cannot_be_read() {
    let bench = Bench::new();
    let run = bench.run(&bench.scenario(ROOM), &["--quiet", "--out", "good"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let (file, damage, problem) = &OF_FIGURES[0];
    fs::create_dir(bench.path().join("base")).expect("it can be made");
    copy(&bench, "base/room", file, damage);
    let arguments = ["check", "test.toml", "--baseline", "base", "--out", "out", "--quiet"];
    let checked = bench.skipbeat(&arguments);
    let said = stdout(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("base/room/{file}{problem}")), "{said}");
    assert!(said.ends_with("verdict: failed\n"), "{said}");
}

#[test]
fn the_old_name_of_eviction_still_works_but_not_beside_the_new() {
    let bench = Bench::new();
    let run = |server: &str| {
        let crashes = "[[event]]\nat = \"1s\"\ngroup = \"near\"\ncrash = 1.0\n";
        let text = format!("{ROOM}{crashes}[server]\ntimeout = \"2s\"\n{server}\n");
        bench.run(&bench.scenario(&text), &["--quiet", "--out", "out"])
    };
    let ends = |server: &str| {
        let output = run(server);
        assert_eq!(output.status.code(), Some(0), "{server}: {}", stderr(&output));
        let file = bench.json("out/run.json");
        (file["scenario_hash"].clone(), file["run"]["digest"].clone())
    };
    let at_once = ends("");
    let every_second = ends("eviction = \"1s\"");
    assert_ne!(at_once, every_second);
    assert_eq!(ends("sweep = \"1s\""), every_second);
    let both = run("eviction = \"1s\"\nsweep = \"1s\"");
    assert_eq!(both.status.code(), Some(104));
    assert!(stderr(&both).contains("`sweep` is the old name of `eviction`"), "{}", stderr(&both));
}
