//! The share of reordered datagrams (RFC 4737, section 4), for periodic and for Poisson arrivals.

use std::f64::consts::{E, PI};

use crate::row::TheoryRow;
use crate::simulation::{P, figure, run};
use crate::size::Size;

/// The reordered share of ten texts a second (τ = 100 ms) that one client sends to itself. Texts
/// that are close together are not independent, so the interval comes from the spread of thirty
/// runs.
fn reordered(
    size: &Size,
    case: &str,
    form: &'static str,
    expected: f64,
    chat: &str,
    down: &str,
) -> TheoryRow {
    let runs = 30;
    let ratio = |seed: u64| {
        let results = run(&format!(
            r#"
            name = "stream"
            seed = {seed}
            duration = "{}s"
            [server]
            timeout = "1000s"
            [[group]]
            name = "g"
            clients = 1
            heartbeat = {{ every = "1000s" }}
            chat = {{ rate = 10.0, {chat} }}
            [group.down]
            {down}
            "#,
            size.seconds(300)
        ));
        figure(&results.figures, "reordered_ratio")
    };
    let ratios: Vec<f64> = (100..100 + runs).map(ratio).collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // A run counts for its texts, not as one sample.
    let texts = n * size.seconds(300) as f64 * 10.0;
    TheoryRow::mean(case, form, expected, mean, variance.sqrt(), n).with_samples(texts / 30.0)
}

/// A delay that is uniform from 0 to `max`.
fn uniform(max: &str) -> String {
    format!("delay = {{ kind = \"uniform\", min = \"0s\", max = \"{max}\" }}")
}

const EXPONENTIAL: &str = "delay = { kind = \"exponential\", mean = \"100ms\" }";

pub(crate) fn periodic(size: &Size) -> Vec<TheoryRow> {
    let row = |case, form, expected, down: &str| {
        reordered(size, case, form, expected, "arrivals = \"periodic\"", down)
    };
    let r = (-1.0f64).exp();
    let series = (1..40).map(f64::from).map(|k| r.powf(k * (k + 1.0) / 2.0) / (k * (k + 1.0)));
    let triangle = |w: f64| (w - 1.0).powi(2) / (2.0 * w * w);
    let (q, m) = (0.2f64, 2);
    let lossy = format!("loss = 0.1\n{}", uniform("200ms"));
    let hold = "reorder = { kind = \"hold\", probability = 0.2, extra = \"250ms\" }";
    vec![
        row(
            "periodic, exponential μ=τ, r=e^{-τ/μ}",
            "Σ r^{k(k+1)/2}/(k(k+1))",
            series.sum(),
            EXPONENTIAL,
        ),
        row("periodic, U(0,w), w=2τ", "(w-τ)²/(2w²)", triangle(2.0), &uniform("200ms")),
        row("periodic, U(0,w), w=1.5τ", "(w-τ)²/(2w²)", triangle(1.5), &uniform("150ms")),
        row("the same, w=2τ, loss p", "(1-p)/8", (1.0 - P) / 8.0, &lossy),
        row("periodic, hold q=.2 for 2.5τ, m=2", "q(1-q^m)", q * (1.0 - q.powi(m)), hold),
    ]
}

pub(crate) fn poisson(size: &Size) -> Vec<TheoryRow> {
    let row = |case, form, expected, down: &str| reordered(size, case, form, expected, "", down);
    let b = 1.0f64;
    let free = (PI / (2.0 * b)).sqrt() * libm::erf((b / 2.0).sqrt());
    vec![
        row("Poisson, exponential, rate·μ=1", "3-e", 3.0 - E, EXPONENTIAL),
        row("Poisson, U(0,w), b=rate·w=1", "1-√(π/2b)·erf(√(b/2))", 1.0 - free, &uniform("100ms")),
    ]
}
