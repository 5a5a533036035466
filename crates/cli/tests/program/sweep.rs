//! `skipbeat run` of a scenario with a sweep.

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
fn each_point_and_replication_is_a_row_whatever_the_number_of_threads() {
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
    // More loss, more mistakes.
    let mistakes: Vec<u32> = (bench.column("one/summary.csv", "false_evictions").iter())
        .map(|cell| cell.parse().expect("a count"))
        .collect();
    assert!(mistakes[0] == 0 && mistakes[2] > 0 && mistakes[4] > mistakes[2], "{mistakes:?}");
}

#[test]
fn a_row_is_what_a_run_of_its_own_gives() {
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
fn replications_can_be_asked_for_and_a_single_run_leaves_nothing_stale() {
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
fn a_mistake_at_one_point_is_shown_before_anything_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SWEEP.replace("0.4]", "4.0]"));
    let output = bench.run(&scenario, &["--out", "out"]);
    assert_eq!(output.status.code(), Some(104));
    let said = stderr(&output);
    assert!(said.contains("[sweep.over]") && said.contains("group.g.up.loss=4.0"), "{said}");
    assert!(!bench.path().join("out").exists());
}
