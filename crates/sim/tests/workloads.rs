//! Telemetry, media and queries in whole runs: who receives them, and that the ledger closes.

mod common;

use common::{close, figure, run};
use skipbeat_measure::Results;

fn of(results: &Results, group: usize, name: &str) -> f64 {
    figure(&results.groups[group], name)
}

#[test]
fn clients_that_are_not_members_send_no_heartbeats_and_receive_no_broadcasts() {
    let results = run(r#"
        name = "strangers"
        warmup = "5s"
        duration = "20s"
        [[group]]
        name = "sensors"
        clients = 10
        member = false
        workload = "telemetry"
        churn = { crash = 0.1, rejoin_after = "1s" }
        [[group]]
        name = "room"
        clients = 3
        chat = { rate = 1 }
        "#);
    assert_eq!(figure(&results.figures, "members_max"), 3.0);
    assert_eq!(of(&results, 0, "down_received"), 0.0);
    assert_eq!(of(&results, 0, "delivery_ratio"), 1.0, "their samples are still taken");
    assert_eq!(figure(&results.figures, "evictions"), 0.0);
    assert!(of(&results, 0, "crashes") > 0.0);
    let of_room = figure(&results.figures, "chat_sent") * 3.0;
    assert_eq!(of(&results, 1, "deliveries_expected"), of_room);
}

#[test]
fn the_ledger_closes_under_every_impairment_and_churn() {
    let results = run(r#"
        name = "rough"
        seed = 9
        warmup = "5s"
        duration = "60s"
        drain = "2s"
        [[group]]
        name = "sensors"
        clients = 30
        workload.telemetry = { every = "500ms", jitter = "100ms", burst = 3 }
        churn = { crash = 0.05, leave = 0.05, rejoin_after = "2s", rebind = 0.02 }
        [group.up]
        loss = 0.1
        duplicate = 0.1
        corrupt = 0.1
        delay = { kind = "exponential", min = "5ms", mean = "50ms" }
        [[group]]
        name = "call"
        clients = 5
        workload.media = { talkers = 2, rate = 25, datagrams = 3, playout = { adaptive = 4 } }
        up = { loss = 0.02, duplicate = 0.1 }
        down = { loss = 0.05, corrupt = 0.05, delay = { kind = "exponential", min = "5ms", mean = "20ms" } }
        [[group]]
        name = "resolvers"
        clients = 20
        workload.query = { rate = 3, timeout = "100ms", tries = 5 }
        churn = { crash = 0.05, leave = 0.05, rejoin_after = "2s" }
        up = { loss = 0.2, duplicate = 0.1, corrupt = 0.1 }
        [group.down]
        loss = 0.2
        duplicate = 0.1
        corrupt = 0.1
        delay = { kind = "exponential", min = "5ms", mean = "50ms" }
        [[group]]
        name = "talk"
        clients = 5
        acks = "both"
        chat = { rate = 1 }
        up = { loss = 0.1 }
        [[event]]
        at = "20s"
        group = "resolvers"
        partition = "down"
        [[event]]
        at = "25s"
        group = "resolvers"
        heal = "down"
        "#);
    assert_eq!(figure(&results.figures, "unexplained"), 0.0);
    assert!(figure(&results.figures, "duplicate_ratio") > 0.0);
    let [asked, answered] = ["queries", "queries_answered"].map(|name| of(&results, 2, name));
    assert!(answered < asked && answered > 0.5 * asked, "{answered} of {asked}");
    // The figures of a workload are undefined, not 0, for a group without it.
    assert_eq!(results.groups[3].get("samples"), None);
    assert_eq!(results.groups[0].get("mos"), None);
}

#[test]
fn a_server_with_cookies_takes_no_samples_from_strangers() {
    let results = run(r#"
        name = "proof"
        duration = "10s"
        [server]
        admission = "cookie"
        [[group]]
        name = "strangers"
        clients = 2
        member = false
        workload = "telemetry"
        [[group]]
        name = "members"
        clients = 2
        heartbeat = { every = "100ms" }
        workload = "telemetry"
        "#);
    assert_eq!(of(&results, 0, "samples_taken"), 0.0);
    let refused = results.tally.refused()["no-proof"] as f64;
    assert!(refused >= of(&results, 0, "samples"), "{refused}");
    assert!(of(&results, 1, "delivery_ratio") > 0.95);
}

#[test]
fn an_adaptive_playout_conceals_less_at_the_cost_of_delay() {
    let call = |playout: &str| {
        run(&format!(
            r#"
            name = "call"
            warmup = "2s"
            duration = "60s"
            [server]
            timeout = "100s"
            [[group]]
            name = "g"
            clients = 3
            heartbeat = {{ every = "1s" }}
            workload.media = {{ playout = {playout} }}
            down.delay = {{ kind = "exponential", min = "10ms", mean = "30ms" }}
            "#
        ))
    };
    let [fixed, adaptive] = ["\"40ms\"", "{ adaptive = 4 }"].map(call);
    let get = |results: &Results, name| figure(&results.figures, name);
    assert!(get(&adaptive, "concealed_ratio") < 0.1 * get(&fixed, "concealed_ratio"));
    // The mean transit is 30 ms. The jitter of an exponential delay is the mean of its random part,
    // 20 ms.
    close("playout", get(&adaptive, "playout_delay_mean_s"), 0.03 + 4.0 * 0.02, 0.02);
    assert!(get(&adaptive, "mos") > get(&fixed, "mos"));
}
