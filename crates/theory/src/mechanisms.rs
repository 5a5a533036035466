//! Heartbeats from the server, in addition to the clients' own or in their place.

use skipbeat_measure::Results;

use crate::row::TheoryRow;
use crate::simulation::{D, H, P, Q, T, figure, run};
use crate::size::Size;

/// Live clients with 10 % loss in each direction and no delay. A heartbeat from the server (a ping)
/// is acked with probability (1-p)(1-q).
fn pinged(size: &Size, mechanism: &str, seconds: u64) -> Results {
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

/// P₂: the probability that a ping or its ack is lost.
const P2: f64 = 1.0 - (1.0 - P) * (1.0 - Q);

pub(crate) fn both_beat(size: &Size) -> Vec<TheoryRow> {
    let expected = ((1.0 - P) + (1.0 - P2)) * P * P * P2 * P2 / H;
    let results = pinged(size, "both", 6000);
    vec![TheoryRow::rate(
        "both beat, one last-seen, λ_M",
        "[(1-p)+(1-P₂)]p²P₂²/h",
        expected,
        &results,
    )]
}

/// Only the server sends heartbeats, but a client that has heard none of them yet sends its own.
pub(crate) fn server_beats(size: &Size) -> Vec<TheoryRow> {
    let results = pinged(size, "server", 2000);
    let metric = |name| figure(&results.figures, name);
    let n = metric("false_evictions");
    let member_time = metric("query_accuracy") * metric("live_time_s");
    // E: the mean time from an ack to the eviction. It is that from a join to the first mistake
    // under sticky rejoin, with P₂ for p.
    let from_ack = H * (1.0 - P2 * P2) / ((1.0 - P2) * P2 * P2);
    // The fates of a ping: acked, heard while its ack is lost, or lost.
    let (answered, heard, lost) = ((1.0 - Q) * (1.0 - P), (1.0 - Q) * P, Q);
    // The first ping comes a random part of the period after the join, h/2 in the mean; the second
    // comes a period later. These are the mean times from the join to the eviction if that ping is
    // acked.
    let (by_first, by_second) = (H / 2.0 + from_ack, H * 1.5 + from_ack);
    // A client that has heard no ping yet sends heartbeats itself, at h and 2h. If one arrives, the
    // client is where it was after its join.
    let unheard = P * (answered * by_second + heard * 2.0 * H + lost * 2.0 * H) + (1.0 - P) * H;
    let once = answered * by_first + heard * (answered * by_second + P2 * 2.0 * H) + lost * unheard;
    let again = lost * (1.0 - P) + lost * P * lost * (1.0 - P);
    let form = "V, see docs/theory.md";
    let case = "the server beats: join → mistake, s";
    let expected = once / (1.0 - again);
    vec![TheoryRow::mean(case, form, expected, member_time / n, expected, n)]
}

/// How long clients take to notice that the server has crashed, if it sends heartbeats.
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
    let metric = |name| figure(&results.figures, name);
    let (n, most) = (f64::from(clients), T + D);
    let extreme = H / n * 16_000f64.ln();
    let mean = metric("server_detection_mean_s");
    let mistakes = metric("server_mistakes");
    vec![
        TheoryRow::mean("dead server, mean", "T+d-h/2", most - H / 2.0, mean, H / 12f64.sqrt(), n),
        TheoryRow::new("its maximum", "T+d", most, metric("server_detection_max_s"), extreme)
            .within(most - H, most)
            .with_samples(n),
        TheoryRow::new("mistakes about a live server", "0", 0.0, mistakes, 0.0),
    ]
}
