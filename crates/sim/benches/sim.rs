//! The cost of a whole run per datagram: with heartbeats only, and with chat to everybody.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_scenario::Plan;

/// A scenario in `scenarios/bench/`.
fn plan(name: &str) -> Plan {
    let path = format!("{}/../../scenarios/bench/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the repository holds it");
    Plan::parse(&path, &text, &[]).expect("the scenario is right")
}

fn sim(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulator");
    group.sample_size(10);
    for name in ["w1-10k", "w1-100k", "w2"] {
        let plan = plan(name);
        let run = || skipbeat_sim::run(&plan, &mut |_| true);
        let datagrams = run().tally.datagrams();
        group.throughput(Throughput::Elements(datagrams));
        group.bench_function(name, |b| b.iter(run));
    }
    group.finish();
}

criterion_group!(benches, sim);
criterion_main!(benches);
