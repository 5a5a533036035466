//! Bad input ends in a clear error, with its position if it has one, and the documented exit code.

use std::net::UdpSocket;

use crate::support::{Bench, headline, stderr};

const GOOD: &str = r#"
name = "t"
duration = "200ms"
drain = "0s"
[[group]]
name = "g"
clients = 2
"#;

/// Runs a scenario that must end with this exit code and print this on standard error.
fn fails(text: &str, arguments: &[&str], code: i32, expected: &str) {
    let bench = Bench::new();
    let output = bench.run(&bench.scenario(text), arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(expected), "{said}\n  does not contain {expected:?}");
}

#[test]
fn an_unknown_key_exits_with_104_and_its_line() {
    fails(&format!("{GOOD}chatt = 1\n"), &[], 104, "test.toml:8:1: unknown field `chatt`");
}

#[test]
fn a_wrong_unit_exits_with_104() {
    fails(&GOOD.replace("200ms", "200 parsecs"), &[], 104, "expected a unit of time");
}

#[test]
fn a_probability_over_one_exits_with_104() {
    fails(
        &format!("{GOOD}up = {{ loss = 1.5 }}\n"),
        &[],
        104,
        "expected a probability from 0 to 1",
    );
    fails(GOOD, &["--set", "group.g.up.loss=2"], 104, "--set group.g.up.loss=2");
}

#[test]
fn a_scenario_without_a_group_exits_with_104() {
    fails("name = \"t\"\nduration = \"1s\"\n", &[], 104, "at least one [[group]]");
}

#[test]
fn a_missing_scenario_exits_with_104() {
    let bench = Bench::new();
    let output = bench.run(&bench.path().join("missing.toml"), &[]);
    assert_eq!(output.status.code(), Some(104));
    assert!(stderr(&output).contains("missing.toml: can't read the scenario"));
}

#[test]
fn wrong_usage_exits_with_2() {
    fails(GOOD, &["--sed", "1"], 2, "--sed");
    fails(GOOD, &["--set", "nonsense"], 2, "expected key.path=value");
}

#[test]
fn a_port_in_use_exits_with_1() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let text = format!("{GOOD}[server]\nlisten = \"{listen}\"\n");
    fails(&text, &["--mode", "net"], 1, &format!("can't bind the server to {listen}"));
}

#[test]
fn a_target_where_nothing_listens_exits_with_1() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("{GOOD}[server]\ntarget = \"{free}\"\n");
    fails(&text, &["--mode", "net"], 1, &format!("nothing listens at the target {free}"));
}

#[test]
fn a_server_command_that_fails_to_start_or_ends_at_once_exits_with_1() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let with =
        |command: &str| format!("{GOOD}[server]\ntarget = \"{free}\"\ncommand = {command}\n");
    fails(&with("[\"no-such-program\"]"), &["--mode", "net"], 1, "can't start the server command");
    fails(&with("[\"true\"]"), &["--mode", "net"], 1, "ended before it listened");
}

#[test]
fn a_run_against_a_target_cannot_be_simulated() {
    let text = format!("{GOOD}[server]\ntarget = \"127.0.0.1:9999\"\n");
    fails(&text, &["--mode", "sim"], 104, "a target runs in `net` only");
}

#[test]
fn an_output_folder_that_cannot_be_created_exits_with_1_before_the_run() {
    let bench = Bench::new();
    let scenario = bench.scenario(&GOOD.replace("200ms", "100h"));
    std::fs::write(bench.path().join("file"), "").unwrap();
    let output = bench.run(&scenario, &["--out", "file/results"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("file/results: can't be written: Not a directory"), "{said}");
}

#[test]
fn a_full_disk_exits_with_1_and_still_prints_the_summary() {
    let bench = Bench::new();
    let scenario = bench.scenario(GOOD);
    // Writes to /dev/full fail like those to a full disk.
    std::fs::create_dir(bench.path().join("out")).unwrap();
    std::os::unix::fs::symlink("/dev/full", bench.path().join("out/summary.csv")).unwrap();
    let output = bench.run(&scenario, &["--out", "out"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("out/summary.csv: can't be written: No space left"), "{said}");
    assert_eq!(
        headline(&output),
        "nothing required: no threshold was set; the figures can be relied on"
    );
    assert!(
        std::fs::read_to_string(bench.path().join("out/groups.csv")).unwrap().lines().count() == 2
    );
}
