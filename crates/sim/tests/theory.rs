//! The simulator against closed forms, row by row. h = heartbeat period 5 s, T = timeout 10 s,
//! d = one-way delay 50 ms, p = loss towards the server, unless a row says otherwise.
//!
//! Intervals follow from the counts: four standard errors. Seeds are fixed, so nothing flakes.
//! Closed forms: Chen, Toueg, Aguilera 2002 for the terms; derivations in docs/theory.md.

mod common;

use common::{close, run};
use skipbeat_measure::{EvictionCause, Results};

const H: f64 = 5.0;
const T: f64 = 10.0;
const D: f64 = 0.05;

fn figure(results: &Results, name: &str) -> f64 {
    common::figure(&results.figures, name)
}

// ------------------------------------------------------------------ detection time

/// 2,500 clients of which each crashes once in 500 s and comes back a minute later.
fn crashing(server: &str, heartbeat: &str, up: &str) -> Results {
    run(&format!(
        r#"
        name = "detection"
        seed = 11
        warmup = "20s"
        duration = "2000s"
        drain = "60s"
        [server]
        timeout = "10s"
        {server}
        [[group]]
        name = "g"
        clients = 2500
        heartbeat = {{ every = "5s", {heartbeat} }}
        churn = {{ crash = 0.002, rejoin_after = "60s" }}
        [group.up]
        {up}
        "#
    ))
}

/// Few crashes and many texts, so that one text seldom evicts two clients.
fn crashing_under_lazy_sweep(texts_per_s: f64, duration: u32) -> Results {
    run(&format!(
        r#"
        name = "lazy"
        seed = 12
        warmup = "20s"
        duration = "{duration}s"
        drain = "200s"
        [server]
        timeout = "10s"
        sweep = "lazy"
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

fn detection_mean(what: &str, results: &Results, expected: f64) {
    let n = figure(results, "eviction_latency_samples");
    assert!(n > 5_000.0, "{what}: only {n} samples");
    let interval = 4.0 * figure(results, "eviction_latency_sd_s") / n.sqrt();
    close(what, figure(results, "eviction_latency_mean_s"), expected, interval);
}

/// The share of detection times above `x`.
fn tail(what: &str, results: &Results, x: f64, expected: f64) {
    let crashes = results.evictions.iter().filter(|e| e.cause == EvictionCause::Crash);
    let times: Vec<f64> = crashes.map(|e| e.at.since(e.died.unwrap()).seconds()).collect();
    let n = times.len() as f64;
    let share = times.iter().filter(|t| **t > x).count() as f64 / n;
    close(what, share, expected, 4.0 * (expected * (1.0 - expected) / n).sqrt());
}

#[test]
fn detection_by_exact_deadline() {
    let results = crashing("", "", "delay = \"50ms\"");
    detection_mean("exact deadline, mean", &results, 7.55);
    let sd = H / 12f64.sqrt();
    let n = figure(&results, "eviction_latency_samples");
    // A uniform distribution has kurtosis 1.8: its sample deviation has error sd·√(0.8/4n).
    close(
        "exact deadline, sd",
        figure(&results, "eviction_latency_sd_s"),
        sd,
        4.0 * sd * (0.2 / n).sqrt(),
    );
    let (min, max) =
        (figure(&results, "eviction_latency_min_s"), figure(&results, "eviction_latency_max_s"));
    assert!(min >= T + D - H && max <= T + D + 1e-8, "{min} .. {max}");
    // Little's law: what is dead and still a member, against crash rate times detection time.
    let stale = figure(&results, "stale_members_mean");
    let rate = figure(&results, "crashes") / 2000.0;
    let mean_square = 7.55f64.powi(2) + sd * sd;
    close("stale entries (Little)", stale, rate * 7.55, 4.0 * (rate * mean_square / 2000.0).sqrt());
}

#[test]
fn detection_by_periodic_sweep() {
    let results = crashing("sweep = { every = \"1s\" }", "", "delay = \"50ms\"");
    detection_mean("sweep every 1 s, mean", &results, 8.05);
    tail("sweep every 1 s, p99", &results, 10.7338, 0.01);
}

#[test]
fn detection_by_lazy_sweep() {
    let results = crashing_under_lazy_sweep(1.0, 120_000);
    detection_mean("lazy, λ=1, mean", &results, 8.55);
    tail("lazy, λ=1, p99", &results, 13.039, 0.01);
    let results = crashing_under_lazy_sweep(0.1, 700_000);
    detection_mean("lazy, λ=0.1, mean", &results, 17.55);
    tail("lazy, λ=0.1, p99", &results, 53.706, 0.01);
    tail("lazy, λ=0.1, P(T_D > 15)", &results, 15.0, 0.4797);
}

#[test]
fn detection_under_jitter() {
    for (jitter, expected) in [
        ("{ kind = \"renewal\", width = \"1s\" }", 7.51667),
        ("{ kind = \"grid\", width = \"1s\" }", 7.48333),
        ("\"bfd\"", 7.84762),
        ("\"rfc7675\"", T + D - 0.506667 * H),
        ("\"rfc5626\"", 7.79074),
    ] {
        let results = crashing("", &format!("jitter = {jitter}"), "delay = \"50ms\"");
        detection_mean(&format!("jitter {jitter}"), &results, expected);
    }
}

#[test]
fn detection_under_loss_of_those_that_are_members() {
    let results = crashing("", "", "loss = 0.1");
    detection_mean("loss 10 %, d=0, T=2h", &results, T - H / 2.0 - H * 0.1 / 1.1);
}

#[test]
fn detection_of_the_last_of_a_thousand_that_crash_together() {
    let runs = 25;
    let last = |seed: u64| {
        let results = run(&format!(
            r#"
            name = "together"
            seed = {seed}
            duration = "20s"
            drain = "20s"
            [[group]]
            name = "g"
            clients = 1000
            heartbeat = {{ every = "5s" }}
            up = {{ delay = "50ms" }}
            [[event]]
            at = "15s"
            group = "g"
            crash = 1.0
            "#
        ));
        assert_eq!(figure(&results, "eviction_latency_samples"), 1000.0);
        figure(&results, "eviction_latency_max_s")
    };
    let mean = (1..=runs).map(last).sum::<f64>() / runs as f64;
    // The largest of N uniform numbers has deviation h/N nearly.
    close("last of 1000", mean, 10.045, 4.0 * H / 1000.0 / (runs as f64).sqrt());
}

// ------------------------------------------------------------------ mistakes

/// 1,000 live clients for 5,000 s, 10 % of whose datagrams are lost.
fn living(timeout: &str, sweep: &str, jitter: &str) -> Results {
    run(&format!(
        r#"
        name = "mistakes"
        seed = 13
        warmup = "30s"
        duration = "5000s"
        [server]
        timeout = "{timeout}"
        sweep = {sweep}
        [[group]]
        name = "g"
        clients = 1000
        heartbeat = {{ every = "5s", jitter = {jitter} }}
        up = {{ loss = 0.1, delay = "50ms" }}
        "#
    ))
}

const EXACT: &str = "\"deadline\"";
const NO_JITTER: &str = "\"none\"";

fn mistake_rate(what: &str, results: &Results, expected: f64) {
    let (n, time) = (figure(results, "false_evictions"), figure(results, "live_time_s"));
    assert!(n > 1_000.0, "{what}: only {n} mistakes");
    close(what, n / time, expected, 4.0 * n.sqrt() / time);
}

#[test]
fn mistakes_without_jitter() {
    let results = living("10s", EXACT, NO_JITTER);
    mistake_rate("no jitter, T=2h", &results, 0.0018);
    let n = figure(&results, "false_evictions");
    // The duration is h times a geometric number.
    let sd = H * 0.1f64.sqrt() / 0.9;
    let duration = figure(&results, "mistake_duration_mean_s");
    close("its mistake duration", duration, 5.5556, 4.0 * sd / n.sqrt());
    let interval = 4.0 * (n * (5.5556f64.powi(2) + sd * sd)).sqrt();
    let accuracy = figure(&results, "query_accuracy");
    close("its query accuracy", accuracy, 0.99, interval / figure(&results, "live_time_s"));
    mistake_rate("no jitter, T=2.5h", &living("12.5s", EXACT, NO_JITTER), 0.0018);
}

#[test]
fn mistakes_on_the_knife_edge() {
    for jitter in [
        "{ kind = \"renewal\", width = \"1ms\" }",
        "{ kind = \"renewal\", width = \"500ms\" }",
        "{ kind = \"grid\", width = \"500ms\" }",
        "\"rfc7675\"",
    ] {
        let what = format!("T=2h, jitter {jitter}");
        mistake_rate(&what, &living("10s", EXACT, jitter), 0.0099);
    }
    mistake_rate("T=2h, BFD jitter", &living("10s", EXACT, "\"bfd\""), 0.002057);
}

#[test]
fn mistakes_of_the_other_sweeps() {
    for kind in ["grid", "renewal"] {
        // A sweep that divides the period keeps its phase for the whole run, so the mean over
        // phases takes many runs; clients of one run with renewal jitter see all phases.
        let jitter = format!("{{ kind = \"{kind}\", width = \"500ms\" }}");
        let results = living("10s", "{ every = \"1s\" }", &jitter);
        mistake_rate(&format!("{kind} ±0.5 s, sweep 1 s"), &results, 0.0045);
    }
    for (rate, expected) in [(1.0, 0.001789), (0.1, 0.000754)] {
        let results = run(&format!(
            r#"
            name = "lazy-mistakes"
            seed = 14
            warmup = "30s"
            duration = "20000s"
            [server]
            sweep = "lazy"
            [[group]]
            name = "talker"
            clients = 1
            chat = {{ rate = {rate} }}
            [[group]]
            name = "g"
            clients = 1000
            up = {{ loss = 0.1, delay = "50ms" }}
            "#
        ));
        let group = &results.groups[1];
        let (n, time) = (group.get("false_evictions").unwrap(), group.get("live_time_s").unwrap());
        // One text evicts several at once, so mistakes are not independent: those of one text
        // are at most what one text in a mean gap finds.
        let at_once = 1.0 + expected * 1000.0 / rate;
        let interval = 4.0 * (n * at_once).sqrt() / time;
        close(&format!("lazy sweep, λ={rate}"), n / time, expected, interval);
    }
}

#[test]
fn mistakes_under_sticky_rejoin() {
    let results = run(r#"
        name = "sticky"
        seed = 15
        duration = "12000s"
        [server]
        rejoin = "sticky"
        [[group]]
        name = "g"
        clients = 10000
        up = { loss = 0.1, delay = "50ms" }
        "#);
    let n = figure(&results, "false_evictions");
    assert_eq!(n, 10_000.0, "everybody is evicted once and stays out");
    let member_time = figure(&results, "query_accuracy") * figure(&results, "live_time_s");
    // Nearly exponential, so its deviation is its mean.
    close("sticky: join → first mistake", member_time / n, 550.0, 4.0 * 550.0 / n.sqrt());
}

// ------------------------------------------------------------------ the other mechanisms

/// 2,000 live clients, 10 % loss in each direction, no delay: a ping and its ack both survive with
/// probability (1-p)(1-q).
fn beaten_to(mechanism: &str, duration: u32) -> Results {
    run(&format!(
        r#"
        name = "mechanism"
        seed = 18
        warmup = "30s"
        duration = "{duration}s"
        [server]
        heartbeat = "{mechanism}"
        heartbeat_every = "5s"
        timeout = "10s"
        [[group]]
        name = "g"
        clients = 2000
        heartbeat = {{ every = "5s" }}
        up = {{ loss = 0.1 }}
        down = {{ loss = 0.1 }}
        "#
    ))
}

#[test]
fn mistakes_when_both_sides_beat() {
    mistake_rate("both, one last-seen", &beaten_to("both", 6000), 1.2346e-4);
}

#[test]
fn membership_lasts_when_only_the_server_beats() {
    let results = beaten_to("server", 2000);
    let n = figure(&results, "false_evictions");
    let member_time = figure(&results, "query_accuracy") * figure(&results, "live_time_s");
    // From an ack to the eviction, as from a join under sticky rejoin with p = P2; the first ping
    // after a join comes after a random part φ of the period, 1/2 in the mean.
    let p2: f64 = 1.0 - 0.9 * 0.9;
    let from_ack = H * (1.0 - p2 * p2) / ((1.0 - p2) * p2 * p2);
    let expected = p2 * p2 * 2.0 * H
        + (1.0 - p2) * (H / 2.0 + from_ack)
        + p2 * (1.0 - p2) * (H * 1.5 + from_ack);
    close("server: join → mistake", member_time / n, expected, 4.0 * expected / n.sqrt());
}

#[test]
fn clients_detect_a_dead_server() {
    let results = run(r#"
        name = "dead-server"
        seed = 19
        duration = "60s"
        [server]
        heartbeat = "both"
        heartbeat_every = "5s"
        timeout = "10s"
        crash_at = "31.4s"
        [[group]]
        name = "g"
        clients = 5000
        heartbeat = { every = "5s" }
        down = { delay = "50ms" }
        "#);
    let interval = 4.0 * H / (12.0 * 5000.0f64).sqrt();
    close("dead server, mean", figure(&results, "server_detection_mean_s"), 7.55, interval);
    assert!(figure(&results, "server_detection_max_s") <= 10.05 + 1e-8);
    assert_eq!(figure(&results, "server_mistakes"), 0.0);
}

// ------------------------------------------------------------------ the other detectors

/// No loss; crashes among 10,000 clients after their detectors have settled.
fn detected_by(detector: &str) -> Results {
    run(&format!(
        r#"
        name = "detector"
        seed = 20
        warmup = "100s"
        duration = "1000s"
        drain = "60s"
        [server]
        detector = {detector}
        [[group]]
        name = "g"
        clients = 10000
        heartbeat = {{ every = "5s" }}
        churn = {{ crash = 0.001 }}
        up = {{ delay = "50ms" }}
        "#
    ))
}

#[test]
fn detection_by_the_other_detectors() {
    for (detector, allowed) in [
        ("{ kind = \"missed\", misses = 3, every = \"5s\" }", 15.0),
        ("{ kind = \"phi\", threshold = 8.0, window = 10, every = \"5s\" }", 5.0 + 0.1 * 5.612),
        (
            "{ kind = \"phi\", threshold = 8.0, tail = \"logistic\", pause = \"3s\", window = 10 }",
            5.0 + 3.0 + 0.1 * 5.22599,
        ),
        ("{ kind = \"chen\", every = \"5s\", margin = \"1s\" }", 6.0),
        ("{ kind = \"bertier\", every = \"5s\", margin = \"1s\" }", 6.0),
    ] {
        // T_D = what is allowed after the last heartbeat, less the time since it: h/2 in the mean.
        detection_mean(detector, &detected_by(detector), allowed - H / 2.0 + D);
    }
}

// ------------------------------------------------------------------ delivery

/// Nine listeners that beat and one that talks; p towards the server, q from it, both 10 %.
fn room(timeout: &str) -> Results {
    run(&format!(
        r#"
        name = "room"
        seed = 16
        warmup = "30s"
        duration = "40000s"
        [server]
        timeout = "{timeout}"
        [[group]]
        name = "talker"
        clients = 1
        chat = {{ rate = 1.0 }}
        up = {{ loss = 0.1 }}
        [[group]]
        name = "listeners"
        clients = 9
        up = {{ loss = 0.1 }}
        down = {{ loss = 0.1 }}
        "#
    ))
}

#[test]
fn delivery_under_loss_in_both_directions() {
    let (p, q, n) = (0.1, 0.1, 9.0);
    let variance = p * (1.0 - p) * (1.0f64 - q).powi(2) + (1.0 - p) * q * (1.0 - q) / n;
    let ratio = |results: &Results| results.groups[1].get("delivery_ratio").unwrap();

    let results = room("1000s");
    let messages = figure(&results, "chat_sent");
    let interval = 4.0 * (variance / messages).sqrt();
    close("delivery ratio", ratio(&results), 0.81, interval);

    let results = room("10s");
    // Membership comes and goes in spells of a mean 5.56 s, more than a second apart from text to
    // text: each listener's absences add their own variance.
    let absence = 0.01 * 0.99 * 0.81f64.powi(2) * (1.0 + 2.0 * 5.5556) / n;
    let interval = 4.0 * ((variance + absence) / messages).sqrt();
    close("delivery ratio with auto-rejoin", ratio(&results), 0.8019, interval);
}

#[test]
fn one_message_reaches_a_share_of_its_receivers() {
    let results = run(r#"
        name = "shares"
        seed = 17
        warmup = "10s"
        duration = "10000s"
        [server]
        timeout = "1000s"
        [[group]]
        name = "g"
        clients = 9
        chat = { rate = 0.5 }
        up = { loss = 0.1 }
        down = { loss = 0.1 }
        "#);
    let messages = figure(&results, "chat_sent");
    // The variance of a share in [0, 1] is itself known to √(kurtosis-1)·variance/√n; this one's
    // kurtosis, by its definition with p = q = 0.1 and n = 9, is 6.50.
    let variance = figure(&results, "message_share_sd").powi(2);
    close(
        "variance of the delivered share",
        variance,
        0.0819,
        4.0 * 0.0819 * (5.50 / messages).sqrt(),
    );
    let all = 0.348678;
    let interval = 4.0 * (all * (1.0 - all) / messages).sqrt();
    close("all nine receive it", figure(&results, "complete_ratio"), all, interval);
}

// ------------------------------------------------------------------ reordering

/// One client that hears itself over a link with this delay, in thirty runs of 3,000 texts; the
/// interval follows from how the runs differ.
fn reordered(what: &str, chat: &str, down: &str, expected: f64) {
    let runs = 30;
    let ratio = |seed: u64| {
        let results = run(&format!(
            r#"
            name = "stream"
            seed = {seed}
            duration = "300s"
            [server]
            timeout = "1000s"
            [[group]]
            name = "g"
            clients = 1
            heartbeat = {{ every = "1000s" }}
            chat = {{ rate = 10.0, {chat} }}
            [group.down]
            {down}
            "#
        ));
        figure(&results, "reordered_ratio")
    };
    let ratios: Vec<f64> = (100..100 + runs).map(ratio).collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    close(what, mean, expected, 4.0 * (variance / n).sqrt());
}

#[test]
fn reordering_of_a_periodic_stream() {
    let periodic = "arrivals = \"periodic\"";
    let exponential = "delay = { kind = \"exponential\", mean = \"100ms\" }";
    reordered("periodic, exponential μ=τ", periodic, exponential, 0.192446);
    let uniform = "delay = { kind = \"uniform\", min = \"0s\", max = \"200ms\" }";
    reordered("periodic, U(0,2τ)", periodic, uniform, 0.125);
    let uniform = "delay = { kind = \"uniform\", min = \"0s\", max = \"150ms\" }";
    reordered("periodic, U(0,1.5τ)", periodic, uniform, 0.5f64.powi(2) / (2.0 * 1.5f64.powi(2)));
    let lossy = "loss = 0.1\ndelay = { kind = \"uniform\", min = \"0s\", max = \"200ms\" }";
    reordered("periodic, U(0,2τ), loss 10 %", periodic, lossy, 0.1125);
    let (q, m) = (0.2f64, 2);
    let hold = "reorder = { kind = \"hold\", probability = 0.2, extra = \"250ms\" }";
    reordered("periodic, hold 20 % for 2.5τ", periodic, hold, q * (1.0 - q.powi(m)));
}

#[test]
fn reordering_of_a_poisson_stream() {
    let exponential = "delay = { kind = \"exponential\", mean = \"100ms\" }";
    let e = std::f64::consts::E;
    reordered("Poisson, exponential, rate·μ=1", "", exponential, 3.0 - e);
    let uniform = "delay = { kind = \"uniform\", min = \"0s\", max = \"100ms\" }";
    reordered("Poisson, U(0,w), b=1", "", uniform, 0.144376);
}
