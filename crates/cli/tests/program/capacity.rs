//! Thresholds decide the exit code, and a ramp goes on until one of them breaks.

use crate::support::{Bench, headline, stderr, stdout};

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
        (
            "delivery_ratio = \">= 85 %\"",
            0,
            "delivery_ratio >= 85 % 88.35 % met",
            "pass: the threshold is met",
        ),
        (
            "delivery_ratio = \">= 0.99\"",
            99,
            "delivery_ratio >= 0.99 88.35 % (0.883471) not met",
            "threshold not met: the threshold is not met",
        ),
        (
            "eviction_latency = \"p99 <= 11s\"",
            97,
            "eviction_latency_p99_s <= 11s – undefined",
            "inconclusive: a figure that a threshold requires is undefined",
        ),
    ];
    for (threshold, code, row, said) in cases {
        let scenario = bench.scenario(&format!("{SCENARIO}[thresholds]\n{threshold}\n"));
        let output = bench.run(&scenario, &["--quiet"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(code), "{threshold}: {text}{}", stderr(&output));
        let (_, thresholds) = text.split_once("\nthresholds ").expect("there is a table");
        let mut rows =
            thresholds.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(rows.next().as_deref(), Some("required actual"));
        assert_eq!(rows.next().as_deref(), Some(row));
        assert_eq!(headline(&output), said);
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
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert_eq!(headline(&output), "pass: the first step of each ramp meets its thresholds");
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
    assert_eq!(said.matches("  holds 20 clients and ").count(), 1, "{said}");
    assert_eq!(said.matches("  holds 40 clients and ").count(), 1, "{said}");
    let ramps = &bench.json("out/run.json")["sweep"]["ramps"];
    for (ramp, clients) in [20, 40].into_iter().enumerate() {
        let ramp = &ramps[ramp];
        assert_eq!(ramp["ramp"], format!("built-in server, group.g.clients {clients}"));
        let holds = ramp["lines"][0].as_str().expect("a sentence");
        assert!(holds.starts_with(&format!("holds {clients} clients and ")), "{holds}");
        assert!(holds.ends_with(" deliveries per second (group.g.down.loss 0.2)"), "{holds}");
        assert!(said.contains(holds), "{holds} is not in {said}");
    }
    // If even the first step breaks a threshold, there is no capacity to report.
    let strict = ramp.replace("0.75", "2.0");
    let output = bench.run(&bench.scenario(&format!("{SCENARIO}{strict}")), &["--quiet"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(99), "{said}");
    assert_eq!(said.matches("  the first step already breaks\n").count(), 2, "{said}");
    assert_eq!(headline(&output), "threshold not met: 2 of 2 runs do not meet their thresholds");
    let without = ramp.replace("delivery_ratio = \">= 0.75\"", "");
    let output = bench.run(&bench.scenario(&format!("{SCENARIO}{without}")), &["--quiet"]);
    assert_eq!(output.status.code(), Some(104), "{}", stderr(&output));
}
