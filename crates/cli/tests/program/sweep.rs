//! `skipbeat run` of a scenario with a sweep: its rows, resuming, and shares that are merged.

use crate::support::{Bench, stderr};

const SWEEP: &str = r#"
name = "small"
seed = 4
duration = "20s"
[server]
timeout = "2500ms"
[[group]]
name = "g"
clients = 20
heartbeat = { every = "1s" }
chat = { rate = 0.1 }
up = { loss = 0.1 }
[sweep]
replications = 2
[sweep.over]
"server.timeout" = ["2500ms", "3500ms"]
"group.g.up.loss" = [0.0, 0.2, 0.4]
"#;

fn file(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path().join(name)).expect("the file is there")
}

#[test]
fn each_point_and_replication_is_a_row_for_any_number_of_threads() {
    let bench = Bench::new();
    let scenario = bench.scenario(SWEEP);
    for (out, threads) in [("one", "1"), ("three", "3")] {
        let output = bench.run(&scenario, &["--quiet", "--out", out, "--threads", threads]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("6 points × 2 runs") && said.contains("3500ms"), "{said}");
    }
    for name in ["summary.csv", "groups.csv", "run.json"] {
        assert_eq!(file(&bench, &format!("one/{name}")), file(&bench, &format!("three/{name}")));
    }
    assert_eq!(bench.column("one/summary.csv", "point").join(" "), "0 0 1 1 2 2 3 3 4 4 5 5");
    assert_eq!(bench.column("one/summary.csv", "server.timeout")[6], "3500ms");
    assert_eq!(bench.column("one/groups.csv", "group.g.up.loss")[3], "0.2");
    // Mistakes grow with loss.
    let mistakes: Vec<u32> = (bench.column("one/summary.csv", "false_evictions").iter())
        .map(|cell| cell.parse().expect("a count"))
        .collect();
    assert!(mistakes[0] == 0 && mistakes[2] > 0 && mistakes[4] > mistakes[2], "{mistakes:?}");
}

#[test]
fn a_row_of_a_sweep_equals_a_single_run_with_its_seed() {
    let bench = Bench::new();
    let scenario = bench.scenario(SWEEP);
    bench.run(&scenario, &["--quiet", "--out", "sweep"]);
    let seed = bench.column("sweep/summary.csv", "seed")[3].clone();
    let single = bench.scenario(SWEEP.split("[sweep]").next().expect("there is something"));
    let loss = "group.g.up.loss=0.2";
    bench.run(&single, &["--quiet", "--out", "single", "--seed", &seed, "--set", loss]);
    for name in ["delivery_ratio", "false_evictions", "up_sent", "query_accuracy"] {
        let of_sweep = &bench.column("sweep/summary.csv", name)[3];
        assert_eq!(of_sweep, &bench.cell("single/summary.csv", name), "{name}");
    }
}

#[test]
fn replications_on_the_command_line_make_a_sweep_and_remove_stale_files() {
    let bench = Bench::new();
    let single = bench.scenario(SWEEP.split("[sweep]").next().expect("there is something"));
    bench.run(&single, &["--quiet", "--out", "out"]);
    assert!(bench.path().join("out/timeline.csv").exists());
    let output = bench.run(&single, &["--quiet", "--out", "out", "--replications", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.column("out/summary.csv", "replication"), ["0", "1", "2"]);
    assert!(!bench.path().join("out/timeline.csv").exists(), "it was of another run");
}

#[test]
fn a_killed_sweep_resumes_and_writes_the_same_files() {
    let bench = Bench::new();
    let scenario = bench.scenario(SWEEP);
    let whole = bench.run(&scenario, &["--quiet", "--out", "whole"]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    bench.run(&scenario, &["--quiet", "--out", "parts", "--threads", "1"]);
    // A kill would leave the head of the journal, two whole lines and part of a third, with bytes
    // that need not be UTF-8.
    let journal = bench.path().join("parts/progress.jsonl");
    let lines = file(&bench, "parts/progress.jsonl");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 1 + 12);
    let torn = &lines[3][..lines[3].len() / 2];
    let mut left = format!("{}\n{torn}", lines[..3].join("\n")).into_bytes();
    left.push(0xff);
    std::fs::write(&journal, left).expect("it can be written");
    // The journal of another scenario does not count.
    let other = ["--set", "group.g.clients=21", "--out", "other", "--resume"];
    std::fs::create_dir(bench.path().join("other")).expect("it can be made");
    std::fs::copy(&journal, bench.path().join("other/progress.jsonl")).expect("it can be copied");
    let said = stderr(&bench.run(&scenario, &other));
    assert!(said.contains("0 of 12 runs had finished before"), "{said}");
    let resumed = bench.run(&scenario, &["--out", "parts", "--resume"]);
    let said = stderr(&resumed);
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    assert!(said.contains("2 of 12 runs had finished before"), "{said}");
    for name in ["summary.csv", "groups.csv", "sweep.csv", "run.json"] {
        assert_eq!(file(&bench, &format!("whole/{name}")), file(&bench, &format!("parts/{name}")));
    }
    let again = bench.run(&scenario, &["--out", "parts", "--resume"]);
    assert!(stderr(&again).contains("12 of 12 runs had finished before"), "{}", stderr(&again));
    assert_eq!(file(&bench, "whole/summary.csv"), file(&bench, "parts/summary.csv"));
    let text = std::fs::read(&journal).expect("it is there");
    let text = String::from_utf8_lossy(&text).replace("\"commit\":\"", "\"commit\":\"x");
    std::fs::write(&journal, text).expect("it can be written");
    let later = bench.run(&scenario, &["--out", "parts", "--resume"]);
    assert!(later.status.code() == Some(1) && stderr(&later).contains("from another build"));
    let single = bench.scenario(SWEEP.split("[sweep]").next().expect("there is something"));
    assert_eq!(bench.run(&single, &["--resume"]).status.code(), Some(2));
}

#[test]
fn a_point_has_the_mean_deviation_and_interval_of_its_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SWEEP.replace("replications = 2", "replications = 4"));
    bench.run(&scenario, &["--quiet", "--out", "out"]);
    let numbers = |file: &str, column: &str| {
        let cells = bench.column(file, column);
        cells.iter().map(|cell| cell.parse::<f64>().expect("a number")).collect::<Vec<_>>()
    };
    let of_runs = &numbers("out/summary.csv", "up_sent")[8..12];
    let mean = of_runs.iter().sum::<f64>() / 4.0;
    let deviation = (of_runs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    assert_eq!(numbers("out/sweep.csv", "runs"), [4.0; 6]);
    assert!((numbers("out/sweep.csv", "up_sent_mean")[2] - mean).abs() < 1e-9);
    assert!((numbers("out/sweep.csv", "up_sent_sd")[2] - deviation).abs() < 1e-9);
    // Student's 97.5 % quantile with three degrees of freedom, over √4.
    let half = numbers("out/sweep.csv", "up_sent_ci95")[2];
    assert!((half - 3.182_446 / 2.0 * deviation).abs() < 1e-3 * half, "{half}");
}

#[test]
fn a_mistake_at_one_point_is_reported_before_anything_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SWEEP.replace("0.4]", "4.0]"));
    let output = bench.run(&scenario, &["--out", "out"]);
    assert_eq!(output.status.code(), Some(104));
    let said = stderr(&output);
    assert!(said.contains("[sweep.over]") && said.contains("group.g.up.loss=4.0"), "{said}");
    assert!(!bench.path().join("out").exists());
}

#[test]
fn all_shares_merge_into_the_files_of_one_sweep_and_anything_else_is_refused() {
    let bench = Bench::new();
    // Percentiles can't be added up, so the merged ones have to come from whole distributions.
    let delayed = SWEEP.replace("loss = 0.1 }", "loss = 0.1, delay = DELAY }");
    let delayed = delayed.replace("DELAY", "{ kind = \"exponential\", mean = \"30ms\" }");
    let output = "[output]\npercentiles = [\"p37.5\", \"p99.99\"]\n";
    let scenario = bench.scenario(&format!("{delayed}{output}"));
    bench.run(&scenario, &["--quiet", "--out", "whole"]);
    for (share, out) in [("1/5", "a"), ("2/5", "b"), ("3/5", "c"), ("4/5", "d"), ("5/5", "e")] {
        let output = bench.run(&scenario, &["--quiet", "--shard", share, "--out", out]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!(bench.column("a/summary.csv", "seed").len(), 3, "12 runs, the first of five shares");
    let merge = |folders: &[&str], out: &str| {
        let args = [&["merge"], folders, &["--out", out]].concat();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_skipbeat"))
            .args(&args)
            .current_dir(bench.path())
            .output()
            .expect("it runs");
        (output.status.code(), stderr(&output))
    };
    assert_eq!(merge(&["c", "a", "e", "b", "d"], "merged"), (Some(0), String::new()));
    for name in ["summary.csv", "groups.csv", "sweep.csv", "run.json"] {
        assert_eq!(file(&bench, &format!("whole/{name}")), file(&bench, &format!("merged/{name}")));
    }
    for (name, column, rows) in [
        ("summary.csv", "latency_p37.5_s", 12),
        ("summary.csv", "latency_p99.99_s", 12),
        ("groups.csv", "latency_p37.5_s", 12),
        ("sweep.csv", "latency_p37.5_s_mean", 6),
        ("sweep.csv", "latency_p99.99_s_ci95", 6),
    ] {
        let mut cells = bench.column(&format!("merged/{name}"), column);
        let number = |cell: &String| cell.parse::<f64>().is_ok_and(|value| value > 0.0);
        assert!(cells.len() == rows && cells.iter().all(number), "{name} {column}: {cells:?}");
        // Points share seeds, so some latencies are equal, but loss and replications change some.
        cells.sort_unstable();
        cells.dedup();
        assert!(cells.len() > 1, "{name} {column}: {cells:?}");
    }

    let refused = |folders: &[&str], why: &str| {
        let (code, said) = merge(folders, "refused");
        assert!(code == Some(1) && said.contains(why), "{code:?} {said}");
        assert!(!bench.path().join("refused").exists());
    };
    refused(&["a", "b", "d"], "missing: share 3/5, 5/5");
    std::fs::create_dir(bench.path().join("copy")).expect("it can be made");
    let journal = |folder: &str| bench.path().join(folder).join("progress.jsonl");
    std::fs::copy(journal("b"), journal("copy")).expect("it can be copied");
    refused(&["a", "b", "c", "copy", "d", "e"], "share 2/5 is there twice: b and copy");
    refused(&["a", "whole"], "a and whole: shares of different numbers");
    std::fs::create_dir(bench.path().join("none")).expect("it can be made");
    refused(&["a", "none"], "none: not a share of a sweep");
    let mixed = bench.run(&scenario, &["--quiet", "--shard", "2/5", "--out", "a"]);
    assert_eq!(mixed.status.code(), Some(1));
    assert!(stderr(&mixed).contains("it holds share 1/5"), "{}", stderr(&mixed));
    let other = ["--quiet", "--shard", "2/5", "--out", "f", "--set", "group.g.clients=21"];
    bench.run(&scenario, &other);
    refused(&["a", "f", "c", "d", "e"], "a and f: shares of different scenarios");
    bench.run(&scenario, &["--quiet", "--shard", "2/4", "--out", "g"]);
    refused(&["a", "g", "c", "d", "e"], "a and g: shares of different numbers");
    let text = file(&bench, "e/progress.jsonl");
    let end = text.trim_end().rfind('\n').expect("there are lines");
    std::fs::write(journal("e"), &text[..end + 20]).expect("it can be written");
    refused(&["a", "b", "c", "d", "e"], "e: share 5/5 lacks 1 of its 2 runs");
    bench.run(&scenario, &["--quiet", "--shard", "5/5", "--out", "e", "--resume"]);
    assert_eq!(merge(&["a", "b", "c", "d", "e"], "again"), (Some(0), String::new()));
    assert_eq!(file(&bench, "whole/run.json"), file(&bench, "again/run.json"));
    assert_eq!(merge(&["a", "b", "c", "d", "e"], "a").0, Some(2), "a share is not overwritten");
}

#[test]
fn a_task_of_an_array_job_finds_its_share_in_the_environment() {
    let bench = Bench::new();
    let scenario = bench.scenario(SWEEP);
    let share = |asked: &str, variables: &[(&str, &str)]| {
        let mut command = bench.command(&scenario, &["--quiet", "--shard", asked, "--out", "out"]);
        for name in ["SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().expect("it runs");
        match output.status.code() {
            Some(0) => {
                let text = file(&bench, "out/progress.jsonl");
                let head: serde_json::Value = text.lines().next().unwrap().parse().unwrap();
                head["shard"].as_str().expect("it says its share").to_owned()
            }
            code => format!("{code:?} {}", stderr(&output)),
        }
    };
    let third = "3/4";
    assert_eq!(share("3/4", &[]), third);
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "14"),
        ("SLURM_ARRAY_TASK_MIN", "10"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
    ];
    assert_eq!(share("auto", &slurm), third);
    let batch = [("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "4")];
    assert_eq!(share("auto", &batch), third);
    let kubernetes = [("JOB_COMPLETION_INDEX", "2")];
    assert_eq!(share("auto/4", &kubernetes), third);
    for (asked, variables, why) in [
        ("auto", &kubernetes[..], "say auto/N"),
        ("auto/2", &kubernetes, "there are 2"),
        ("auto/16", &slurm, "the job has 4 tasks"),
        ("auto", &[&slurm[..], &[("SLURM_ARRAY_TASK_MAX", "20")]].concat(), "gaps"),
        ("auto", &[], "none of"),
        ("0/4", &[], "expected a share"),
        ("5/4", &[], "expected a share"),
    ] {
        let said = share(asked, variables);
        assert!(said.starts_with("Some(2)") && said.contains(why), "{said}");
    }
}
