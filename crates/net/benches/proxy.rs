//! How many datagrams the proxy carries per second on this machine, with and without impairments. A
//! client sends bursts to an echo server, and the next burst begins when all of one is back. So
//! each datagram counts twice, and none may be lost.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_core::{Direction, Seed, Span, Time};
use skipbeat_link::{LinkOptions, read_compact};
use skipbeat_net::{
    BoundProxy, Io, Passage, ProxyCommand, ProxyObserver, ProxyOptions, ProxyTotals,
};

/// Datagrams that are under way at a time. The buffers of every system have room for so many.
const BURST: usize = 128;
const BURSTS: usize = 8;

/// An observer that lets the proxy run until the flag is set.
struct Silent(Arc<AtomicBool>);

impl ProxyObserver for Silent {
    fn passage(&mut self, _: &Passage<'_>) {}
    fn session(&mut self, _: Time, _: SocketAddr, _: bool) {}
    fn tick(&mut self, _: Time, _: &ProxyTotals, _: [&LinkOptions; 2]) -> Vec<ProxyCommand> {
        if self.0.load(Ordering::Relaxed) { vec![ProxyCommand::Stop] } else { Vec::new() }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("it can be set");
    socket
}

/// Starts an echo server that runs until the flag is set. Returns its address.
fn echo(stop: Arc<AtomicBool>) -> SocketAddr {
    let server = socket();
    server.set_read_timeout(Some(Duration::from_millis(100))).expect("it can be set");
    let address = server.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, from)) = server.recv_from(&mut buffer) {
                let _ = server.send_to(&buffer[..length], from);
            }
        }
    });
    address
}

fn carry(c: &mut Criterion) {
    let stop = Arc::new(AtomicBool::new(false));
    let target = echo(Arc::clone(&stop));
    let mut group = c.benchmark_group("proxy");
    group.throughput(Throughput::Elements((2 * BURST * BURSTS) as u64)).sample_size(20);
    let links = [
        ("no impairment", ""),
        (
            "all stages",
            "delay=exp(mean=100us),reorder=hold(probability=1%,extra=100us),rate=(bandwidth=10Gbit,packets=10000)",
        ),
    ];
    let mut runs: Vec<(&str, SocketAddr)> = vec![("without proxy", target)];
    for (name, text) in links {
        let link =
            |direction| read_compact(text, direction, LinkOptions::default()).expect("a link");
        let options = ProxyOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            target,
            up: link(Direction::Up).into(),
            down: link(Direction::Down).into(),
            seed: Seed(1),
            idle: Span::from_secs(60),
            most_sessions: 10,
            io: Io::default(),
        };
        let bound = BoundProxy::bind(options.listen).expect("a port is free");
        runs.push((name, bound.address()));
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || bound.run(&options, &mut Silent(stop)).expect("it runs"));
    }
    for (name, address) in runs {
        let client = socket();
        client.connect(address).expect("it is on this machine");
        let mut buffer = [0; 2048];
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..BURSTS {
                    for _ in 0..BURST {
                        client.send(&[7; 60]).expect("loopback takes it");
                    }
                    for _ in 0..BURST {
                        client.recv(&mut buffer).expect("nothing is lost");
                    }
                }
            });
        });
    }
    group.finish();
    stop.store(true, Ordering::Relaxed);
}

criterion_group!(benches, carry);
criterion_main!(benches);
