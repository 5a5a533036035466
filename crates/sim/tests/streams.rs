//! TCP in virtual time compared with UDP: what it delivers, how late, and at what cost.

mod common;

use common::{close, figure as of, run};
use skipbeat_measure::Results;

/// Ten clients that chat over links with this loss and a delay of 20 ms each way.
fn room(transport: &str, loss: f64, seed: u64) -> Results {
    run(&format!(
        r#"
        name = "room"
        seed = {seed}
        warmup = "10s"
        duration = "60s"
        drain = "40s"
        [server]
        timeout = "1000s"
        [[group]]
        name = "g"
        clients = 10
        transport = "{transport}"
        chat = {{ rate = 1 }}
        up = {{ loss = {loss}, delay = "20ms" }}
        down = {{ loss = {loss}, delay = "20ms" }}
        "#
    ))
}

fn figure(results: &Results, name: &str) -> f64 {
    of(&results.figures, name)
}

#[test]
fn without_loss_tcp_adds_no_delay() {
    let results = room("tcp", 0.0, 1);
    assert_eq!(figure(&results, "delivery_ratio"), 1.0);
    for name in ["latency_mean_s", "latency_p99_s", "latency_max_s"] {
        let latency = figure(&results, name);
        close(name, latency, 0.04, 1e-5);
    }
    assert_eq!(figure(&results, "unexplained"), 0.0);
}

#[test]
fn tcp_delivers_everything_in_spite_of_loss() {
    for loss in [0.05, 0.2] {
        let results = room("tcp", loss, 2);
        assert_eq!(figure(&results, "delivery_ratio"), 1.0, "loss {loss}");
        assert_eq!(figure(&results, "duplicate_ratio"), 0.0);
        assert_eq!(figure(&results, "connections_broken"), 0.0);
        assert_eq!(figure(&results, "unexplained"), 0.0);
        let plain = room("udp", loss, 2);
        assert!(figure(&plain, "delivery_ratio") < 1.0 - loss);
        assert!(figure(&plain, "latency_max_s") < 0.0401);
        // A lost segment holds up those behind it, and some wait for the timer: a second at least.
        assert!(figure(&results, "latency_max_s") > 1.0, "loss {loss}");
        let cost = |results: &Results| figure(results, "bytes_per_delivery");
        assert!(cost(&results) > cost(&plain));
    }
}

/// A client that sends itself a text every 20 ms. One packet on its link is lost, the same for UDP
/// and TCP.
fn alone(transport: &str) -> Results {
    run(&format!(
        r#"
        name = "alone"
        warmup = "5s"
        duration = "10s"
        drain = "5s"
        [[group]]
        name = "g"
        clients = 1
        transport = "{transport}"
        heartbeat = {{ every = "30s" }}
        chat = {{ rate = 50, arrivals = "periodic" }}
        up = {{ loss = {{ kind = "list", indices = [500] }}, delay = "20ms" }}
        down = {{ delay = "20ms" }}
        "#
    ))
}

/// The number of messages that took at least `by_ms` longer than the links do.
fn late(results: &Results, by_ms: u64) -> u64 {
    results
        .tally
        .all_groups()
        .latency
        .histogram()
        .count_between(40_000 + by_ms * 1000, u64::MAX / 2)
}

#[test]
fn a_lost_segment_holds_up_those_behind_it() {
    let [datagrams, stream] = ["udp", "tcp"].map(alone);
    let lost =
        |results: &Results| figure(results, "deliveries_expected") - figure(results, "deliveries");
    assert_eq!(
        (lost(&datagrams), late(&datagrams, 1)),
        (1.0, 0),
        "the other datagrams are not affected"
    );
    // The three segments behind it cause duplicate acknowledgements, which trigger a fast
    // retransmission (RFC 5681, section 3.2). It arrives a round trip after the third, and until
    // then all wait.
    let held_up = late(&stream, 10);
    assert_eq!(lost(&stream), 0.0);
    assert!((3..10).contains(&held_up), "{held_up} of 500");
}

#[test]
fn all_queries_over_tcp_are_answered() {
    let results = run(r#"
        name = "resolvers"
        warmup = "5s"
        duration = "30s"
        drain = "30s"
        [[group]]
        name = "g"
        clients = 10
        member = false
        transport = "tcp"
        workload.query = { rate = 1 }
        up = { loss = 0.1, delay = "20ms" }
        down = { loss = 0.1, delay = "20ms" }
        "#);
    assert_eq!(figure(&results, "answered_ratio"), 1.0);
    assert_eq!(
        figure(&results, "load_amplification"),
        1.0,
        "TCP repeats what is lost, the client does not"
    );
    assert_eq!(figure(&results, "unexplained"), 0.0);
}

#[test]
fn a_connection_broken_by_a_partition_is_counted_and_opened_again() {
    let results = run(r#"
        name = "cut"
        warmup = "5s"
        duration = "200s"
        drain = "30s"
        [server]
        timeout = "1000s"
        [[group]]
        name = "g"
        clients = 4
        transport = "tcp"
        chat = { rate = 1 }
        up.delay = "20ms"
        down.delay = "20ms"
        [[event]]
        at = "20s"
        group = "g"
        partition = "both"
        [[event]]
        at = "100s"
        group = "g"
        heal = "both"
        "#);
    assert_eq!(figure(&results, "connections_broken"), 4.0);
    let ratio = figure(&results, "delivery_ratio");
    assert!((0.3..0.9).contains(&ratio), "{ratio}: what the broken connections held is lost");
    assert_eq!(figure(&results, "unexplained"), 0.0);
}

#[test]
fn the_ledger_closes_with_clients_that_come_and_go() {
    let results = run(r#"
        name = "churn"
        warmup = "5s"
        duration = "100s"
        drain = "30s"
        [[group]]
        name = "streams"
        clients = 20
        transport = "tcp"
        chat = { rate = 0.5 }
        churn = { crash = 0.02, leave = 0.02, rejoin_after = "5s" }
        up = { loss = 0.05, delay = "20ms", duplicate = 0.05, corrupt = 0.02 }
        down = { loss = 0.05, delay = { kind = "uniform", min = "5ms", max = "50ms" } }
        [[group]]
        name = "datagrams"
        clients = 20
        chat = { rate = 0.5 }
        up.loss = 0.05
        "#);
    assert_eq!(figure(&results, "unexplained"), 0.0);
    let [streams, datagrams] =
        [0, 1].map(|group| results.groups[group].get("delivery_ratio").unwrap());
    assert!(streams > datagrams * 0.9 && datagrams > 0.8, "{streams} {datagrams}");
}

#[test]
fn a_run_with_tcp_repeats_exactly() {
    let [once, again] = [0, 0].map(|_| room("tcp", 0.1, 3));
    assert_eq!((once.tally.digest, once.tally.events), (again.tally.digest, again.tally.events));
    assert_ne!(once.tally.digest, room("tcp", 0.1, 4).tally.digest);
}
