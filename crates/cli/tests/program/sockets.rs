//! What only real sockets can show: datagrams that the kernel drops, a generator that is late, a
//! socket for each client, and a client from outside.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;

use crate::support::{Bench, free_address, has_word, headline, stderr};

fn scenario(server: &str, swarm: &str, clients: u32, every: &str, chat: f64) -> String {
    format!(
        r#"
        name = "t"
        mode = "net"
        duration = "1s"
        drain = "500ms"
        [server]
        timeout = "10s"
        {server}
        [swarm]
        lateness_limit = "10s"
        {swarm}
        [[group]]
        name = "g"
        clients = {clients}
        heartbeat = {{ every = "{every}" }}
        chat = {{ rate = {chat} }}
        "#
    )
}

#[test]
fn drops_in_the_servers_receive_buffer_are_counted_as_kernel_loss() {
    let bench = Bench::new();
    // All clients crash and come back together: a burst of heartbeats at one moment.
    let events = r#"
        [[event]]
        at = "300ms"
        group = "g"
        crash = 1.0
        [[event]]
        at = "600ms"
        group = "g"
        join = 1.0
    "#;
    let text = scenario("receive_buffer = 2304", "", 2000, "10s", 0.01) + events;
    let summary = bench.summary(&bench.scenario(&text), &["--out", "out"]);
    assert_eq!(summary.get("unexplained"), 0.0);
    let kernel = bench.ledger("datagrams", "up", "kernel");
    assert!(kernel > 0, "no drops");
    assert_eq!(summary.get("up_sent"), summary.get("up_received") + kernel as f64);
}

#[test]
fn an_overflow_of_the_swarms_receive_buffer_is_inconclusive() {
    let bench = Bench::new();
    let text = scenario("", "receive_buffer = 2304", 500, "200ms", 0.1);
    let output = bench.run(&bench.scenario(&text), &["--out", "out"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(97), "{said}");
    assert!(said.contains("the swarm's receive buffer overflowed"), "{said}");
    assert_eq!(headline(&output), "inconclusive: the figures can't be relied on");
    assert!(!has_word(&said, "conclusive"), "{said}");
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
}

#[test]
fn a_generator_later_than_its_limit_is_inconclusive() {
    let bench = Bench::new();
    let text =
        scenario("", "", 50, "100ms", 1.0).replace("\"10s\"\n        \n        [[g", "\"0s\"\n[[g");
    assert!(text.contains("lateness_limit = \"0s\""));
    let output = bench.run(&bench.scenario(&text), &["--out", "out"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(97), "{said}");
    assert!(said.contains("the generator was late"), "{said}");
    assert_eq!(headline(&output), "inconclusive: the figures can't be relied on");
    let verdict = &bench.json("out/run.json")["run"]["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["thresholds"]), (&"inconclusive".into(), &json!([])));
    let doubt = verdict["doubts"][0].as_str().expect("there is a doubt");
    assert!(doubt.starts_with("the generator was late") && said.contains(doubt), "{doubt}: {said}");
}

#[test]
fn the_ledger_closes_with_a_socket_for_each_client() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let bench = Bench::new();
        let server = format!("listen = \"{listen}\"");
        let text = scenario(&server, "sockets = \"per-client\"", 50, "200ms", 1.0);
        let summary = bench.summary(&bench.scenario(&text), &["--out", "out"]);
        assert_eq!(summary.get("unexplained"), 0.0);
        assert!(summary.get("deliveries") > 0.0);
        assert_eq!(summary.get("up_sent"), summary.get("up_received"));
    }
}

#[test]
fn several_swarm_threads_give_the_same_figures() {
    let run = |swarm: &str| {
        let bench = Bench::new();
        let text = scenario("", swarm, 100, "200ms", 0.5);
        let summary = bench.summary(&bench.scenario(&text), &["--out", "out"]);
        assert_eq!(summary.get("unexplained"), 0.0);
        assert_eq!(summary.get("up_sent"), summary.get("up_received"));
        ["up_sent", "chat_sent", "deliveries_expected"].map(|name| summary.get(name))
    };
    assert_eq!(run("threads = 3"), run("gro = true"));
    let bench = Bench::new();
    let text = scenario("listen = \"[::1]:0\"", "threads = 2", 2, "1s", 1.0);
    let output = bench.run(&bench.scenario(&text), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("swarm.threads needs shared sockets"), "{}", stderr(&output));
}

#[test]
fn an_outside_client_can_chat_with_the_server_of_a_run() {
    let bench = Bench::new();
    let listen: SocketAddr = free_address();
    let server = format!("listen = \"{listen}\"");
    let text = scenario(&server, "", 3, "200ms", 0.1).replace("\"1s\"", "\"30s\"");
    let scenario = bench.scenario(&text);
    let mut run = bench.command(&scenario, &["--out", "out", "--quiet"]).spawn().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let expected = format!("hello \u{2603}. from {}", client.local_addr().unwrap());
    let mut buffer = [0; 2048];
    let heard = (0..200).any(|_| {
        let _ = client.send_to("hello \u{2603}".as_bytes(), listen);
        client.recv(&mut buffer).is_ok_and(|length| buffer[..length] == *expected.as_bytes())
    });
    let interrupt =
        std::process::Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(interrupt.success() && heard, "no echo of the plain client's text");
    assert_eq!(run.wait().unwrap().code(), Some(105));
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0", "a stranger disturbs no ledger");
}

#[test]
fn shared_sockets_need_a_server_on_loopback() {
    let bench = Bench::new();
    let text = scenario("listen = \"[::1]:0\"", "sockets = \"shared\"", 2, "1s", 1.0);
    let output = bench.run(&bench.scenario(&text), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("needs a server on a 127/8 address"), "{}", stderr(&output));
}
