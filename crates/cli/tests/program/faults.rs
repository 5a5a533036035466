//! Injected faults on real sockets: each is named and counted, and the ledgers close.

use std::process::Command;
use std::time::Duration;

use crate::support::{Bench, free_address, has_word, headline, shipped, stderr};

/// Wraps a command so that it runs in a new network namespace, after the shell commands `set_up`.
/// `None` if this machine does not permit namespaces.
fn in_namespace(bench: &Bench, set_up: &str, run: Command) -> Option<Command> {
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "sh", "-c", script, "sh"]);
        command.current_dir(bench.path());
        command
    };
    let set_up = format!("ip link set lo up && {set_up}");
    let works = inside(&set_up).output().is_ok_and(|output| output.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "CI has to make a namespace: {set_up}");
        eprintln!("skipped: no network namespace can be made here");
        return None;
    }
    let mut command = inside(&format!("{set_up} && exec \"$@\""));
    command.arg(run.get_program()).args(run.get_args());
    Some(command)
}

#[test]
fn a_full_send_buffer_is_counted_and_does_not_stop_the_server_from_reading() {
    let bench = Bench::new();
    // The network takes only a fraction of the traffic that the chat makes.
    let scenario = bench.scenario(
        r#"
        name = "t"
        mode = "net"
        warmup = "600ms"
        duration = "3s"
        drain = "1s"
        [server]
        timeout = "3s"
        send_buffer = 4608
        send_queue = 2000
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "g"
        clients = 100
        heartbeat = { every = "500ms" }
        chat = { rate = 1.0, size = 400 }
        "#,
    );
    let slow = "tc qdisc add dev lo root tbf rate 8mbit burst 20kb limit 10mb";
    let run = bench.command(&scenario, &["--out", "out", "--quiet"]);
    let Some(mut run) = in_namespace(&bench, slow, run) else { return };
    let output = run.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    let cell = |name: &str| bench.cell("out/summary.csv", name);
    assert_eq!(cell("unexplained"), "0", "{said}");
    assert!(bench.ledger("datagrams", "down", "not-sent") > 0, "{said}");
    assert!(bench.host_sum("send_buffer_full") > 0.0, "{said}");
    assert_eq!(cell("up_sent"), cell("up_received"), "it heard everything: {said}");
    assert_eq!(cell("false_evictions"), "0", "and so put nobody out: {said}");
}

#[test]
fn clients_can_use_any_prefix_that_is_routed_to_loopback() {
    for (route, listen, first) in [
        ("ip route add local 10.0.0.0/8 dev lo", "10.255.0.1:0", "10.0.0.0"),
        ("ip -6 route add local fd00::/64 dev lo", "[::1]:0", "fd00::"),
    ] {
        let bench = Bench::new();
        let scenario = bench.scenario(&format!(
            r#"
            name = "t"
            mode = "net"
            warmup = "600ms"
            duration = "1s"
            drain = "500ms"
            [server]
            listen = "{listen}"
            [swarm]
            sockets = "shared"
            addresses = "{first}"
            lateness_limit = "10s"
            [[group]]
            name = "g"
            clients = 500
            heartbeat = {{ every = "500ms" }}
            chat = {{ rate = 0.05 }}
            "#
        ));
        let run = bench.command(&scenario, &["--out", "out", "--quiet"]);
        let Some(mut run) = in_namespace(&bench, route, run) else { return };
        let output = run.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
        assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0", "{said}");
        assert_eq!(bench.cell("out/summary.csv", "delivery_ratio"), "1", "{said}");
    }
}

/// A scenario against the Python server at `target`, started by `command`.
fn with_python(target: std::net::SocketAddr, command: &str) -> String {
    format!(
        r#"
        name = "t"
        mode = "net"
        warmup = "500ms"
        duration = "4s"
        drain = "1s"
        [server]
        target = "{target}"
        command = {command}
        timeout = "10s"
        eviction = "lazy"
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "g"
        clients = 20
        heartbeat = {{ every = "400ms" }}
        chat = {{ rate = 1.0 }}
        "#
    )
}

#[test]
fn a_server_killed_during_the_run_makes_it_inconclusive_and_the_ledgers_close() {
    let bench = Bench::new();
    let target = free_address();
    // The server lives for three seconds: enough to start, and for part of the run.
    let command = format!(
        "[\"timeout\", \"-s\", \"KILL\", \"3\", \"python3\", \"{}\", \"{}\", \"10\"]",
        shipped("servers/tutorial.py").display(),
        target.port()
    );
    let output = bench.run(&bench.scenario(&with_python(target, &command)), &["--out", "out"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(97), "{said}{}", stderr(&output));
    assert!(said.contains("ended in the middle of the run"), "{said}");
    assert_eq!(headline(&output), "inconclusive: the figures can't be relied on");
    assert!(!has_word(&said, "conclusive"), "{said}");
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0", "{said}");
    assert!(bench.ledger("deliveries", "", "target") > 0, "{said}");
    for file in ["evictions.csv", "timeline.csv", "run.json", "host.json", "latency.hlog"] {
        assert!(bench.path().join("out").join(file).exists(), "{file}");
    }
}

/// Stops a process for two seconds.
fn suspend(process: &str) {
    for signal in ["-STOP", "-CONT"] {
        let sent = Command::new("kill").args([signal, process.trim()]).status().expect("kill");
        assert!(sent.success());
        if signal == "-STOP" {
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}

#[test]
fn a_suspended_server_answers_late_and_loses_nothing() {
    let bench = Bench::new();
    let target = free_address();
    let script = format!(
        "echo $$ > pid; exec python3 {} {} 10",
        shipped("servers/tutorial.py").display(),
        target.port()
    );
    let command = format!("[\"sh\", \"-c\", \"{script}\"]");
    let scenario = bench.scenario(&with_python(target, &command));
    let mut run =
        bench.command(&scenario, &["--out", "out", "--quiet"]).spawn().expect("it starts");
    let pid = bench.path().join("pid");
    while !pid.exists() && run.try_wait().expect("it runs").is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(2500));
    suspend(&std::fs::read_to_string(pid).expect("it was written"));
    assert_eq!(run.wait().expect("it ends").code(), Some(0));
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
    assert_eq!(
        bench.cell("out/summary.csv", "deliveries"),
        bench.cell("out/summary.csv", "deliveries_expected")
    );
    let longest: f64 = bench.cell("out/summary.csv", "latency_max_s").parse().expect("a number");
    assert!(longest > 1.0, "the suspension shows in the latency: {longest} s");
}

#[test]
fn a_run_that_is_suspended_itself_is_inconclusive() {
    let bench = Bench::new();
    let scenario = bench.scenario(
        r#"
        name = "t"
        mode = "net"
        duration = "4s"
        [[group]]
        name = "g"
        clients = 100
        heartbeat = { every = "100ms" }
        "#,
    );
    let run = bench.command(&scenario, &["--out", "out", "--quiet"]);
    let mut run = { run }.spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(1000));
    suspend(&run.id().to_string());
    assert_eq!(run.wait().expect("it ends").code(), Some(97), "the generator was late");
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
}

#[test]
fn a_member_whose_port_is_closed_disturbs_nobody() {
    let bench = Bench::new();
    let listen = free_address();
    let scenario = bench.scenario(&format!(
        r#"
        name = "t"
        mode = "net"
        warmup = "500ms"
        duration = "4s"
        [server]
        listen = "{listen}"
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "g"
        clients = 20
        heartbeat = {{ every = "400ms" }}
        chat = {{ rate = 1.0 }}
        "#
    ));
    let mut run =
        bench.command(&scenario, &["--out", "out", "--quiet"]).spawn().expect("it starts");
    // A stranger joins and closes its socket. What the server sends there now comes back as "port
    // unreachable".
    let heard = (0..50).any(|_| {
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        stranger.set_read_timeout(Some(Duration::from_millis(100))).expect("it can be set");
        let _ = stranger.send_to(b"hello and goodbye", listen);
        stranger.recv(&mut [0; 64]).is_ok()
    });
    assert_eq!(run.wait().expect("it ends").code(), Some(0));
    assert!(heard, "it was a member");
    assert_eq!(bench.cell("out/summary.csv", "unexplained"), "0");
    assert_eq!(bench.cell("out/summary.csv", "delivery_ratio"), "1");
}

#[test]
fn portable_and_batched_io_give_the_same_figures() {
    let text = r#"
        name = "t"
        mode = "net"
        seed = 3
        duration = "2s"
        drain = "500ms"
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "g"
        clients = 50
        heartbeat = { every = "400ms" }
        chat = { rate = 0.5 }
        up = { loss = 0.1, delay = "5ms" }
        down = { loss = 0.1, delay = "5ms" }
    "#;
    let bench = Bench::new();
    let scenario = bench.scenario(text);
    let own = bench.summary(&scenario, &["--out", "out"]);
    assert_eq!(bench.host_text("io"), "batched");
    let portable = bench.summary(&scenario, &["--out", "out", "--portable"]);
    assert_eq!(bench.host_text("io"), "portable");
    for name in ["up_sent", "up_received", "chat_sent", "deliveries_expected", "unexplained"] {
        assert_eq!(own.get(name), portable.get(name), "{name}");
    }
    assert!(portable.get("deliveries") > 0.0);
}
