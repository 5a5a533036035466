//! Detection time T_D: how long a crashed client stays a member, with the exact timeout and its
//! sweeps.

use skipbeat_measure::{EvictionCause, Results};

use crate::row::TheoryRow;
use crate::simulation::{D, H, P, T, figure, run};
use crate::size::Size;

/// Clients that crash once in 500 s each, and come back a minute later.
fn crashing(size: &Size, server: &str, heartbeat: &str, up: &str) -> Results {
    run(&format!(
        r#"
        name = "detection"
        seed = 11
        warmup = "20s"
        duration = "{}s"
        drain = "60s"
        [server]
        timeout = "10s"
        {server}
        [[group]]
        name = "g"
        clients = {}
        heartbeat = {{ every = "5s", {heartbeat} }}
        churn = {{ crash = 0.002, rejoin_after = "60s" }}
        [group.up]
        {up}
        "#,
        size.seconds(2000),
        size.clients(2500),
    ))
}

/// A lazy sweep with few crashes and many texts, so that one text seldom evicts two clients: then
/// detection times are independent.
fn crashing_under_lazy_sweep(seed: u64, texts_per_s: f64, seconds: u64) -> Results {
    run(&format!(
        r#"
        name = "lazy"
        seed = {seed}
        warmup = "20s"
        duration = "{seconds}s"
        drain = "200s"
        [server]
        timeout = "10s"
        eviction = "lazy"
        [[group]]
        name = "talker"
        clients = 1
        chat = {{ rate = {texts_per_s} }}
        [[group]]
        name = "g"
        clients = 50
        heartbeat = {{ every = "5s" }}
        churn = {{ crash = {}, rejoin_after = "300s" }}
        up = {{ delay = "50ms" }}
        "#,
        texts_per_s / 400.0
    ))
}

/// The detection times of all crashes, in seconds.
fn times(results: &Results) -> impl Iterator<Item = f64> + use<> {
    let evictions = results.tally.evictions().into_iter();
    let crashes = evictions.filter(|eviction| eviction.cause == EvictionCause::Crash);
    crashes.filter_map(|eviction| Some(eviction.at.since(eviction.died?).seconds()))
}

/// The share of detection times above `x`.
fn tail(case: &str, form: &'static str, expected: f64, times: &[f64], x: f64) -> TheoryRow {
    let (above, n) = (times.iter().filter(|time| **time > x).count(), times.len());
    TheoryRow::share(case, form, expected, above as f64 / n as f64, n as f64)
}

pub(crate) fn exact_deadline(size: &Size) -> Vec<TheoryRow> {
    let results = crashing(size, "", "", "delay = \"50ms\"");
    let metric = |name| figure(&results.figures, name);
    let (n, sd, mean) = (metric("eviction_latency_samples"), H / 12f64.sqrt(), T + D - H / 2.0);
    // An extreme of n uniform numbers misses its limit by h/n in the mean, and nearly
    // exponentially: once in 16,000 times it misses by ln(16,000) times as much.
    let extreme = H / n * 16_000f64.ln();
    // Little's law: the number of dead clients that are still members is the crash rate times the
    // mean detection time.
    let seconds = size.seconds(2000) as f64;
    let rate = metric("crashes") / seconds;
    let squares = mean * mean + sd * sd;
    vec![
        TheoryRow::detection("exact deadline, mean", "T+d-h/2", mean, &results),
        // A uniform distribution has kurtosis 1.8, so the sample deviation has the standard error
        // sd·√((1.8-1)/(4n)).
        TheoryRow::new(
            "its standard deviation",
            "h/√12",
            sd,
            metric("eviction_latency_sd_s"),
            4.0 * sd * (0.2 / n).sqrt(),
        )
        .with_samples(n),
        TheoryRow::new(
            "its minimum",
            "T+d-h",
            T + D - H,
            metric("eviction_latency_min_s"),
            extreme,
        )
        .within(T + D - H, T + D)
        .with_samples(n),
        TheoryRow::new("its maximum", "T+d", T + D, metric("eviction_latency_max_s"), extreme)
            .within(T + D - H, T + D)
            .with_samples(n),
        TheoryRow::new(
            "stale entries, crash rate γ",
            "γ·E[T_D]",
            rate * mean,
            metric("stale_members_mean"),
            4.0 * (rate * squares / seconds).sqrt(),
        )
        .with_samples(n),
    ]
}

pub(crate) fn periodic_sweep(size: &Size) -> Vec<TheoryRow> {
    let s = 1.0;
    let results = crashing(size, "eviction = { every = \"1s\" }", "", "delay = \"50ms\"");
    let p99 = T + D + s - (0.02 * H * s).sqrt();
    vec![
        TheoryRow::detection(
            "sweep every s=1, mean",
            "T+d-h/2+s/2",
            T + D - H / 2.0 + s / 2.0,
            &results,
        ),
        tail(
            "share above its p99",
            "T+d+s-√(.02hs)",
            0.01,
            &times(&results).collect::<Vec<_>>(),
            p99,
        ),
    ]
}

pub(crate) fn lazy_sweep(size: &Size) -> Vec<TheoryRow> {
    let mut rows = Vec::new();
    for (rate, seconds) in [(1.0, 120_000), (0.1, 700_000)] {
        let runs = 12..12 + size.runs(1);
        let run = |seed| crashing_under_lazy_sweep(seed, rate, size.seconds_each(seconds));
        let times: Vec<f64> = runs.flat_map(|seed| times(&run(seed)).collect::<Vec<_>>()).collect();
        let n = times.len() as f64;
        let simulated = times.iter().sum::<f64>() / n;
        let squares: f64 = times.iter().map(|time| (time - simulated).powi(2)).sum();
        let sd = (squares / (n - 1.0)).sqrt();
        let mean = T + D - H / 2.0 + 1.0 / rate;
        let least = T + D - H;
        let growth = (rate * H).exp_m1();
        let p99 = least + (growth / (0.01 * rate * H)).ln() / rate;
        let above = |x: f64| growth / (rate * H) * (-rate * (x - least)).exp();
        rows.extend([
            TheoryRow::mean(format!("lazy, λ={rate}, mean"), "T+d-h/2+1/λ", mean, simulated, sd, n),
            tail("share above its p99", "(T+d-h)+ln[(e^{λh}-1)/(.01λh)]/λ", 0.01, &times, p99),
        ]);
        // At λ=1 the probability is about 0.001: too few samples.
        if rate < 1.0 {
            let form = "(e^{λh}-1)/(λh)·e^{-λ(x-(T+d-h))}";
            rows.push(tail("P(T_D > 15)", form, above(15.0), &times, 15.0));
        }
    }
    rows
}

pub(crate) fn jitter(size: &Size) -> Vec<TheoryRow> {
    let j = 1.0;
    // The mean age of the last heartbeat at a random moment is E[G²]/(2E[G]), here for gaps G that
    // are uniform in [a, b].
    let age = |a: f64, b: f64| (a * a + a * b + b * b) / (3.0 * (a + b));
    let cases = [
        (
            "renewal jitter U(h±1)",
            "{ kind = \"renewal\", width = \"1s\" }",
            "T+d-h/2-j²/(6h)",
            T + D - H / 2.0 - j * j / (6.0 * H),
        ),
        (
            "grid jitter hk+U(±1)",
            "{ kind = \"grid\", width = \"1s\" }",
            "T+d-h/2-j²/(3h)",
            T + D - H / 2.0 - j * j / (3.0 * H),
        ),
        ("BFD U(.75h,h)", "\"bfd\"", "T+d-.440476h", T + D - age(0.75 * H, H)),
        ("RFC 7675 U(.8h,1.2h)", "\"rfc7675\"", "T+d-.506667h", T + D - age(0.8 * H, 1.2 * H)),
        ("RFC 5626 U(.8h,h)", "\"rfc5626\"", "T+d-.451852h", T + D - age(0.8 * H, H)),
    ];
    let row = |(case, jitter, form, expected): (&str, &str, &'static str, f64)| {
        let results = crashing(size, "", &format!("jitter = {jitter}"), "delay = \"50ms\"");
        TheoryRow::detection(case, form, expected, &results)
    };
    cases.map(row).into()
}

pub(crate) fn loss(size: &Size) -> Vec<TheoryRow> {
    let results = crashing(size, "", "", "loss = 0.1");
    let expected = T - H / 2.0 - H * P / (1.0 + P);
    vec![TheoryRow::detection("loss p, d=0, of members", "T-h/2-hp/(1+p)", expected, &results)]
}

/// The time until the last of many clients is evicted that crash at one moment.
pub(crate) fn last_of_many(size: &Size) -> Vec<TheoryRow> {
    let clients = size.clients(1000);
    let n = f64::from(clients);
    let runs = size.runs(25);
    let last = |seed: u64| {
        let results = run(&format!(
            r#"
            name = "together"
            seed = {seed}
            duration = "20s"
            drain = "20s"
            [[group]]
            name = "g"
            clients = {clients}
            heartbeat = {{ every = "5s" }}
            up = {{ delay = "50ms" }}
            [[event]]
            at = "15s"
            group = "g"
            crash = 1.0
            "#
        ));
        figure(&results.figures, "eviction_latency_max_s")
    };
    let mean = (1..=runs).map(last).sum::<f64>() / runs as f64;
    let expected = T + D - H / (n + 1.0);
    // The greatest of N uniform numbers in [0, h] has a standard deviation of nearly h/N.
    let case = format!("last of {clients} that crash together");
    let samples = n * runs as f64;
    vec![
        TheoryRow::mean(case, "T+d-h/(N+1)", expected, mean, H / n, runs as f64)
            .with_samples(samples),
    ]
}
