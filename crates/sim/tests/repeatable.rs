//! Runs repeat exactly, their ledgers close, and an early end leaves consistent results.

use skipbeat_measure::Side;
use skipbeat_scenario::Plan;

const SCENARIO: &str = r#"
name = "busy"
warmup = "2s"
duration = "20s"
drain = "3s"
[server]
timeout = "2500ms"
eviction = { every = "700ms" }
[[group]]
name = "a"
clients = 70
heartbeat = { every = "1s", jitter = { kind = "grid", width = "300ms" } }
chat = { rate = 0.5, arrivals = "periodic" }
churn = { crash = 0.05, leave = 0.05, rejoin_after = "4s" }
[group.up]
loss = 0.2
delay = { kind = "uniform", min = "0s", max = "80ms" }
reorder = { kind = "hold", probability = 0.1, extra = "50ms" }
duplicate = { probability = 0.1, within = "20ms" }
[group.down]
loss = 0.1
delay = { kind = "exponential", mean = "40ms" }
duplicate = 0.2
[[group]]
name = "b"
clients = 30
heartbeat = { every = "1s", jitter = "rfc7675" }
[[event]]
at = "5s"
group = "b"
leave = 10
[[event]]
at = "9s"
group = "b"
join = 1.0
"#;

#[test]
fn two_runs_in_one_process_are_equal() {
    let plan = Plan::parse("busy.toml", SCENARIO, &[]).unwrap();
    let run = || skipbeat_sim::run(&plan, &mut |_| true);
    let (a, b) = (run(), run());
    assert_eq!(a.doubts, []);
    assert_eq!((a.tally.digest, a.tally.events), (b.tally.digest, b.tally.events));
    assert_eq!(a.figures, b.figures);
    assert_eq!(a.groups, b.groups);
    assert_eq!(a.ledger, b.ledger);
    assert_eq!(a.tally.timeline(), b.tally.timeline());
}

/// Both identities hold for each group, and each kind of term occurs.
#[test]
fn the_ledger_closes_for_each_group_and_direction() {
    let plan = Plan::parse("busy.toml", SCENARIO, &[]).unwrap();
    let results = skipbeat_sim::run(&plan, &mut |_| true);
    for group in [None, Some(0), Some(1)] {
        for direction in [None, Some(0), Some(1)] {
            let rows = results
                .ledger
                .iter()
                .filter(|row| row.group == group && row.direction.map(|d| d as usize) == direction);
            let balance: i64 = rows
                .map(|row| match row.side {
                    Side::In => row.count,
                    Side::Out => -row.count,
                    Side::Beside => 0,
                })
                .sum();
            assert_eq!(balance, 0, "group {group:?}, direction {direction:?}");
        }
    }
    for term in ["delivered", "lost-up", "lost-down", "not-member"] {
        let count = results.ledger.iter().find(|row| row.term == term);
        assert!(count.is_some_and(|row| row.count > 0), "{term} does not occur");
    }
}

/// Long hours with hardly an event, a group without clients, and no delay: edge cases for the
/// engine.
#[test]
fn long_and_nearly_empty_runs_have_the_right_figures() {
    for (delay, clients) in [("0s", 1), ("10ms", 1), ("10ms", 2)] {
        let text = format!(
            r#"
            name = "empty"
            duration = "100h"
            [server]
            timeout = "3h"
            [[group]]
            name = "nobody"
            clients = 0
            [[group]]
            name = "few"
            clients = {clients}
            heartbeat = {{ every = "1h" }}
            up = {{ delay = "{delay}" }}
            "#
        );
        let plan = Plan::parse("empty.toml", &text, &[]).unwrap();
        let results = skipbeat_sim::run(&plan, &mut |_| true);
        let figure = |name| results.figures.get(name);
        assert_eq!(results.doubts, []);
        assert_eq!(figure("up_sent"), Some(f64::from(clients) * 100.0), "one an hour: {delay}");
        assert_eq!(figure("up_received"), figure("up_sent"));
        assert_eq!(figure("evictions"), Some(0.0));
        assert_eq!(results.tally.timeline().len(), 360_000 + 2);
    }
}

/// The engine records some events before their time. An early end must not show them.
#[test]
fn a_run_ended_early_contains_nothing_from_after_its_end() {
    for delay in ["\"30ms\"", "{ kind = \"exponential\", mean = \"3s\" }"] {
        let text = format!(
            r#"
            name = "early"
            duration = "60s"
            [[group]]
            name = "room"
            clients = 100
            chat = {{ rate = 1.0 }}
            up = {{ delay = "20ms" }}
            down = {{ delay = {delay} }}
            "#
        );
        let plan = Plan::parse("early.toml", &text, &[]).unwrap();
        let results = skipbeat_sim::run(&plan, &mut |look| look.now.seconds() < 20.0);
        let end = results.end().seconds();
        assert!((20.0..59.0).contains(&end), "{end}");
        assert_eq!(results.doubts, []);
        assert!(results.tally.timeline().len() as f64 <= end.ceil());
        let flying = results.ledger.iter().find(|row| row.term == "in-flight");
        assert!(flying.is_some_and(|row| row.count > 0), "there is always something in flight");
    }
}
