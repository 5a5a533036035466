//! The cost of the server core alone: a heartbeat with each detector, and a text to a thousand
//! members with and without acks.

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::Up;
use skipbeat_server::{
    AckEnd, Bertier, Chen, DetectorOptions, Missed, Note, Options, PeerId, Phi, Sending, Server,
    ServerEffects, Tail,
};

const MEMBERS: u32 = 1_000;

/// Does the least that a driver must do with a broadcast: visit every member.
#[derive(Default)]
struct Expand(u64);

impl ServerEffects for Expand {
    fn send(&mut self, to: PeerId, payload: &[u8], _: Sending) {
        self.0 += u64::from(to) + payload.len() as u64;
    }
    fn exchange(&mut self, _: PeerId, _: PeerId) {}
    fn settled(&mut self, to: PeerId, _: &[u8], _: AckEnd) {
        self.0 += u64::from(to);
    }
    fn broadcast(&mut self, payload: &[u8], _: &ClientSet, to: &ClientSet) {
        let bytes = payload.len() as u64;
        self.0 += to.iter().map(|member| u64::from(member) + bytes).sum::<u64>();
    }
    fn note(&mut self, peer: PeerId, _: Note) {
        self.0 += u64::from(peer);
    }
}

fn full_room(out: &mut Expand) -> Server {
    let mut server = Server::new(Options::default(), Seed(1));
    for peer in 0..MEMBERS {
        server.handle_datagram(Time::ZERO, peer, address(peer), b"^hb^", out);
    }
    server
}

fn address(peer: PeerId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + peer as u16))
}

fn core(c: &mut Criterion) {
    let mut out = Expand::default();
    let mut server = full_room(&mut out);
    let (mut now, mut peer) = (Time::ZERO, 0);
    let mut group = c.benchmark_group("server core");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one heartbeat of 1,000 members", |b| {
        b.iter(|| {
            // Each member sends a heartbeat every five seconds, and due deadlines are handled.
            peer = (peer + 1) % MEMBERS;
            now += Span::from_millis(5);
            server.handle_datagram(now, peer, address(peer), black_box(b"^hb^"), &mut out);
            if server.next_deadline().is_some_and(|at| at <= now) {
                server.advance(now, &mut out);
            }
        });
    });
    group.throughput(Throughput::Elements(MEMBERS.into()));
    group.bench_function("one broadcast to 1,000 members", |b| {
        b.iter(|| server.handle_datagram(now, 1, address(1), black_box(&[b'x'; 64]), &mut out));
    });
    group.finish();
    black_box(out.0);
}

/// Each member sends a heartbeat every five seconds.
fn detectors(c: &mut Criterion) {
    let every = Span::from_secs(5);
    let phi = Phi {
        threshold: 8.0,
        tail: Tail::Normal,
        window: 1000,
        min_deviation: Span::from_millis(100),
        pause: Span::ZERO,
        every,
    };
    let (window, margin) = (100, Span::from_secs(1));
    let mut group = c.benchmark_group("one heartbeat of 1,000 members");
    for (name, detector) in [
        ("timeout", DetectorOptions::Timeout),
        ("missed", DetectorOptions::Missed(Missed { misses: 3, every })),
        ("phi", DetectorOptions::Phi(phi)),
        ("chen", DetectorOptions::Chen(Chen { every, window, margin })),
        ("bertier", DetectorOptions::Bertier(Bertier { every, window, margin })),
    ] {
        let mut out = Expand::default();
        let mut server = Server::new(Options { detector, ..Options::default() }, Seed(1));
        let (mut now, mut beat) = (Time::ZERO, 0u32);
        group.bench_function(name, |b| {
            b.iter(|| {
                let peer = beat % MEMBERS;
                let up = Up::Heartbeat(Some(beat / MEMBERS));
                server.handle(now, peer, address(peer), black_box(up).into(), &mut out);
                if server.next_deadline().is_some_and(|at| at <= now) {
                    server.advance(now, &mut out);
                }
                beat = beat.wrapping_add(1);
                now += Span::from_millis(5);
            });
        });
        black_box(out.0);
    }
    group.finish();
}

/// A text to a thousand members: plain, or numbered and acked by each of them.
fn acks(c: &mut Criterion) {
    let mut group = c.benchmark_group("one text to 1,000 members");
    group.throughput(Throughput::Elements(MEMBERS.into()));
    for (name, join, acked) in [("plain", &b"^hb^"[..], false), ("acked", b"^join reliable^", true)]
    {
        let mut out = Expand::default();
        let mut server = Server::new(Options::default(), Seed(1));
        for peer in 0..MEMBERS {
            server.handle_datagram(Time::ZERO, peer, address(peer), join, &mut out);
        }
        let mut number = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                server.handle(
                    Time::ZERO,
                    1,
                    address(1),
                    Up::Chat(black_box(&[b'x'; 64])).into(),
                    &mut out,
                );
                if acked {
                    for peer in 0..MEMBERS {
                        server.handle(
                            Time::ZERO,
                            peer,
                            address(peer),
                            Up::Ack(number).into(),
                            &mut out,
                        );
                    }
                    number += 1;
                }
            });
        });
        black_box(out.0);
    }
    group.finish();
}

criterion_group!(benches, core, detectors, acks);
criterion_main!(benches);
