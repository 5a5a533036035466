//! A verdict exported to the formats of other programs.

use skipbeat_compare::{
    CheckReport, ComparedMetric, Comparison, Design, Figure, Finding, ScenarioVerdict,
    ThresholdCase, export,
};
use skipbeat_core::{Better, Unit};
use skipbeat_measure::Outcome;

fn row(metric: &str, finding: Finding) -> ComparedMetric {
    ComparedMetric {
        point: String::new(),
        group: Some("phones".to_owned()),
        metric: metric.to_owned(),
        unit: Unit::Seconds,
        better: Some(Better::Lower),
        judged: true,
        base: Some(0.05),
        new: Some(0.055),
        effect: Some(0.1),
        interval: Some([0.08, 0.12]),
        p: Some(0.0001),
        finding,
    }
}

fn verdict() -> CheckReport {
    let case = |metric: &str, required: &str, actual, met| ThresholdCase {
        point: "server.timeout=2s".to_owned(),
        replication: 0,
        group: None,
        metric: metric.to_owned(),
        required: required.to_owned(),
        actual,
        met,
    };
    let figure = |metric: &str, unit: Unit, better, value, range| Figure {
        point: String::new(),
        metric: metric.to_owned(),
        unit,
        better,
        value,
        range,
    };
    let comparison = Comparison {
        design: Design::InterleavedPairs,
        base: "old <server>".to_owned(),
        new: "new".to_owned(),
        pairs: 20,
        minimum_effect: Some(0.02),
        outcome: Outcome::Regression,
        rows: vec![
            row("latency_p99_s", Finding::Worse),
            row("latency_p50_s", Finding::CannotTell),
            row("jitter_s", Finding::Same),
        ],
        notes: vec!["a note | with signs".to_owned()],
    };
    let scenario = ScenarioVerdict {
        scenario: "a|b".to_owned(),
        mode: "net".to_owned(),
        outcome: Outcome::Threshold,
        thresholds: vec![
            case("delivery_ratio", ">= 0.99", Some(0.9131), Some(false)),
            case("latency_p99_s", "<= 1 s", Some(0.25), Some(true)),
            case("eviction_latency_p99_s", "<= 9 s", None, None),
        ],
        comparison: Some(comparison),
        reasons: Vec::new(),
        notes: Vec::new(),
        figures: vec![
            figure("delivery_ratio", Unit::Ratio, Better::Higher, 0.9131, None),
            figure("latency_p99_s", Unit::Seconds, Better::Lower, 0.25, Some([0.24, 0.26])),
        ],
        results: None,
    };
    CheckReport::new("1.2.3", vec![scenario], |_| 99)
}

#[test]
fn junit_has_a_test_case_for_each_threshold_with_its_actual_value() {
    let xml = export::junit(&verdict());
    assert!(xml.contains(r#"name="delivery_ratio &gt;= 0.99 at server.timeout=2s""#), "{xml}");
    assert!(xml.contains("delivery_ratio is 0.9131 (91.31 %), required &gt;= 0.99"), "{xml}");
    assert!(xml.contains("eviction_latency_p99_s is undefined"), "{xml}");
    // One case for the run, three thresholds, two metrics, one for the comparison as a whole.
    assert!(xml.contains(r#"tests="7""#), "{xml}");
    assert!(xml.contains(r#"failures="3""#) && xml.contains(r#"errors="2""#), "{xml}");
    assert!(xml.contains("nothing is worse than old &lt;server&gt;"), "{xml}");
}

#[test]
fn bencher_has_a_benchmark_for_each_scenario_and_a_slug_for_each_metric() {
    let json = export::bencher(&verdict());
    assert_eq!(json["a|b"]["delivery-ratio"], serde_json::json!({ "value": 0.9131 }));
    let latency = serde_json::json!({ "value": 0.25, "lower_value": 0.24, "upper_value": 0.26 });
    assert_eq!(json["a|b"]["latency-p99-s"], latency);
}

#[test]
fn github_action_benchmark_has_each_figure_in_the_file_of_its_direction() {
    let higher = export::benchmark_action(&verdict(), Better::Higher);
    let name = "a|b delivery_ratio";
    let expected = serde_json::json!([{ "name": name, "unit": "ratio", "value": 0.9131 }]);
    assert_eq!(higher, expected);
    let lower = export::benchmark_action(&verdict(), Better::Lower);
    assert_eq!(lower[0]["range"], "0.24 … 0.26");
    assert_eq!(lower.as_array().map(Vec::len), Some(1));
}

#[test]
fn markdown_shows_what_needs_attention_and_escapes_names() {
    let text = export::markdown(&verdict());
    assert!(text.starts_with("## skipbeat: ❌ threshold not met\n"), "{text}");
    assert!(text.contains(r"| a\|b | net | ❌ threshold not met | 1 of 3 |"), "{text}");
    assert!(
        text.contains("| delivery_ratio &gt;= 0.99 at server.timeout=2s | 91.31 % (0.913100) |"),
        "{text}"
    );
    assert!(text.contains("| phones latency_p99_s | 50.0 ms | 55.0 ms | +10.00 %"), "{text}");
    assert!(text.contains(r"- a note \| with signs") && !text.contains("jitter_s"), "{text}");
}

#[test]
fn the_json_has_its_version_and_the_exit_code() {
    let json = serde_json::to_value(verdict()).unwrap();
    assert_eq!((&json["version"], &json["exit_code"]), (&2.into(), &99.into()));
    assert_eq!(json["outcome"], "threshold");
    assert_eq!(json["scenarios"][0]["comparison"]["rows"][1]["finding"], "cannot-tell");
    assert_eq!(json["scenarios"][0]["comparison"]["design"], "interleaved-pairs");
}
