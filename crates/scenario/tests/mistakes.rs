//! The error for a mistake in a scenario shows its position and what was expected.

use skipbeat_core::Span;
use skipbeat_scenario::{Changes, Plan, Study};
use skipbeat_server::EvictionTiming;

const GOOD: &str = r#"
name = "t"
duration = "1s"

[[group]]
name = "g"
clients = 3
"#;

fn message(text: &str) -> String {
    Plan::parse("t.toml", text, &[]).expect_err("it has a mistake").to_string()
}

fn with(extra: &str) -> String {
    format!("{GOOD}{extra}\n")
}

fn set(setting: &str) -> Result<Plan, String> {
    Plan::parse("t.toml", GOOD, &[setting.parse().unwrap()]).map_err(|e| e.to_string())
}

#[test]
fn an_unknown_key_is_shown_with_line_and_caret() {
    let shown = message(&with("chatt = { rate = 1 }"));
    assert_eq!(
        shown,
        "t.toml:8:1: unknown field `chatt`, expected one of `name`, `clients`, `member`, `heartbeat`, \
         `chat`, `workload`, `transport`, `churn`, `acks`, `session`, `hostile`, `link`, `up`, \
         `down`\n  |\n8 | chatt = { rate = 1 }\n  | ^^^^^"
    );
}

#[test]
fn a_wrong_unit_is_named() {
    let shown = message(&with("heartbeat = { every = \"5 parsecs\" }"));
    assert!(
        shown.starts_with("t.toml:8:23: expected a unit of time (ns, us, ms, s, m, h)"),
        "{shown}"
    );
    assert!(shown.contains("^^^^^^^^^^^"), "{shown}");
}

#[test]
fn a_number_without_a_unit_is_not_a_duration() {
    let shown = message(&GOOD.replace("\"1s\"", "1"));
    assert!(
        shown.starts_with("t.toml:3:12: invalid type: integer `1`, expected a span of time"),
        "{shown}"
    );
}

#[test]
fn a_probability_outside_0_to_1_is_refused() {
    for (value, column) in [("1.5", 16), ("\"150 %\"", 16), ("-1", 16)] {
        let shown = message(&with(&format!("up = {{  loss = {value} }}")));
        let expected = format!("t.toml:8:{column}: expected a probability from 0 to 1");
        assert!(shown.starts_with(&expected), "{shown}");
    }
}

#[test]
fn a_scenario_without_a_group_is_refused() {
    let shown = message("name = \"t\"\nduration = \"1s\"\n");
    assert!(shown.contains("at least one [[group]]"), "{shown}");
}

#[test]
fn mistakes_that_depend_on_several_keys_are_shown_with_their_position() {
    for (extra, expected) in [
        ("[[group]]\nname = \"g\"\nclients = 1", "t.toml:9:8: there is a group \"g\" already"),
        (
            "[[event]]\nat = \"1s\"\ngroup = \"h\"\ncrash = 1",
            "t.toml:10:9: unknown group \"h\", expected \"g\"",
        ),
        (
            "[[event]]\nat = \"9s\"\ngroup = \"g\"\ncrash = 1",
            "t.toml:9:6: the event is not before the end",
        ),
        ("[[event]]\nat = \"1s\"\ngroup = \"g\"", "t.toml:8:1: expected exactly one of"),
        (
            "heartbeat = { every = \"1s\", jitter = { kind = \"grid\", width = \"600ms\" } }",
            "t.toml:8:13: jitter is wider",
        ),
        ("chat = { rate = 0 }", "t.toml:8:8: expected a chat rate above 0"),
        ("chat = { rate = 1, size = 10 }", "t.toml:8:8: expected a chat size from 47"),
        (
            "up = { delay = { kind = \"exponential\", min = \"2s\", mean = \"1s\" } }",
            "t.toml:8:16: `mean` is the mean of the whole",
        ),
        (
            "up = { delay = { kind = \"uniform\", min = \"2s\", mean = \"1s\" } }",
            "t.toml:8:48: `mean` does not belong to a delay of kind `uniform`: expected `kind`, `min`, \
             `max`",
        ),
        (
            "up = { delay = { kind = \"uniform\", min = \"2s\" } }",
            "t.toml:8:16: missing field `max`",
        ),
        // What stands before the kind is kept until the kind is known.
        ("up = { loss = { n = 0, kind = \"every\" } }", "t.toml:8:15: expected `n` from 1"),
        (
            "up = { loss = { p = 2, r = 0.5, kind = \"gilbert-elliott\" } }",
            "t.toml:8:15: `p`: expected a probability from 0 to 1",
        ),
        ("up = { loss = { probability = 0.1 } }", "t.toml:8:15: a model of loss needs its `kind`"),
        ("up = { loss = { kind = \"some\" } }", "t.toml:8:24: unknown variant `some`"),
        ("[server]\ncommand = [\"x\"]", "t.toml:9:11: a command needs `target`"),
        ("[server]\ntimeout = \"0s\"", "t.toml:9:11: expected a timeout above zero"),
        ("[server]\nmax_datagram = 5", "t.toml:9:16: expected 64 to 65507 bytes"),
        (
            "[server]\neviction = \"often\"",
            "t.toml:9:12: expected \"deadline\", \"lazy\" or a period",
        ),
        ("[server]\ntarget = \"nowhere\"", "t.toml:9:10: invalid socket address"),
    ] {
        let shown = message(&with(extra));
        assert!(shown.starts_with(expected), "{shown}\n  is not {expected}");
    }
}

#[test]
fn keys_that_do_not_belong_and_values_out_of_range_are_refused() {
    for (extra, expected) in [
        (
            "heartbeat = { jitter = { kind = \"bfd\", width = \"1s\" } }",
            "`width` does not belong to a jitter of kind `bfd`",
        ),
        (
            "heartbeat = { jitter = { kind = \"none\", widht = \"1s\" } }",
            "`widht` does not belong to a jitter of kind `none`",
        ),
        ("up = { duplicate = { probability = 0.1, within = \"0s\" } }", "expected `within` above"),
        (
            "up = { reorder = { kind = \"hold\", probability = 2, extra = \"1s\" } }",
            "t.toml:8:49: expected a probability",
        ),
        ("[server]\nreceive_buffer = 3000000000", "expected up to 2147483647 bytes"),
        ("[server]\ndetector = { kind = \"phi\", margin = \"1s\" }", "`margin` does not belong"),
        ("[server]\ndetector = { kind = \"phi\", threshold = 0 }", "expected a threshold above 0"),
    ] {
        let shown = message(&with(extra));
        assert!(shown.contains(expected), "{shown}\n  is not {expected}");
    }
    let shown = message(&GOOD.replace("\"1s\"", "\"5000000h\""));
    assert!(shown.contains("is too long, expected up to 5000000s"), "{shown}");
    let shown = message(&GOOD.replace("\"1s\"", "\"5124095.9h\""));
    assert!(shown.contains("expected a number and a unit"), "{shown}");
    let shown = message(&GOOD.replace("\"g\"", "\"a.b\""));
    assert!(shown.contains("--set finds groups by it"), "{shown}");
}

#[test]
fn a_setting_finds_a_group_by_name_or_index() {
    let plan = set("group.g.up.loss=0.1").unwrap();
    assert_eq!(plan.groups[0].up.options.loss.model.mean(), Some(0.1));
    assert_eq!(set("group.0.clients=7").unwrap().groups[0].behaviour.clients, 7);
    assert_eq!(set("server.timeout=12.5s").unwrap().server.options.timeout.seconds(), 12.5);
    let delay =
        set("group.g.down.delay={ kind = \"uniform\", min = \"1s\", max = \"3s\" }").unwrap();
    assert_eq!(delay.groups[0].down.options.delay.mean().seconds(), 2.0);
}

#[test]
fn the_old_name_of_eviction_works_in_the_file_in_settings_and_in_sweeps() {
    let eviction = |plan: &Plan| plan.server.options.eviction;
    let every = EvictionTiming::Every(Span::from_secs(1));
    let old = with("[server]\nsweep = \"lazy\"");
    let new = with("[server]\neviction = \"lazy\"");
    for text in [&old, &new] {
        assert_eq!(eviction(&Plan::parse("t.toml", text, &[]).unwrap()), EvictionTiming::Lazy);
        for key in ["sweep", "eviction", "sweep.every", "eviction.every"] {
            let setting = format!("server.{key}=1s").parse().unwrap();
            let plan = Plan::parse("t.toml", text, &[setting]).unwrap();
            assert_eq!(eviction(&plan), every, "{key} in {text}");
        }
        for key in ["sweep", "eviction"] {
            let swept = format!("{text}[sweep.over]\n\"server.{key}\" = [\"deadline\", \"1s\"]\n");
            let study = Study::parse("t.toml", &swept, &Changes::default()).unwrap();
            assert_eq!(study.keys, [format!("server.{key}")], "keys are called as in the file");
            assert_eq!(eviction(&study.runs[1].plan), every, "{swept}");
        }
    }
    let both = message(&with("[server]\nsweep = \"lazy\"\neviction = \"deadline\""));
    assert!(both.starts_with("t.toml:9:9: `sweep` is the old name of `eviction`"), "{both}");
}

#[test]
fn a_mistake_in_a_setting_names_the_setting() {
    for (setting, expected) in [
        ("group.g.up.loss=2", "expected a probability"),
        ("group.h.up.loss=0.1", "no group \"h\", expected g"),
        ("group.g.uq.loss=0.1", "unknown field `uq`"),
        ("group=1", "list of tables"),
        ("event.0.at=1s", "expected [[event]] tables"),
        ("seed=minus", "invalid type: string \"minus\""),
    ] {
        let shown = set(setting).unwrap_err();
        assert!(shown.starts_with("--set "), "{shown}");
        assert!(shown.contains(setting) && shown.contains(expected), "{shown}");
    }
}

#[test]
fn a_mistake_in_the_file_is_shown_in_the_file_even_with_settings() {
    let text = with("chatt = 1");
    let error = Plan::parse("t.toml", &text, &["seed=3".parse().unwrap()]).unwrap_err();
    assert!(error.to_string().starts_with("t.toml:8:1: unknown field"), "{error}");
}

#[test]
fn a_preset_gives_defaults_that_keys_override() {
    let plan = set("preset=akka").unwrap();
    let akka = plan.server.options.detector;
    assert!(
        matches!(akka, skipbeat_server::DetectorOptions::Phi(phi) if phi.pause.seconds() == 3.0)
    );
    assert_eq!(plan.groups[0].behaviour.heartbeat.every.seconds(), 1.0);
    let changed = ["preset=mqtt", "server.timeout=70s"].map(|s| s.parse().unwrap());
    let plan = Plan::parse("t.toml", GOOD, &changed).unwrap();
    assert_eq!(plan.server.options.timeout.seconds(), 70.0);
    assert_eq!(plan.groups[0].behaviour.heartbeat.every.seconds(), 60.0);
    assert_eq!(set("preset=tutorial").unwrap(), Plan::parse("t.toml", GOOD, &[]).unwrap());
    assert!(
        set("preset=foo")
            .unwrap_err()
            .contains("unknown variant `foo`, expected one of `tutorial`")
    );
}

#[test]
fn the_hash_ignores_the_seed_and_spelled_out_defaults_only() {
    let base = set("name=t").unwrap().hash();
    assert_eq!(base, set("seed=99").unwrap().hash());
    assert_eq!(base, set("group.g.up.loss=0").unwrap().hash());
    assert_ne!(base, set("group.g.up.loss=0.01").unwrap().hash());
}

#[test]
fn a_threshold_that_does_not_fit_its_metric_is_shown_where_it_stands() {
    for (condition, expected) in [
        ("delivery_ratio = \">= 250 ms\"", "a number from 0 to 1 or a percentage"),
        ("latency = \"p99 <= 5 %\"", "a time such as 250 ms"),
        ("latency = \"p99.99999 <= 5 s\"", "a percentile such as p99.9"),
        ("clients = \"<= 5 %\"", "a plain number"),
        ("clients = \"<= nan\"", "a plain number"),
        ("clients = []", "at least one condition"),
        ("delivery_rate = \">= 1\"", "delivery_ratio"),
    ] {
        let shown = message(&with(&format!("[thresholds]\n{condition}")));
        assert!(shown.contains(expected) && shown.contains('^'), "{shown}\n is not {expected}");
        assert!(shown.contains(condition), "the line is shown: {shown}");
    }
}

#[test]
fn percentiles_of_the_output_are_percentiles() {
    for (percentiles, expected) in [
        ("[\"p100\"]", "expected a percentile such as p50"),
        ("[\"99\"]", "expected a percentile such as p50"),
        ("[]", "expected at least one percentile"),
    ] {
        let shown = message(&with(&format!("[output]\npercentiles = {percentiles}")));
        assert!(shown.contains(expected) && shown.contains('^'), "{shown}\n is not {expected}");
    }
}
