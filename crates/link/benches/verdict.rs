//! What one verdict costs: on a link that does nothing, with loss and delay, and with all stages.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_core::{Direction, Probability, Seed, Span, Time};
use skipbeat_link::{Delay, Duplicate, LinkOptions, Links, Loss, Reorder};

const LINKS: u32 = 1_000;

fn verdict(c: &mut Criterion) {
    let p = |p| Probability::new(p).expect("a probability");
    let exponential =
        Delay::Exponential { min: Span::from_millis(10), mean: Span::from_millis(30) };
    let loss = Loss::Bernoulli { probability: p(0.05) };
    let lossy = LinkOptions { loss, delay: exponential, ..LinkOptions::default() };
    let all = LinkOptions {
        reorder: Some(Reorder::Hold { probability: p(0.02), extra: Span::from_millis(20) }),
        duplicate: Duplicate { probability: p(0.01), within: Span::from_millis(10) },
        ..lossy
    };
    let mut group = c.benchmark_group("link verdict");
    group.throughput(Throughput::Elements(LINKS.into()));
    for (name, options) in
        [("plain", LinkOptions::default()), ("loss and delay", lossy), ("all stages", all)]
    {
        let mut links = Links::new(Seed(1), Direction::Down, vec![options], LINKS);
        let mut now = Time::ZERO;
        group.bench_function(name, |b| {
            b.iter(|| {
                now += Span::from_millis(1);
                for link in 0..LINKS {
                    black_box(links.judge(now, 0, link));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, verdict);
criterion_main!(benches);
