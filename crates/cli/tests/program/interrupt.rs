//! Ctrl-C during a run: the files are still written, and the exit code is 105.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Bench, headline};

fn interrupted(mode: &str, duration: &str) {
    let bench = Bench::new();
    let scenario = bench.scenario(&format!(
        r#"
        name = "t"
        duration = "{duration}"
        [[group]]
        name = "g"
        clients = 20
        heartbeat = {{ every = "100ms" }}
        chat = {{ rate = 1.0 }}
        "#
    ));
    let mut child = (bench.command(&scenario, &["--mode", mode, "--out", "out"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line of progress shows that the run has begun.
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    progress.read_line(&mut String::new()).unwrap();
    // That line comes before the first datagram. Three periods are enough for some heartbeats.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(105));
    let said = headline(&output);
    let interrupted = "interrupted: a signal ended the run; these are the figures up to then; \
                       it ended early, at ";
    assert!(said.starts_with(interrupted), "{said}");
    let file = bench.json("out/run.json");
    assert_eq!(file["outcome"], "interrupted");
    let run = &file["run"];
    assert_eq!(run["verdict"]["outcome"], "interrupted");
    assert!(run["ended_at_s"].as_f64().is_some_and(|at| at > 0.0), "{run}");
    assert_eq!(run["verdict"]["ended_early_at_s"], run["ended_at_s"]);
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
    assert_ne!(bench.cell("out/summary.csv", "up_sent"), "0");
}

#[test]
fn ctrl_c_ends_a_run_in_virtual_time_with_results() {
    interrupted("sim", "1000h");
}

#[test]
fn ctrl_c_ends_a_run_on_real_sockets_with_results() {
    interrupted("net", "1h");
}
