//! `skipbeat compare` with interleaved pairs of two binaries: it finds a planted slowdown and a
//! planted change of behaviour, raises no alarm for a binary against itself, and can compare other
//! people's servers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Bench, free_address, stderr};

/// A simulated room whose run takes long enough to measure.
const ROOM: &str = r#"
name = "room"
seed = 1
duration = "20s"
[[group]]
name = "all"
clients = 400
heartbeat = { every = "500ms", jitter = "rfc5626" }
chat = { rate = 0.05 }
churn = { crash = 0.01, rejoin_after = "15s" }
up = { loss = 0.05, delay = "20ms" }
down = { loss = 0.05, delay = "20ms" }
"#;

/// The program with planted defects, `examples/planted.rs`, which is built with the tests.
fn planted() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_skipbeat"));
    program.with_file_name("examples").join("planted")
}

/// Writes a script of this name that runs `calls` and appends its own arguments; returns its path.
fn wrapper(bench: &Bench, name: &str, calls: &str) -> PathBuf {
    let path = bench.path().join(name);
    fs::write(&path, format!("#!/bin/sh\nexec {calls} \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn compare(bench: &Bench, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skipbeat"));
    command.current_dir(bench.path()).args(["compare", "test.toml", "--quiet", "--out", "out"]);
    command.args(arguments).output().expect("it starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output))
}

/// How often to look for the planted slowdown. Set `SKIPBEAT_TRIALS=20` to estimate how reliably it
/// is found.
fn trials() -> u32 {
    let asked = std::env::var("SKIPBEAT_TRIALS").ok();
    asked.map_or(1, |text| text.parse().expect("SKIPBEAT_TRIALS is a number"))
}

/// The side that ran first in each pair, from the raw figures.
fn first_sides(bench: &Bench) -> Vec<String> {
    let [positions, sides, pairs] =
        ["place", "side", "pair"].map(|column| bench.column("out/pairs.csv", column));
    let mut first: Vec<(String, String)> = Vec::new();
    for ((position, side), pair) in positions.iter().zip(&sides).zip(&pairs) {
        if position == "1" && first.last().is_none_or(|(last, _)| last != pair) {
            first.push((pair.clone(), side.clone()));
        }
    }
    first.into_iter().map(|(_, side)| side).collect()
}

#[test]
fn a_busy_wait_of_five_per_cent_is_a_regression_and_a_binary_against_itself_is_not() {
    let bench = Bench::new();
    bench.scenario(ROOM);
    let program = planted();
    let base = wrapper(&bench, "base", &program.display().to_string());
    let slow = wrapper(&bench, "slow", &format!("{} --busy 0.05", program.display()));
    let [base, slow] = [&base, &slow].map(|path| path.to_str().unwrap());
    // Enough pairs to detect 5 % on a machine where single runs vary by 5 %.
    let pairs = ["--base-bin", base, "--pairs", "40", "--metric", "ns_per_datagram"];
    let exit = |new: &str| {
        let output = compare(&bench, &[&pairs[..], &["--new-bin", new]].concat());
        output.status.code().unwrap_or_else(|| panic!("{}", said(&output)))
    };
    let (mut slower, mut itself) = (Vec::new(), Vec::new());
    for _ in 0..trials() {
        // On a busy machine the comparison may be inconclusive (97), but it must never pass.
        let mut codes = vec![exit(slow)];
        while codes.len() < 3 && codes.ends_with(&[97]) {
            codes.push(exit(slow));
        }
        slower.push(codes);
        itself.push(exit(base));
    }
    eprintln!("5 % busier: {slower:?}; against itself: {itself:?}");
    assert!(slower.iter().all(|codes| codes.ends_with(&[98]) && !codes.contains(&0)), "{slower:?}");
    assert!(itself.iter().all(|code| [0, 97].contains(code)), "{itself:?}");
    let order = first_sides(&bench);
    let base_first = order.iter().filter(|side| *side == "base").count();
    assert_eq!(order.len(), 40);
    assert!((8..=32).contains(&base_first), "the order is not drawn: {base_first} of 40");

    let aa = compare(&bench, &[&pairs[..], &["--aa", "--format", "json"]].concat());
    assert_eq!(aa.status.code(), Some(0), "{}", said(&aa));
    let noise: Value = serde_json::from_slice(&aa.stdout).expect("it is JSON");
    assert_eq!((&noise["pairs"], &noise["trials"]), (&40.into(), &1000.into()));
    assert!(noise["false_alarms"].as_u64().unwrap() <= 50, "{noise}");
    assert!(noise["metrics"][0]["smallest_effect"].as_f64().unwrap() >= 0.02, "{noise}");
}

#[test]
fn a_planted_change_of_behaviour_shows_in_figures_and_in_the_digest() {
    let bench = Bench::new();
    bench.scenario(ROOM);
    let program = planted();
    let base = wrapper(&bench, "base", &program.display().to_string());
    let later = wrapper(&bench, "later", &format!("{} --later 400ms", program.display()));
    let [base, later] = [&base, &later].map(|path| path.to_str().unwrap());
    let pairs = ["--base-bin", base, "--new-bin", later, "--pairs", "8"];
    let metrics = ["--metric", "eviction_latency_mean_s", "--metric", "delivery_ratio"];
    let slower = compare(&bench, &[&pairs[..], &metrics].concat());
    assert_eq!(slower.status.code(), Some(98), "{}", said(&slower));
    assert!(said(&slower).contains("worse       eviction_latency_mean_s"), "{}", said(&slower));

    for (binary, out) in [(base, "a"), (later, "b")] {
        let arguments = ["run", "test.toml", "--seed", "1", "--out", out];
        let mut command = Command::new(binary);
        let run = command.current_dir(bench.path()).args(arguments).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_skipbeat"));
    let folders = command.current_dir(bench.path()).args(["compare", "a", "b"]).output().unwrap();
    assert_eq!(folders.status.code(), Some(98), "{}", said(&folders));
    assert!(said(&folders).contains("the behaviour changed"), "{}", said(&folders));
}

#[test]
fn a_build_that_evicts_nobody_does_not_pass_because_a_figure_is_missing() {
    let bench = Bench::new();
    bench.scenario(ROOM);
    let program = planted();
    let base = wrapper(&bench, "base", &program.display().to_string());
    let never = wrapper(&bench, "never", &format!("{} --later 1h", program.display()));
    let [base, never] = [&base, &never].map(|path| path.to_str().unwrap());
    let pairs = ["--base-bin", base, "--new-bin", never, "--pairs", "8"];
    let metric = ["--metric", "eviction_latency_mean_s"];
    let output = compare(&bench, &[&pairs[..], &metric].concat());
    assert_eq!(output.status.code(), Some(98), "{}", said(&output));
    assert!(said(&output).contains("on one side only in 8 of 8 pairs"), "{}", said(&output));
}

#[test]
fn a_comparison_ignores_thresholds_that_would_end_the_run_early() {
    let bench = Bench::new();
    let early = "[thresholds]\nabort = true\nabort_after = \"1s\"\ndelivery_ratio = \">= 0.999\"\n";
    bench.scenario(&format!("{ROOM}{early}"));
    let program = env!("CARGO_BIN_EXE_skipbeat");
    let pairs = ["--base-bin", program, "--new-bin", program, "--pairs", "6"];
    let output = compare(&bench, &[&pairs[..], &["--metric", "delivery_ratio"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let metrics = bench.column("out/pairs.csv", "metric");
    let live = bench.column("out/pairs.csv", "value");
    let live = metrics.iter().zip(live).filter(|(metric, _)| *metric == "live_time_s");
    // 400 clients for 20 s would be 8,000 s of client time; some are down for a while.
    assert!(live.into_iter().all(|(_, value)| value.parse::<f64>().unwrap() > 4_000.0));
}

#[test]
fn foreign_servers_replace_the_command_of_the_scenario() {
    let bench = Bench::new();
    let port = free_address().port();
    bench.scenario(&format!(
        r#"
        name = "theirs"
        mode = "net"
        warmup = "200ms"
        duration = "300ms"
        drain = "200ms"
        [server]
        target = "127.0.0.1:{port}"
        command = ["replaced", "serve", "--quiet", "--listen", "127.0.0.1:{port}"]
        [swarm]
        lateness_limit = "5s"
        [[group]]
        name = "all"
        clients = 5
        chat = {{ rate = 20 }}
        "#
    ));
    let server = wrapper(&bench, "server", env!("CARGO_BIN_EXE_skipbeat"));
    let server = server.to_str().unwrap();
    let arguments = ["--base-bin", server, "--new-bin", server, "--pairs", "6"];
    let both = compare(&bench, &[&arguments[..], &["--metric", "delivery_ratio"]].concat());
    assert_eq!(both.status.code(), Some(0), "{}", said(&both));
    let metrics = bench.column("out/pairs.csv", "metric");
    assert_eq!(metrics.iter().filter(|name| *name == "server_ns_per_datagram").count(), 12);
    assert!(bench.path().join("out/compare.html").exists());
}

#[test]
fn a_comparison_that_makes_no_sense_is_a_usage_error() {
    let bench = Bench::new();
    bench.scenario(ROOM);
    let program = planted().display().to_string();
    let base = ["--base-bin", &program];
    for (arguments, expected) in [
        (vec!["--pairs", "5", "--aa"], "6..=1000"),
        (vec!["--new-bin", &program, "--metric", "delivery"], "unknown metric"),
        (vec!["--new-bin", &program, "--metric", "up_sent"], "neither more nor less"),
        (vec![], "--base-bin needs --new-bin, or --aa"),
    ] {
        let output = compare(&bench, &[&base[..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    bench.scenario(&format!("{ROOM}[sweep]\nreplications = 2\n"));
    let sweep = compare(&bench, &["--base-bin", &program, "--new-bin", &program]);
    assert_eq!(sweep.status.code(), Some(2), "{}", said(&sweep));
    bench.scenario(ROOM);
    let broken = compare(&bench, &["--base-bin", "/bin/false", "--new-bin", &program]);
    assert_eq!(broken.status.code(), Some(1), "{}", said(&broken));
    assert!(stderr(&broken).contains("/bin/false failed"), "{}", stderr(&broken));
}
