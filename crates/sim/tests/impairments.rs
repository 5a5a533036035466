//! Impairments in whole runs: outages by timed events, damage, queues, presets, and mistakes under
//! loss in bursts.

mod common;

use common::{close, figure, run};
use skipbeat_measure::Results;

fn ledger(results: &Results, term: &str) -> i64 {
    let rows = results.ledger.iter().filter(|row| row.group.is_none() && row.term == term);
    rows.map(|row| row.count).sum()
}

/// A room of 50 clients that chat for 40 s, with these keys of their links and these events.
fn room(links: &str, events: &str) -> Results {
    run(&format!(
        r#"
        name = "room"
        seed = 9
        warmup = "5s"
        duration = "40s"
        drain = "10s"
        [server]
        timeout = "100s"
        [[group]]
        name = "g"
        clients = 50
        heartbeat = {{ every = "2s" }}
        chat = {{ rate = 0.2 }}
        {links}
        {events}
        "#
    ))
}

#[test]
fn a_partition_loses_datagrams_and_a_clog_holds_them() {
    let event = |at: u32, what: &str| format!("[[event]]\nat = \"{at}s\"\ngroup = \"g\"\n{what}\n");
    let partition = room("", &(event(15, "partition = \"both\"") + &event(25, "heal = \"both\"")));
    assert!(ledger(&partition, "partition") > 100);
    assert_eq!(ledger(&partition, "loss"), 0);
    // It lasts a quarter of the window. Nobody is evicted, because the timeout is longer.
    let ratio = figure(&partition.figures, "delivery_ratio");
    assert!((ratio - 0.75).abs() < 0.1, "{ratio}");
    let clog = room("", &(event(15, "clog = \"up\"") + &event(25, "release = \"up\"")));
    assert_eq!(figure(&clog.figures, "delivery_ratio"), 1.0);
    let longest = figure(&clog.figures, "latency_max_s");
    assert!(longest > 9.0 && longest <= 10.0, "{longest}");
    // Without a release, datagrams are still in flight when the run ends.
    let stuck = room("", &event(15, "clog = \"up\""));
    assert!(ledger(&stuck, "in-flight") > 100);
}

#[test]
fn an_event_changes_the_links_key_by_key() {
    let results = room(
        "up = { delay = \"10ms\", loss = 0.5 }",
        "[[event]]\nat = \"2s\"\ngroup = \"g\"\nup = { loss = 0.0 }",
    );
    assert_eq!(figure(&results.figures, "delivery_ratio"), 1.0);
    assert_eq!(figure(&results.figures, "latency_max_s"), 0.010, "the delay stays");
    assert!(figure(&results.figures, "up_loss_ratio") > 0.01, "before it was lossy");
}

#[test]
fn damaged_datagrams_arrive_but_do_not_deliver_their_messages() {
    for kind in ["bits", "byte", "truncate", "swap", "garbage"] {
        let corrupt = format!("corrupt = {{ probability = 0.2, kind = \"{kind}\" }}");
        let links =
            format!("up = {{ {corrupt}, duplicate = 0.1 }}\ndown = {{ {corrupt}, loss = 0.1 }}");
        let results = room(&links, "");
        assert!(ledger(&results, "changed") > 1_000, "{kind}");
        let mangled = ledger(&results, "mangled");
        // Garbage is appended, so it leaves the tag of the message intact.
        assert_eq!(mangled > 0, kind != "garbage", "{kind}: {mangled}");
        let ratio = figure(&results.figures, "delivery_ratio");
        assert!(ratio < 0.95, "{kind}: {ratio}");
    }
}

/// A chat server takes a damaged ack for a text, which goes to all members and asks each for an
/// ack. If more than one ack in `members` is damaged, that becomes a storm. Well below, acks work.
#[test]
fn acks_deliver_what_was_damaged() {
    let acked = room("acks = \"both\"\nup = { corrupt = { probability = 0.002, n = 4 } }", "");
    assert!(ledger(&acked, "changed") > 10);
    assert_eq!(figure(&acked.figures, "delivery_ratio"), 1.0);
}

#[test]
fn a_queue_delays_and_a_full_queue_loses() {
    // 50 clients × 0.2 texts a second × (64 + 22 + 28) bytes to each: about 9 kbit/s.
    let slow = "down = { rate = { bandwidth = \"10kbit\", packets = 5, overhead = 28 } }";
    let results = room(slow, "");
    assert!(ledger(&results, "queue") > 0);
    assert!(figure(&results.figures, "latency_p99_s") > 0.1);
    let small = room("down = { mtu = 60 }", "");
    assert_eq!(figure(&small.figures, "deliveries"), 0.0);
    assert!(ledger(&small, "mtu") > 1_000);
}

#[test]
fn a_room_works_over_every_preset_of_links() {
    for preset in ["lan", "wifi", "lte", "satellite", "lossy-mobile", "bufferbloat"] {
        let results = room(&format!("link = \"{preset}\""), "");
        let ratio = figure(&results.figures, "delivery_ratio");
        assert!(ratio > 0.8, "{preset}: {ratio}");
    }
}

/// Gilbert's model loses nothing in the good state and all in the bad one, and changes with
/// probability g to bad and r to good at each heartbeat. Without jitter and with T = 2h, a mistake
/// is two losses in a row after an arrival: (1-πB)·g·(1-r) per period, that is [g/(g+r)]·r·(1-r)/h.
#[test]
fn the_mistake_rate_under_gilbert_loss_follows_its_closed_form() {
    let results = run(r#"
        name = "gilbert"
        seed = 21
        warmup = "20s"
        duration = "4000s"
        drain = "20s"
        [server]
        timeout = "10s"
        [[group]]
        name = "g"
        clients = 2000
        heartbeat = { every = "5s" }
        up = { loss = { kind = "gilbert-elliott", p = 0.037037037037037035, r = 0.3333333333333333 } }
        "#);
    let (g, r, h) = (1.0 / 27.0, 1.0 / 3.0, 5.0f64);
    let expected = g / (g + r) * r * (1.0 - r) / h;
    let (n, time) =
        (figure(&results.figures, "false_evictions"), figure(&results.figures, "live_time_s"));
    assert!((expected - 0.004_444_4f64).abs() < 1e-6);
    close("mistakes under Gilbert loss", n / time, expected, 4.0 * n.sqrt() / time);
}
