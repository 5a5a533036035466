//! Mistakes: how often a live client is evicted because its heartbeats were lost, and for how long.

use skipbeat_measure::Results;

use crate::row::TheoryRow;
use crate::simulation::{H, P, T, figure, run};
use crate::size::Size;

/// Clients that never crash and lose 10 % of their datagrams. The arguments are values of TOML.
fn living(size: &Size, timeout: &str, sweep: &str, jitter: &str) -> Results {
    run(&format!(
        r#"
        name = "mistakes"
        seed = 13
        warmup = "30s"
        duration = "{}s"
        [server]
        timeout = "{timeout}"
        eviction = {sweep}
        [[group]]
        name = "g"
        clients = {}
        heartbeat = {{ every = "5s", jitter = {jitter} }}
        up = {{ loss = 0.1, delay = "50ms" }}
        "#,
        size.seconds(5000),
        size.clients(1000),
    ))
}

const EXACT: &str = "\"deadline\"";
const NO_JITTER: &str = "\"none\"";

pub(crate) fn no_jitter(size: &Size) -> Vec<TheoryRow> {
    let results = living(size, "10s", EXACT, NO_JITTER);
    let metric = |name| figure(&results.figures, name);
    let n = metric("false_evictions");
    let rate = (1.0 - P) * P * P / H;
    // A mistake lasts until a heartbeat arrives: h times a geometrically distributed number.
    let (duration, sd) = (H / (1.0 - P), H * P.sqrt() / (1.0 - P));
    let absent = 4.0 * (n * (duration * duration + sd * sd)).sqrt();
    let longer = living(size, "12500ms", EXACT, NO_JITTER);
    vec![
        TheoryRow::rate("no jitter, T=2h", "(1-p)p^k/h", rate, &results),
        TheoryRow::mean(
            "its mean duration T_M",
            "h/(1-p)",
            duration,
            metric("mistake_duration_mean_s"),
            sd,
            n,
        ),
        TheoryRow::new(
            "its query accuracy P_A",
            "1-p²",
            1.0 - P * P,
            metric("query_accuracy"),
            absent / metric("live_time_s"),
        )
        .with_samples(n),
        TheoryRow::rate("no jitter, T=2.5h", "(1-p)p²/h", rate, &longer),
    ]
}

/// With T = kh exactly, any jitter decides whether the heartbeat at T comes before the eviction or
/// after. So the rate depends on whether there is jitter, but hardly on its width.
pub(crate) fn knife_edge(size: &Size) -> Vec<TheoryRow> {
    let edge = P * (1.0 - P * P) / (2.0 * H);
    let cases = [
        ("renewal ±1 ms", "{ kind = \"renewal\", width = \"1ms\" }"),
        ("renewal ±500 ms", "{ kind = \"renewal\", width = \"500ms\" }"),
        ("grid ±500 ms", "{ kind = \"grid\", width = \"500ms\" }"),
        ("RFC 7675", "\"rfc7675\""),
    ];
    let row = |(case, jitter): (&str, &str)| {
        let results = living(size, "10s", EXACT, jitter);
        TheoryRow::rate(format!("T=2h, {case}"), "p(1-p²)/(2h)", edge, &results)
    };
    let mut rows = cases.map(row).to_vec();
    let expected = (1.0 - P) * P * P / (0.875 * H);
    let bfd = living(size, "10s", EXACT, "\"bfd\"");
    rows.push(TheoryRow::rate("T=2h, BFD U(.75h,h)", "(1-p)p²/(.875h)", expected, &bfd));
    rows
}

pub(crate) fn jitter_and_sweep(size: &Size) -> Vec<TheoryRow> {
    let (j, s) = (0.5, 1.0);
    let expected = ((1.0 - P).powi(2) * P * (j / 3.0) / s + (1.0 - P) * P * P) / H;
    // The formula is a mean over the phase between heartbeats and sweeps. The period is a multiple
    // of s, so a client keeps its phase for the whole run; the clients of one run together see all
    // phases.
    let row = |kind: &str| {
        let jitter = format!("{{ kind = \"{kind}\", width = \"500ms\" }}");
        let results = living(size, "10s", "{ every = \"1s\" }", &jitter);
        let form = "[(1-p)²p(j/3)/s+(1-p)p²]/h";
        TheoryRow::rate(format!("{kind} ±.5 s, sweep every s=1"), form, expected, &results)
    };
    ["grid", "renewal"].map(row).into()
}

pub(crate) fn lazy_sweep(size: &Size) -> Vec<TheoryRow> {
    let row = |rate: f64| {
        let clients = size.clients(1000);
        let results = run(&format!(
            r#"
            name = "lazy-mistakes"
            seed = 14
            warmup = "30s"
            duration = "{}s"
            [server]
            eviction = "lazy"
            [[group]]
            name = "talker"
            clients = 1
            chat = {{ rate = {rate} }}
            [[group]]
            name = "g"
            clients = {clients}
            up = {{ loss = 0.1, delay = "50ms" }}
            "#,
            size.seconds(20_000)
        ));
        let metric = |name| figure(&results.groups[1], name);
        let (n, time) = (metric("false_evictions"), metric("live_time_s"));
        let a = (-rate * H).exp();
        let expected = (1.0 - P) * P * P / H * (1.0 - a) / (1.0 - P * a);
        // One text can evict several clients at once, so mistakes are not independent. The variance
        // grows at most by 1 plus the mean number of mistakes between two texts.
        let at_once = 1.0 + expected * f64::from(clients) / rate;
        let interval = 4.0 * (n * at_once).sqrt() / time;
        let form = "(1-p)p²/h·(1-a)/(1-pa), a=e^{-λh}";
        TheoryRow::new(format!("lazy sweep, λ={rate}"), form, expected, n / time, interval)
            .with_samples(n)
    };
    [1.0, 0.1].map(row).into()
}

/// Under sticky rejoin an evicted client stays out, so each makes one mistake.
pub(crate) fn sticky(size: &Size) -> Vec<TheoryRow> {
    let clients = size.clients(10_000);
    // Long enough that nearly every client is evicted, whatever the size asked for.
    let results = run(&format!(
        r#"
        name = "sticky"
        seed = 15
        duration = "{}s"
        [server]
        rejoin = "sticky"
        [[group]]
        name = "g"
        clients = {clients}
        up = {{ loss = 0.1, delay = "50ms" }}
        "#,
        size.seconds(12_000).max(12_000)
    ));
    let metric = |name| figure(&results.figures, name);
    let n = metric("false_evictions");
    let member_time = metric("query_accuracy") * metric("live_time_s");
    let expected = H * (1.0 - P * P) / ((1.0 - P) * P * P);
    let form = "h(1-p²)/((1-p)p²)";
    // The time is nearly exponential, so its deviation is its mean.
    vec![
        TheoryRow::mean(
            "sticky: join → first mistake",
            form,
            expected,
            member_time / n,
            expected,
            n,
        ),
        TheoryRow::new("mistakes of each client", "1", 1.0, n / f64::from(clients), 0.0),
    ]
}

// The closed forms of the timeout take T = kh with k = 2.
const _: () = assert!(T == 2.0 * H);
