//! Thresholds decide the exit code, and a ramp goes on until one of them breaks.

use crate::support::{Bench, stderr};

const SCENARIO: &str = r#"
    name = "t"
    mode = "sim"
    duration = "10s"
    [[group]]
    name = "g"
    clients = 20
    heartbeat = { every = "1s" }
    chat = { rate = 0.5 }
    down = { loss = 0.1 }
"#;

#[test]
fn thresholds_decide_the_exit_code() {
    let bench = Bench::new();
    let cases = [
        ("delivery_ratio = \">= 85 %\"", 0, "met"),
        ("delivery_ratio = \">= 0.99\"", 99, "not met"),
        ("eviction_latency = \"p99 <= 11s\"", 97, "cannot tell"),
    ];
    for (threshold, code, said) in cases {
        let scenario = bench.scenario(&format!("{SCENARIO}[thresholds]\n{threshold}\n"));
        let output = bench.run(&scenario, &["--quiet"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{threshold}: {text}{}", stderr(&output));
        assert!(text.contains(said), "{text}");
    }
    let scenario = bench.scenario(&format!("{SCENARIO}[thresholds]\ndelivery_rate = \">= 1\"\n"));
    let output = bench.run(&scenario, &[]);
    assert_eq!(output.status.code(), Some(104));
    let error = stderr(&output);
    assert!(error.contains("test.toml:12:17") && error.contains("delivery_ratio"), "{error}");
}

#[test]
fn a_ramp_ends_after_the_first_step_that_breaks_a_threshold() {
    let bench = Bench::new();
    let ramp = r#"
        [thresholds]
        delivery_ratio = ">= 0.75"
        [ramp]
        key = "group.g.down.loss"
        values = [0.0, 0.1, 0.2, 0.4, 0.6, 0.8]
        [sweep.over]
        "group.g.clients" = [20, 40]
    "#;
    let output =
        bench.run(&bench.scenario(&format!("{SCENARIO}{ramp}")), &["--out", "out", "--quiet"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert_eq!(bench.column("out/summary.csv", "group.g.clients"), [["20"; 4], ["40"; 4]].concat());
    assert_eq!(
        bench.column("out/summary.csv", "group.g.down.loss")[..4],
        ["0.0", "0.1", "0.2", "0.4"]
    );
    assert_eq!(
        said.matches("breaks at group.g.down.loss 0.4: delivery_ratio").count(),
        2,
        "{said}"
    );
    // If even the first step breaks a threshold, there is no capacity to report.
    let strict = ramp.replace("0.75", "2.0");
    let output = bench.run(&bench.scenario(&format!("{SCENARIO}{strict}")), &["--quiet"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(99), "{said}");
    assert!(said.contains("holds not even the first step"), "{said}");
    let without = ramp.replace("delivery_ratio = \">= 0.75\"", "");
    let output = bench.run(&bench.scenario(&format!("{SCENARIO}{without}")), &["--quiet"]);
    assert_eq!(output.status.code(), Some(104), "{}", stderr(&output));
}
