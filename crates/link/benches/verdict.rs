//! What one verdict costs: on a link that does nothing, with loss and delay, with all stages, and
//! with each stage by itself.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_core::{Direction, Roster, Seed, Span, Time};
use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, read_compact};

const LINKS: u32 = 1_000;

fn verdict(c: &mut Criterion) {
    let link =
        |text: &str| read_compact(text, Direction::Down, LinkOptions::default()).expect("a link");
    let plain = LinkOptions::default();
    let lossy = link("loss=5%,delay=exp(min=10ms,mean=30ms)");
    let all = link(
        "loss=ge(loss=5%,burst=3),mtu=1400,rate=(bandwidth=10Mbit,packets=1000),\
         delay=lognormal(median=30ms,sigma=.5,correlation=.5),\
         reorder=hold(probability=2%,extra=20ms),duplicate=1%,corrupt=(probability=1%)",
    );
    let mut group = c.benchmark_group("link verdict");
    group.throughput(Throughput::Elements(LINKS.into()));
    let packet = PacketInfo { bytes: 64, class: Class::Chat };
    let stages = [
        "loss=5%",
        "loss=ge(loss=5%,burst=3)",
        "loss=get(mean_good=19s,mean_bad=1s)",
        "mtu=1400",
        "rate=(bandwidth=10Mbit,packets=1000)",
        "rate=(bandwidth=10Mbit,police=15000)",
        "delay=uniform(min=10ms,max=30ms)",
        "delay=exp(min=10ms,mean=30ms)",
        "delay=lognormal(median=30ms,sigma=.5)",
        "delay=exp(mean=30ms,correlation=.5)",
        "delay=exp(mean=30ms,order=preserve)",
        "reorder=hold(probability=2%,extra=20ms)",
        "duplicate=1%",
        "corrupt=(probability=1%)",
    ];
    let stages = stages.map(|text| (text, link(text)));
    let others = [("plain", plain), ("loss and delay", lossy), ("all stages", all)];
    for (name, options) in others.into_iter().chain(stages) {
        let roster = Roster::new([LINKS]);
        let mut links = Links::new(Seed(1), Direction::Down, [options.into()], &roster);
        let mut now = Time::ZERO;
        group.bench_function(name, |b| {
            b.iter(|| {
                now += Span::from_millis(1);
                for link in 0..LINKS {
                    black_box(links.judge(now, 0, link, packet));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, verdict);
criterion_main!(benches);
