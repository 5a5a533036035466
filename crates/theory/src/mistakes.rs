//! How often a live client is thrown out by mistake, and for how long.

use skipbeat_measure::Results;

use crate::row::{H, P, T, figure, run};
use crate::{Size, TheoryRow};

/// Live clients, 10 % of whose datagrams are lost.
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
    let of = |name| figure(&results.figures, name);
    let n = of("false_evictions");
    let rate = (1.0 - P) * P * P / H;
    // The duration is h times a geometric number.
    let (duration, sd) = (H / (1.0 - P), H * P.sqrt() / (1.0 - P));
    let absent = 4.0 * (n * (duration * duration + sd * sd)).sqrt();
    let longer = living(size, "12500ms", EXACT, NO_JITTER);
    vec![
        TheoryRow::rate("no jitter, T=2h", "(1-p)p^k/h", rate, &results),
        TheoryRow::mean(
            "its mean duration T_M",
            "h/(1-p)",
            duration,
            of("mistake_duration_mean_s"),
            sd,
            n,
        ),
        TheoryRow::new(
            "its query accuracy P_A",
            "1-p²",
            1.0 - P * P,
            of("query_accuracy"),
            absent / of("live_time_s"),
        )
        .of(n),
        TheoryRow::rate("no jitter, T=2.5h", "(1-p)p²/h", rate, &longer),
    ]
}

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
    // A sweep that divides the period keeps its phase for the whole run, so the mean over phases
    // takes many runs; clients of one run see all phases.
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
        let of = |name| figure(&results.groups[1], name);
        let (n, time) = (of("false_evictions"), of("live_time_s"));
        let a = (-rate * H).exp();
        let expected = (1.0 - P) * P * P / H * (1.0 - a) / (1.0 - P * a);
        // One text evicts several at once, so mistakes are not independent: those of one text are
        // at most what one text in a mean gap finds.
        let at_once = 1.0 + expected * f64::from(clients) / rate;
        let interval = 4.0 * (n * at_once).sqrt() / time;
        let form = "(1-p)p²/h·(1-a)/(1-pa), a=e^{-λh}";
        TheoryRow::new(format!("lazy sweep, λ={rate}"), form, expected, n / time, interval).of(n)
    };
    [1.0, 0.1].map(row).into()
}

pub(crate) fn sticky(size: &Size) -> Vec<TheoryRow> {
    let clients = size.clients(10_000);
    // As long as it takes until hardly anybody was never evicted.
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
    let of = |name| figure(&results.figures, name);
    let n = of("false_evictions");
    let member_time = of("query_accuracy") * of("live_time_s");
    let expected = H * (1.0 - P * P) / ((1.0 - P) * P * P);
    let form = "h(1-p²)/((1-p)p²)";
    // Nearly exponential, so its deviation is its mean.
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

// T stands in the closed forms as kh.
const _: () = assert!(T == 2.0 * H);
