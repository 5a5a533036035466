//! Acks over lossy links: what they deliver, what they cost, and that the ledger closes.

use skipbeat_measure::Results;
use skipbeat_scenario::Plan;

fn run(acks: &str, loss: f64, more: &str) -> Results {
    let text = format!(
        r#"
        name = "acks"
        seed = 5
        warmup = "40s"
        duration = "60s"
        drain = "250s"
        [server]
        timeout = "60s"
        [[group]]
        name = "g"
        clients = 30
        acks = "{acks}"
        heartbeat = {{ every = "5s" }}
        chat = {{ rate = 0.2 }}
        {more}
        [group.up]
        loss = {loss}
        delay = "30ms"
        duplicate = 0.05
        [group.down]
        loss = {loss}
        delay = {{ kind = "exponential", min = "10ms", mean = "30ms" }}
        "#
    );
    let plan = Plan::parse("acks.toml", &text, &[]).unwrap_or_else(|e| panic!("{e}"));
    let results = skipbeat_sim::run(&plan, &mut |_| true);
    assert_eq!(results.doubts, [], "{acks}");
    results
}

fn get(results: &Results, name: &str) -> f64 {
    results.figures.get(name).unwrap_or_else(|| panic!("{name} is undefined"))
}

#[test]
fn acks_deliver_over_20_percent_loss_each_way_and_their_cost_is_measured() {
    let (none, up, both) = (run("none", 0.2, ""), run("up", 0.2, ""), run("both", 0.2, ""));
    let expected = get(&both, "deliveries_expected");
    let near = |results: &Results, ratio: f64, per_message: f64| {
        // A loss on the way up hits all receivers, so the samples are messages.
        let n = get(results, "chat_sent");
        let simulated = get(results, "delivery_ratio");
        let interval = 4.0 * (per_message / n).sqrt();
        assert!((simulated - ratio).abs() <= interval, "{simulated}, expected {ratio}");
    };
    near(&none, 0.8 * 0.8, 0.8 * 0.2 * 0.64);
    near(&up, 0.8, 0.8 * 0.2 / 30.0);
    assert!(get(&both, "delivery_ratio") >= 0.999, "{}", get(&both, "delivery_ratio"));
    assert!(expected > 8_000.0);
    assert!(get(&both, "up_retransmitted") > 0.0 && get(&both, "down_retransmitted") > 0.0);
    assert!(get(&none, "up_retransmitted") + get(&none, "down_retransmitted") == 0.0);
    assert!(get(&both, "datagrams_per_delivery") > get(&none, "datagrams_per_delivery"));
    assert!(get(&both, "latency_p99_s") > get(&none, "latency_p99_s"));
}

#[test]
fn every_text_is_acked_without_loss_and_given_up_with_total_loss() {
    // Without loss every text is acked, once by the server and once by each member.
    let results = run("both", 0.0, "");
    let term = |direction: usize, term: &str| {
        let row = results.ledger.iter().find(|row| {
            let here = row.direction.map(|d| d as usize) == Some(direction);
            row.group.is_none() && here && row.term == term
        });
        row.unwrap_or_else(|| panic!("no {term}")).count
    };
    assert_eq!((term(0, "given-up"), term(1, "given-up")), (0, 0));
    assert!(term(0, "acked") > 300 && term(1, "acked") >= 30 * term(0, "acked") - 30 * 30);
    assert_eq!(get(&results, "delivery_ratio"), 1.0);
    // With total loss on the way down no ack and no text of the server arrives.
    let lost = run("both", 1.0, "");
    assert_eq!(get(&lost, "deliveries"), 0.0);
    assert!(get(&lost, "given_up") > 0.0);
}

#[test]
fn crashes_and_evictions_give_up_the_texts_that_still_wait() {
    let results = run("both", 0.3, "churn = { crash = 0.01, leave = 0.01, rejoin_after = \"5s\" }");
    assert!(get(&results, "crashes") > 5.0 && get(&results, "given_up") > 0.0);
}

/// Clients must show a cookie, which takes a round trip, and the link loses some of them.
#[test]
fn clients_prove_their_addresses_over_lossy_links() {
    let plan = Plan::parse(
        "cookie.toml",
        r#"
        name = "cookie"
        warmup = "60s"
        duration = "200s"
        [server]
        admission = "cookie"
        timeout = "20s"
        [[group]]
        name = "g"
        clients = 50
        acks = "both"
        chat = { rate = 0.05 }
        churn = { crash = 0.002, rejoin_after = "30s" }
        up = { loss = 0.1, delay = "20ms" }
        down = { loss = 0.1, delay = "20ms" }
        "#,
        &[],
    );
    let results = skipbeat_sim::run(&plan.unwrap(), &mut |_| true);
    assert_eq!(results.doubts, []);
    assert!(results.tally.refused()["no-proof"] >= 50, "every client is asked for proof");
    assert!(get(&results, "query_accuracy") > 0.99);
    assert!(get(&results, "delivery_ratio") > 0.98);
}
