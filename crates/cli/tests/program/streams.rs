//! TCP on real sockets: clients that come and go in one room with UDP clients, and impairments,
//! which are refused.

use crate::support::{Bench, shipped, stderr};

#[test]
fn the_ledger_closes_with_tcp_clients_that_come_and_go() {
    let bench = Bench::new();
    let scenario = bench.scenario(
        r#"
        name = "t"
        mode = "net"
        warmup = "1s"
        duration = "4s"
        drain = "2s"
        [server]
        timeout = "1500ms"
        [swarm]
        lateness_limit = "10s"
        [[group]]
        name = "streams"
        clients = 20
        transport = "tcp"
        heartbeat = { every = "300ms" }
        chat = { rate = 2 }
        churn = { crash = 0.1, leave = 0.1, rejoin_after = "500ms" }
        [[group]]
        name = "datagrams"
        clients = 20
        heartbeat = { every = "300ms" }
        chat = { rate = 2 }
        up = { loss = 0.1 }
        "#,
    );
    let summary = bench.summary(&scenario, &["--out", "out"]);
    assert_eq!(summary.get("unexplained"), 0.0);
    assert_eq!(summary.get("connections_broken"), 0.0, "all of them ended on purpose");
    assert!(summary.get("crashes") > 0.0 && summary.get("leaves") > 0.0);
    assert_eq!(bench.ledger("deliveries", "", "kernel-down"), 0);
    let ratios = bench.column("out/groups.csv", "delivery_ratio");
    let [streams, datagrams] = [0, 1].map(|n| ratios[n].parse::<f64>().expect("a ratio"));
    assert!(streams > 0.85 && datagrams > 0.85, "{streams} {datagrams}: a tenth is lost upwards");
}

#[test]
fn impairments_of_a_tcp_group_are_refused_on_sockets_and_run_in_virtual_time() {
    let bench = Bench::new();
    let scenario = shipped("udp-or-tcp-net.toml");
    let with = |mode: &str| {
        let impaired = ["--set", "group.room.transport=tcp", "--set", "group.room.up.loss=0.1"];
        let short = ["--set", "group.room.clients=5", "--set", "duration=1s", "--quiet"];
        let arguments = [&["--mode", mode, "--out", "out"][..], &impaired, &short].concat();
        bench.command(&scenario, &arguments).output().expect("it starts")
    };
    let refused = with("net");
    assert_eq!(refused.status.code(), Some(104));
    assert!(
        stderr(&refused).contains("can't be impaired without privilege"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(with("sim").status.code(), Some(0));
}
