//! The workloads other than chat: age of information in telemetry, late frames in media, retries of
//! queries.

use skipbeat_measure::Results;

use crate::row::TheoryRow;
use crate::simulation::{D, P, Q, figure, run};
use crate::size::Size;

/// The period of the samples in seconds.
const EVERY: f64 = 1.0;
/// The number of sensors.
const SENSORS: f64 = 50.0;

/// Sensors under this loss: the results, and the total time of all sensors in seconds.
fn sensors(size: &Size, loss: f64) -> (Results, f64) {
    let seconds = size.seconds(4_000);
    let results = run(&format!(
        r#"
        name = "sensors"
        seed = 31
        warmup = "10s"
        duration = "{seconds}s"
        [[group]]
        name = "sensors"
        clients = {SENSORS}
        member = false
        workload = "telemetry"
        up = {{ loss = {loss}, delay = "50ms" }}
        "#
    ));
    (results, SENSORS * seconds as f64)
}

/// The standard deviation of a mean over time, scaled to one second of observation. A cycle is the
/// `g` periods from one sample that arrives to the next, and `reward(g)` is what the cycle adds to
/// the integral. By the central limit theorem of renewal reward processes the variance per unit of
/// time is E[(reward(g) - mean·length)²]/E[length].
fn deviation(loss: f64, mean: f64, reward: impl Fn(f64) -> f64) -> f64 {
    let cycles = (1..400).map(|g| (f64::from(g), loss.powi(g - 1) * (1.0 - loss)));
    let squares: f64 =
        cycles.map(|(g, share)| share * (reward(g) - mean * EVERY * g).powi(2)).sum();
    (squares * (1.0 - loss) / EVERY).sqrt()
}

pub(crate) fn telemetry(size: &Size) -> Vec<TheoryRow> {
    let age = |loss: f64| {
        let (results, time) = sensors(size, loss);
        let mean = EVERY * (1.0 / (1.0 - loss) - 0.5) + D;
        let area = |g: f64| (EVERY * g).powi(2) / 2.0 + D * EVERY * g;
        let simulated = figure(&results.figures, "age_mean_s");
        let case = format!("mean age of information, p={loss}");
        let form = "h(1/(1-p)-1/2)+d";
        let row = TheoryRow::mean(case, form, mean, simulated, deviation(loss, mean, area), time);
        // Without loss the age has no variance, but times are rounded to nanoseconds.
        let interval = row.interval.max(1e-9);
        (TheoryRow { interval, ..row }, results, time)
    };
    // At p = 0.2 a share p² = 0.04 of the time is older than 2h + d, and p³ = 0.008 older than 3h +
    // d. So the 99th percentile lies between them.
    let loss = 0.2;
    let (with_loss, results, time) = age(loss);
    let tail = 0.01;
    let periods = 2.0 + (1.0 - tail / (loss * loss)) / (1.0 - loss);
    let above = |g: f64| (EVERY * (g - periods)).max(0.0);
    let density = loss * loss * (1.0 - loss) / EVERY;
    let p99 = TheoryRow::mean(
        "its 99th percentile",
        "d+h(2+(1-.01/p²)/(1-p))",
        D + EVERY * periods,
        figure(&results.figures, "age_p99_s"),
        deviation(loss, tail, above) / density,
        time,
    );
    let sent = figure(&results.figures, "samples");
    let runs = figure(&results.figures, "sample_loss_run_mean");
    let mean_run = 1.0 / (1.0 - loss);
    let of_runs = sent * loss * (1.0 - loss);
    let run = TheoryRow::mean(
        "mean run of lost samples",
        "1/(1-p)",
        mean_run,
        runs,
        loss.sqrt() * mean_run,
        of_runs,
    );
    vec![age(0.0).0, age(P).0, with_loss, p99, run]
}

pub(crate) fn media(size: &Size) -> Vec<TheoryRow> {
    // The delay is 10 ms and an exponential part with mean μ = 20 ms. A frame is played 10 ms and a
    // margin B after it was sent, so it is late if the exponential part exceeds B.
    let late = |margin: f64| {
        let results = run(&format!(
            r#"
            name = "call"
            seed = 32
            warmup = "1s"
            duration = "{}s"
            [server]
            timeout = "1000s"
            [[group]]
            name = "talker"
            clients = 1
            workload.media = {{ playout = "{}ms" }}
            [[group]]
            name = "listeners"
            clients = 4
            heartbeat = {{ every = "1s" }}
            down.delay = {{ kind = "exponential", min = "10ms", mean = "30ms" }}
            "#,
            size.seconds(1_000),
            10.0 + 1e3 * margin
        ));
        let metric = |name| figure(&results.figures, name);
        let share = (-margin / 0.02).exp();
        let case = format!("late frames, margin of {:.0} ms", 1e3 * margin);
        TheoryRow::share(
            case,
            "e^(-B/μ)",
            share,
            metric("frames_late_ratio"),
            metric("frames_expected"),
        )
    };
    vec![late(0.02), late(0.06)]
}

pub(crate) fn query(size: &Size) -> Vec<TheoryRow> {
    let results = run(&format!(
        r#"
        name = "resolver"
        seed = 33
        warmup = "1s"
        duration = "{}s"
        drain = "5s"
        [[group]]
        name = "resolvers"
        clients = 100
        member = false
        workload.query = {{ rate = 1, timeout = "1s", backoff = 1, tries = 3 }}
        up = {{ loss = 0.1, delay = "50ms" }}
        down = {{ loss = 0.1, delay = "50ms" }}
        "#,
        size.seconds(1_000)
    ));
    let metric = |name| figure(&results.figures, name);
    let success = (1.0 - P) * (1.0 - Q);
    let (tries, timer) = (3, 1.0);
    let fails = 1.0 - success;
    let answered = 1.0 - fails.powi(tries);
    // The n-th moment of the number of failed tries before the answer, given that one comes.
    let moment = |n: i32| -> f64 {
        let each = (0..tries).map(|i| fails.powi(i) * success * f64::from(i).powi(n));
        each.sum::<f64>() / answered
    };
    let wait = timer * moment(1);
    let spread = timer * (moment(2) - moment(1).powi(2)).sqrt();
    let load = answered / success;
    // E[N²] of the number N of tries, as the sum of (2i+1)·P(N > i).
    let asked: f64 = (0..tries).map(|i| fails.powi(i) * f64::from(2 * i + 1)).sum();
    let queries = metric("queries");
    vec![
        TheoryRow::share(
            "queries answered in 3 tries",
            "1-(1-(1-p)(1-q))^k",
            answered,
            metric("answered_ratio"),
            queries,
        ),
        TheoryRow::mean(
            "their mean latency, a fixed timer of 1 s",
            "2d+τ·Σi(1-s)^i·s/(1-(1-s)^k)",
            2.0 * D + wait,
            metric("query_latency_mean_s"),
            spread,
            queries,
        ),
        TheoryRow::mean(
            "datagrams that ask, per query",
            "(1-(1-s)^k)/s",
            load,
            metric("load_amplification"),
            (asked - load * load).sqrt(),
            queries,
        ),
    ]
}
