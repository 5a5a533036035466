//! The server beats too, or alone.

use skipbeat_measure::Results;

use crate::row::{D, H, P, Q, T, figure, run};
use crate::{Size, TheoryRow};

/// Live clients, 10 % loss in each direction, no delay: a ping and its ack both survive with
/// probability (1-p)(1-q).
fn beaten_to(size: &Size, mechanism: &str, seconds: u64) -> Results {
    run(&format!(
        r#"
        name = "mechanism"
        seed = 18
        warmup = "30s"
        duration = "{}s"
        [server]
        heartbeat = "{mechanism}"
        heartbeat_every = "5s"
        timeout = "10s"
        [[group]]
        name = "g"
        clients = {}
        heartbeat = {{ every = "5s" }}
        up = {{ loss = 0.1 }}
        down = {{ loss = 0.1 }}
        "#,
        size.seconds(seconds),
        size.clients(2000),
    ))
}

/// P₂: a ping of the server or its ack is lost.
const P2: f64 = 1.0 - (1.0 - P) * (1.0 - Q);

pub(crate) fn both_beat(size: &Size) -> Vec<TheoryRow> {
    let expected = ((1.0 - P) + (1.0 - P2)) * P * P * P2 * P2 / H;
    let results = beaten_to(size, "both", 6000);
    vec![TheoryRow::rate(
        "both beat, one last-seen, λ_M",
        "[(1-p)+(1-P₂)]p²P₂²/h",
        expected,
        &results,
    )]
}

pub(crate) fn server_beats(size: &Size) -> Vec<TheoryRow> {
    let results = beaten_to(size, "server", 2000);
    let of = |name| figure(&results.figures, name);
    let n = of("false_evictions");
    let member_time = of("query_accuracy") * of("live_time_s");
    // E: from an ack to the eviction, as from a join under sticky rejoin with p = P₂.
    let from_ack = H * (1.0 - P2 * P2) / ((1.0 - P2) * P2 * P2);
    // A ping is answered, or heard and its ack lost, or lost.
    let (answered, heard, lost) = ((1.0 - Q) * (1.0 - P), (1.0 - Q) * P, Q);
    // The first ping after a join comes after a random part φ of the period, h/2 in the mean; the
    // second a period later.
    let (by_first, by_second) = (H / 2.0 + from_ack, H * 1.5 + from_ack);
    // A client that has not heard a ping beats at h and 2h itself: where that arrives it is as
    // after the join.
    let unheard = P * (answered * by_second + heard * 2.0 * H + lost * 2.0 * H) + (1.0 - P) * H;
    let once = answered * by_first + heard * (answered * by_second + P2 * 2.0 * H) + lost * unheard;
    let again = lost * (1.0 - P) + lost * P * lost * (1.0 - P);
    let form = "V, see docs/theory.md";
    let case = "the server beats: join → mistake, s";
    let expected = once / (1.0 - again);
    vec![TheoryRow::mean(case, form, expected, member_time / n, expected, n)]
}

pub(crate) fn dead_server(size: &Size) -> Vec<TheoryRow> {
    let clients = size.clients(5000);
    let results = run(&format!(
        r#"
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
        clients = {clients}
        heartbeat = {{ every = "5s" }}
        down = {{ delay = "50ms" }}
        "#
    ));
    let of = |name| figure(&results.figures, name);
    let (n, most) = (f64::from(clients), T + D);
    let extreme = H / n * 16_000f64.ln();
    let mean = of("server_detection_mean_s");
    let mistakes = of("server_mistakes");
    vec![
        TheoryRow::mean("dead server, mean", "T+d-h/2", most - H / 2.0, mean, H / 12f64.sqrt(), n),
        TheoryRow::new("its maximum", "T+d", most, of("server_detection_max_s"), extreme)
            .within(most - H, most)
            .of(n),
        TheoryRow::new("mistakes about a live server", "0", 0.0, mistakes, 0.0),
    ]
}
