//! The simulator and real sockets agree within intervals that are derived from the counts. Both
//! runs have the same schedule and the same verdicts; only the kernel is different. Scenarios are
//! scaled down to a few seconds.

use crate::support::{Bench, Summary, shipped};

/// Runs a scenario with these settings in `sim` and in `net`.
fn both(scenario: &str, settings: &[&str]) -> (Summary, Summary) {
    let run = |mode| {
        let bench = Bench::new();
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> =
            ["--mode", mode, "--out", "out", "--quiet"].into_iter().chain(set).collect();
        bench.summary(&shipped(scenario), &arguments)
    };
    (run("sim"), run("net"))
}

/// Compares a share that both runs estimate from `n` samples: it must agree within four standard
/// errors of the difference.
fn share_agrees(name: &str, sim: &Summary, net: &Summary, n: f64) {
    let (a, b) = (sim.get(name), net.get(name));
    let interval = 4.0 * (2.0 * a * (1.0 - a) / n).sqrt();
    assert!((a - b).abs() <= interval, "{name}: sim {a}, net {b}, interval {interval}");
}

/// Compares the figures that depend on the schedule and the links alone. They must be equal.
fn same_schedule(sim: &Summary, net: &Summary) {
    for name in
        ["chat_sent", "deliveries_expected", "crashes", "leaves", "up_sent", "up_loss_ratio"]
    {
        assert_eq!(sim.get(name), net.get(name), "{name}");
    }
    assert_eq!((sim.get("unexplained"), net.get("unexplained")), (0.0, 0.0));
}

/// Compares detection times. They are uniform over one period `h`, and a busy machine adds its
/// lateness.
fn detection_agrees(sim: &Summary, net: &Summary, h: f64) {
    let n = sim.get("eviction_latency_samples").min(net.get("eviction_latency_samples"));
    let late = net.lateness_max();
    let mean = (sim.get("eviction_latency_mean_s") - net.get("eviction_latency_mean_s")).abs();
    assert!(mean <= 4.0 * h * (2.0 / 12.0 / n).sqrt() + late, "mean differs by {mean}");
    let p99 = (sim.get("eviction_latency_p99_s") - net.get("eviction_latency_p99_s")).abs();
    let interval = 4.0 * h * (2.0 * 0.01 * 0.99 / n).sqrt() + h / n;
    assert!(p99 <= interval + late, "p99 differs by {p99}");
    let (a, b) = (sim.get("false_evictions"), net.get("false_evictions"));
    assert!((a - b).abs() <= 4.0 * (a + b).sqrt(), "false evictions: sim {a}, net {b}");
}

#[test]
fn both_worlds_agree_on_the_quickstart() {
    let settings = [
        "group.clients.clients=300",
        "group.clients.chat.rate=0.1",
        "group.clients.churn.crash=0.02",
        "warmup=2s",
        "duration=4s",
        "drain=3s",
        "swarm.lateness_limit=10s",
    ];
    let (sim, net) = both("quickstart.toml", &settings);
    same_schedule(&sim, &net);
    share_agrees("down_loss_ratio", &sim, &net, net.get("down_sent"));
    share_agrees("delivery_ratio", &sim, &net, net.get("deliveries_expected"));
    // A message is reordered for most of its receivers or for few, so messages are the samples.
    share_agrees("reordered_ratio", &sim, &net, net.get("chat_sent"));
    detection_agrees(&sim, &net, 1.0);
}

#[test]
fn both_worlds_agree_on_a_crash_wave() {
    let settings = [
        "group.clients.clients=400",
        "group.clients.chat.rate=0.05",
        "warmup=2s",
        "duration=2s",
        "drain=3s",
        "event.0.at=2500ms",
        "swarm.lateness_limit=10s",
    ];
    let (sim, net) = both("crash-wave.toml", &settings);
    same_schedule(&sim, &net);
    assert_eq!(net.get("eviction_latency_samples"), 40.0);
    share_agrees("delivery_ratio", &sim, &net, net.get("deliveries_expected"));
    detection_agrees(&sim, &net, 1.0);
}

#[test]
fn both_worlds_agree_on_acks() {
    let settings = [
        "group.people.clients=20",
        "group.people.chat.rate=0.5",
        "group.people.heartbeat.every=300ms",
        "warmup=2s",
        "duration=2s",
        "drain=6s",
        "swarm.lateness_limit=10s",
    ];
    let (sim, net) = both("acks.toml", &settings);
    assert_eq!((sim.get("unexplained"), net.get("unexplained")), (0.0, 0.0));
    for name in ["chat_sent", "deliveries_expected"] {
        assert_eq!(sim.get(name), net.get(name), "{name}");
    }
    for summary in [&sim, &net] {
        assert!(summary.get("up_retransmitted") > 0.0 && summary.get("down_retransmitted") > 0.0);
        // Few texts still wait for their fifth try when the run ends.
        assert!(summary.get("delivery_ratio") > 0.98, "{}", summary.get("delivery_ratio"));
    }
}

#[test]
fn both_worlds_agree_on_a_dead_server() {
    let settings = ["group.clients.clients=200", "swarm.lateness_limit=10s"];
    let (sim, net) = both("dead-server.toml", &settings);
    let late = net.lateness_max();
    for name in ["server_detection_mean_s", "server_detection_max_s"] {
        let (a, b) = (sim.get(name), net.get(name));
        // The server's heartbeats have the same phases, counted from when it first hears of a
        // client.
        assert!((a - b).abs() <= 0.05 + late, "{name}: sim {a}, net {b}");
    }
    assert_eq!((sim.get("server_mistakes"), net.get("server_mistakes")), (0.0, 0.0));
    assert_eq!((sim.get("unexplained"), net.get("unexplained")), (0.0, 0.0));
}

#[test]
fn both_worlds_agree_on_changes_of_address() {
    let settings = ["warmup=2s", "duration=5s", "swarm.lateness_limit=10s"];
    let (sim, net) = both("rebinding.toml", &settings);
    for name in ["chat_sent", "deliveries_expected", "rebinds", "unexplained"] {
        assert_eq!(sim.get(name), net.get(name), "{name}");
    }
    // The same heartbeats come from the same new addresses, except that the machine may be late.
    let late = net.lateness_max();
    let (a, b) = (sim.get("rebind_recovery_mean_s"), net.get("rebind_recovery_mean_s"));
    assert!((a - b).abs() <= late + 0.05, "recovery: sim {a}, net {b}");
    let (a, b) = (sim.get("ghost_duration_mean_s"), net.get("ghost_duration_mean_s"));
    assert!((a - b).abs() <= 2.0 * late + 0.05, "ghosts: sim {a}, net {b}");
    share_agrees("delivery_ratio", &sim, &net, net.get("rebinds"));
}

#[test]
fn both_worlds_agree_on_attacks() {
    let text = std::fs::read_to_string(shipped("hostile.toml")).expect("it is there");
    let (single, _) = text.split_once("[sweep.over]").expect("it has a sweep");
    for (attack, admission) in
        [("spoof", "open"), ("spoof", "cookie"), ("flood", "open"), ("replay", "open")]
    {
        let run = |mode| {
            let bench = Bench::new();
            let kind = format!("group.enemy.hostile.kind={attack}");
            let admission = format!("server.admission={admission}");
            let arguments = [
                "--mode",
                mode,
                "--out",
                "out",
                "--quiet",
                "--set",
                &kind,
                "--set",
                &admission,
                "--set",
                "warmup=1s",
                "--set",
                "duration=2s",
                "--set",
                "drain=1s",
                "--set",
                "server.timeout=1s",
                "--set",
                "group.honest.heartbeat.every=400ms",
                "--set",
                "group.honest.chat.rate=0.1",
                "--set",
                "swarm.lateness_limit=10s",
            ];
            bench.summary(&bench.scenario(single), &arguments)
        };
        let (sim, net) = (run("sim"), run("net"));
        for name in ["chat_sent", "deliveries_expected", "up_sent", "unexplained"] {
            assert_eq!(sim.get(name), net.get(name), "{attack} {admission}: {name}");
        }
        // What the server answers depends on the order of the datagrams, which may change within
        // the lateness of the machine.
        let (a, b) = (sim.get("amplification"), net.get("amplification"));
        assert!((a - b).abs() <= 0.1 * a + 0.01, "{attack} {admission}: sim {a}, net {b}");
        if (attack, admission) == ("spoof", "cookie") {
            // RFC 9000, section 8.1: at most three times the bytes before the address is proved.
            assert!(b <= 3.0, "{b}");
        }
    }
}

#[test]
fn both_worlds_agree_on_workloads() {
    let settings = [
        "group.sensors.clients=200",
        "group.sensors.workload.telemetry.every=200ms",
        "group.resolvers.clients=30",
        "warmup=1500ms",
        "duration=4s",
        "drain=3s",
        "swarm.lateness_limit=10s",
    ];
    let (sim, net) = both("workloads.toml", &settings);
    for name in ["chat_sent", "samples", "queries", "deliveries_expected"] {
        assert_eq!(sim.get(name), net.get(name), "{name}");
    }
    assert_eq!((sim.get("unexplained"), net.get("unexplained")), (0.0, 0.0));
    let late = net.lateness_max();
    // The links lose the same samples.
    for name in ["samples_taken", "sensor_loss_max", "sample_loss_run_max"] {
        assert_eq!(sim.get(name), net.get(name), "{name}");
    }
    for name in ["age_mean_s", "age_p99_s"] {
        let (a, b) = (sim.get(name), net.get(name));
        assert!((a - b).abs() <= 0.01 * a + late, "{name}: sim {a}, net {b}");
    }
    // On a busy machine an answer or a frame may come too late to count.
    share_agrees("answered_ratio", &sim, &net, net.get("queries"));
    share_agrees("frames_lost_ratio", &sim, &net, net.get("frames_expected"));
    let asked = |summary: &Summary| summary.get("load_amplification") * summary.get("queries");
    assert!((asked(&sim) - asked(&net)).abs() <= 4.0 * asked(&sim).sqrt());
}

#[test]
fn both_worlds_agree_on_tcp_without_loss() {
    for workload in ["{ chat = { rate = 2 } }", "{ query = { rate = 5 } }"] {
        let workload = format!("group.room.workload={workload}");
        let settings = [
            "group.room.transport=tcp",
            "group.room.clients=20",
            &workload,
            "warmup=1s",
            "duration=3s",
            "drain=3s",
            "swarm.lateness_limit=10s",
        ];
        let (sim, net) = both("udp-or-tcp-net.toml", &settings);
        for name in ["deliveries_expected", "deliveries", "delivery_ratio", "connections_broken"] {
            assert_eq!(sim.get(name), net.get(name), "{name}");
        }
        assert_eq!((net.get("delivery_ratio"), net.get("unexplained")), (1.0, 0.0));
        assert_eq!(net.text("up_sent"), "", "the kernel's segments are not seen");
    }
}
