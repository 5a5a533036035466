//! What detectors other than the timeout allow, where nothing is lost and nothing varies.

use crate::row::{D, H, run};
use crate::{Size, TheoryRow};

/// The quantiles of φ = 8: a normal tail, and Akka's logistic approximation.
const NORMAL: f64 = 5.612;
const LOGISTIC: f64 = 5.22599;
/// The least deviation of φ-accrual in seconds; the gaps of the run have none.
const LEAST: f64 = 0.1;

pub(crate) fn detectors(size: &Size) -> Vec<TheoryRow> {
    let cases = [
        ("missed, 3", "{ kind = \"missed\", misses = 3, every = \"5s\" }", "3h", 3.0 * H),
        (
            "φ-accrual, φ=8, normal",
            "{ kind = \"phi\", threshold = 8.0, window = 10, every = \"5s\" }",
            "h+.1z",
            H + LEAST * NORMAL,
        ),
        (
            "φ-accrual, φ=8, logistic, pause 3 s",
            "{ kind = \"phi\", threshold = 8.0, tail = \"logistic\", pause = \"3s\", window = 10 }",
            "h+3+.1z",
            H + 3.0 + LEAST * LOGISTIC,
        ),
        (
            "NFD-E (Chen), margin 1 s",
            "{ kind = \"chen\", every = \"5s\", margin = \"1s\" }",
            "h+1",
            H + 1.0,
        ),
        (
            "Bertier, least margin 1 s",
            "{ kind = \"bertier\", every = \"5s\", margin = \"1s\" }",
            "h+1",
            H + 1.0,
        ),
    ];
    let row = |(case, detector, allowed, seconds): (&str, &str, &str, f64)| {
        let results = run(&format!(
            r#"
            name = "detector"
            seed = 20
            warmup = "100s"
            duration = "{}s"
            drain = "60s"
            [server]
            detector = {detector}
            [[group]]
            name = "g"
            clients = {}
            heartbeat = {{ every = "5s" }}
            churn = {{ crash = 0.001 }}
            up = {{ delay = "50ms" }}
            "#,
            size.seconds(1000),
            size.clients(10_000),
        ));
        // What is allowed after the last heartbeat, less the time since it: h/2 in the mean.
        let case = format!("{case}: S={allowed}");
        TheoryRow::detection(case, "S+d-h/2", seconds - H / 2.0 + D, &results)
    };
    cases.map(row).into()
}
