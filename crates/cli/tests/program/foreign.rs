//! Runs that start a server written in Python, load it, and measure it from outside.

use crate::support::{Bench, Summary, free_address, shipped};

fn scenario(command: &str, target: std::net::SocketAddr, chat: &str) -> String {
    format!(
        r#"
        name = "foreign"
        mode = "net"
        seed = 4
        warmup = "2s"
        duration = "2s"
        drain = "3s"
        [server]
        target = "{target}"
        command = {command}
        timeout = "1500ms"
        eviction = "lazy"
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "steady"
        clients = 20
        heartbeat = {{ every = "400ms" }}
        {chat}
        up = {{ loss = 0.05, delay = "10ms" }}
        down = {{ loss = 0.1, delay = "10ms" }}
        [[group]]
        name = "doomed"
        clients = 30
        heartbeat = {{ every = "400ms" }}
        [[event]]
        at = "2500ms"
        group = "doomed"
        crash = 1.0
        "#
    )
}

fn python(target: std::net::SocketAddr) -> String {
    let server = shipped("servers/tutorial.py");
    let server = server.display();
    format!("[\"python3\", \"{server}\", \"{}\", \"1.5\"]", target.port())
}

#[test]
fn a_python_server_is_loaded_and_measured_from_outside() {
    let bench = Bench::new();
    let target = free_address();
    let text = scenario(&python(target), target, "chat = { rate = 1.0 }");
    let summary = bench.summary(&bench.scenario(&text), &["--out", "out"]);
    assert_eq!(summary.get("unexplained"), 0.0);
    assert_eq!(summary.text("up_received"), "", "what a foreign server reads is not known");
    assert_eq!(summary.get("crashes"), 30.0);
    assert_eq!(summary.get("eviction_latency_samples"), 30.0);
    assert_eq!(bench.ledger("deliveries", "", "target"), 0, "the server echoes everything");

    let text = std::fs::read_to_string(bench.path().join("out/evictions.csv")).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let crashes: Vec<_> = rows.iter().filter(|row| row[3] == "crash").collect();
    assert_eq!(crashes.len(), 30);
    for row in crashes {
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        let (latency, uncertainty) = (number(6), number(8));
        // The server sweeps lazily, so a broadcast that a client misses is the one that evicted it:
        // there is no uncertainty. A crash comes up to a period after the last heartbeat, and a
        // little later on a slow machine.
        assert!(uncertainty == 0.0 && latency >= 1.5 - 0.4 - 0.05, "{row:?}");
        assert_eq!(row[7], "", "the silence that the server saw is not known");
    }
}

#[test]
fn without_chat_figures_of_membership_are_undefined() {
    let bench = Bench::new();
    let target = free_address();
    let summary =
        bench.summary(&bench.scenario(&scenario(&python(target), target, "")), &["--out", "out"]);
    for name in ["false_evictions", "evictions", "query_accuracy", "eviction_latency_mean_s"] {
        assert_eq!(summary.text(name), "", "{name}");
    }
    assert_eq!(summary.get("crashes"), 30.0);
}

/// Runs against one of the servers in `echo.py`, none of which is a chat server.
fn in_dialect(kind: &str, dialect: &str, chat: &str) -> (Bench, Summary) {
    let bench = Bench::new();
    let target = free_address();
    let server = shipped("servers/echo.py");
    let server = server.display();
    let text = format!(
        r#"
        name = "t"
        mode = "net"
        warmup = "1s"
        duration = "2s"
        drain = "500ms"
        [server]
        target = "{target}"
        command = ["python3", "{server}", "{}", "{kind}"]
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "g"
        clients = 30
        heartbeat = {{ every = "500ms" }}
        churn = {{ leave = 0.05, rejoin_after = "500ms" }}
        {chat}
        [dialect]
        {dialect}
        "#,
        target.port()
    );
    let summary = bench.summary(&bench.scenario(&text), &["--out", "out"]);
    (bench, summary)
}

#[test]
fn servers_that_are_no_chat_are_measured_in_their_own_dialect() {
    let chat = "chat = { rate = 1.0 }";
    let echo = "heartbeat = { hex = \"00 01\" }\naudience = \"sender\"\nack = { hex = \"0001\" }";
    let (bench, summary) = in_dialect("echo", echo, chat);
    assert_eq!(summary.get("deliveries_expected"), summary.get("chat_sent"));
    assert_eq!(summary.get("delivery_ratio"), 1.0);
    // The server echoes heartbeats too, and the echo counts as the answer.
    assert!(summary.get("answers") > 50.0 && summary.get("answer_latency_p50_s") > 0.0);
    assert_eq!(bench.ledger("datagrams", "up", "unexplained"), 0);
    assert_eq!(summary.text("evictions"), "", "an echo has no members");

    let pubsub = "heartbeat = \"SUB\"\nchat = \"PUB {text}\"\ntag_at = 4\naudience = \"others\"";
    let (bench, summary) = in_dialect("pubsub", pubsub, chat);
    assert_eq!(bench.ledger("deliveries", "", "target"), 0, "it passes everything on");
    assert!(summary.get("delivery_ratio") > 0.9, "{}", summary.text("delivery_ratio"));
    assert!(summary.get("deliveries_expected") > 20.0 * summary.get("chat_sent"));
    assert_eq!(summary.text("answers"), "", "no answer is asked for");

    let keep_alive = "heartbeat = \"PING {client}\"\nack = \"PONG {client}\"";
    let (_, summary) = in_dialect("keep-alive", keep_alive, "");
    assert!(summary.get("answers") > 50.0);
    assert_eq!(summary.text("delivery_ratio"), "");
}
