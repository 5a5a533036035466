//! What the simulator costs per datagram, everything included: heartbeats only, and chat to all.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_scenario::Plan;

/// 10,000 clients that beat every 4.5 to 5.5 s for a minute, with loss, delay and crashes.
const HEARTBEATS: &str = r#"
name = "heartbeats"
duration = "60s"
drain = "0s"
[[group]]
name = "g"
clients = 10000
heartbeat = { every = "5s", jitter = { kind = "renewal", width = "500ms" } }
up = { loss = 0.05, delay = { kind = "exponential", min = "10ms", mean = "30ms" } }
churn = { crash = 0.0001675 }
"#;

/// 1,000 clients that say something every ten seconds, to all.
const CHAT: &str = r#"
name = "chat"
duration = "5s"
drain = "0s"
[[group]]
name = "g"
clients = 1000
chat = { rate = 0.1 }
up = { loss = 0.05, delay = { kind = "exponential", min = "10ms", mean = "30ms" } }
down = { loss = 0.05, delay = { kind = "exponential", min = "10ms", mean = "30ms" } }
"#;

fn sim(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulator");
    group.sample_size(10);
    for (name, text) in [("heartbeats only, 10k clients", HEARTBEATS), ("chat to all, 1k", CHAT)] {
        let plan = Plan::parse(name, text, &[]).expect("the scenario is right");
        let run = || skipbeat_sim::run(&plan, &mut |_| true);
        let datagrams = run().links.iter().flatten().map(|links| links.offered).sum();
        group.throughput(Throughput::Elements(datagrams));
        group.bench_function(name, |b| b.iter(run));
    }
    group.finish();
}

criterion_group!(benches, sim);
criterion_main!(benches);
