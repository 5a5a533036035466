//! Detection time of the detectors other than the timeout, on links without loss or jitter. Each of
//! them then allows a constant silence S after a heartbeat.

use crate::row::TheoryRow;
use crate::simulation::{D, H, run};
use crate::size::Size;

/// The quantile z of the normal distribution with a tail of 10^-8, that is φ = 8 (Hayashibara et
/// al., *The φ Accrual Failure Detector*, SRDS 2004).
const NORMAL: f64 = 5.612;
/// The same by Akka's logistic approximation of the tail.
const LOGISTIC: f64 = 5.22599;
/// The least standard deviation that φ-accrual assumes, in seconds. Without jitter the measured one
/// is 0, so this is what counts.
const MIN_DEVIATION: f64 = 0.1;

pub(crate) fn detectors(size: &Size) -> Vec<TheoryRow> {
    let cases = [
        ("missed, 3", "{ kind = \"missed\", misses = 3, every = \"5s\" }", "3h", 3.0 * H),
        (
            "φ-accrual, φ=8, normal",
            "{ kind = \"phi\", threshold = 8.0, window = 10, every = \"5s\" }",
            "h+.1z",
            H + MIN_DEVIATION * NORMAL,
        ),
        (
            "φ-accrual, φ=8, logistic, pause 3 s",
            "{ kind = \"phi\", threshold = 8.0, tail = \"logistic\", pause = \"3s\", window = 10 }",
            "h+3+.1z",
            H + 3.0 + MIN_DEVIATION * LOGISTIC,
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
        // A crash comes h/2 after the last heartbeat in the mean, so that much of S has passed.
        let case = format!("{case}: S={allowed}");
        TheoryRow::detection(case, "S+d-h/2", seconds - H / 2.0 + D, &results)
    };
    cases.map(row).into()
}
