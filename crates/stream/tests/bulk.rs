//! A bulk transfer against the formula of Mathis et al., and what arrives, come what may.

use std::collections::BTreeMap;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_stream::{Endpoint, Side, TcpOptions};

/// One way.
const DELAY: Span = Span::from_millis(50);
/// Bytes of a segment's payload at the most.
const MSS: f64 = 1460.0;

/// Two ends with a network between them.
struct Network {
    ends: [Endpoint; 2],
    /// Packets on their way: when they arrive and where.
    flying: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    sent: u64,
    loss: [f64; 2],
    seed: Seed,
}

impl Network {
    fn new(loss: [f64; 2], seed: u64, tuning: TcpOptions) -> Self {
        let open = |side| Endpoint::open(Time::ZERO, side, seed, tuning);
        let ends = [open(Side::Client), open(Side::Server)];
        Network { ends, flying: BTreeMap::new(), sent: 0, loss, seed: Seed(seed) }
    }

    /// Runs until `end`. `work` has a look at both ends whenever something was done.
    fn run(&mut self, end: Time, mut work: impl FnMut(Time, &mut [Endpoint; 2])) {
        let mut now = Time::ZERO;
        let losses = ["up", "down"].map(|way| self.seed.family(way).stream(0));
        while now < end {
            work(now, &mut self.ends);
            for (side, end) in self.ends.iter_mut().enumerate() {
                end.advance(now);
                while let Some(packet) = end.next_packet() {
                    self.sent += 1;
                    if losses[side].unit(self.sent) >= self.loss[side] {
                        self.flying.insert((now + DELAY, self.sent), (1 - side, packet));
                    }
                }
            }
            work(now, &mut self.ends);
            let timers = self.ends.each_mut().map(|end| end.next_deadline(now));
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let next = timers.into_iter().chain([arrival]).flatten().min().unwrap_or(end);
            // What is written is written within a second.
            now = next.min(now + Span::from_secs(1));
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= now) {
                let (side, packet) = entry.remove();
                self.ends[side].receive(now, packet);
            }
        }
    }
}

/// Bytes of payload per second that arrive at the server.
fn goodput(loss: f64, seconds: u64) -> f64 {
    let tuning = TcpOptions { buffer: 1 << 20, ..TcpOptions::default() };
    let mut network = Network::new([loss, 0.0], 1, tuning);
    let (mut written, mut read) = (0u64, 0u64);
    let datagram = [7; 1000];
    network.run(Time::ZERO + Span::from_secs(seconds), |_, [client, server]| {
        while server.next_datagram().is_some() {
            read += 1;
        }
        // As much as is on its way, and half a megabyte more.
        while written < read + 1000 {
            client.write(&datagram);
            written += 1;
        }
    });
    read as f64 * 1002.0 / seconds as f64
}

/// Mathis, Semke, Mahdavi, Ott, *The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm*,
/// CCR 27(3), 1997: MSS/RTT · C/√p, with C = √(3/4) where every other segment is acknowledged, as it is
/// here.
#[test]
fn the_goodput_of_a_bulk_transfer_is_that_of_mathis() {
    for loss in [0.001, 0.002, 0.005, 0.01, 0.02] {
        let got = goodput(loss, 1_000);
        let rtt = 2.0 * DELAY.seconds();
        let expected = MSS / rtt * 0.75_f64.sqrt() / loss.sqrt();
        let ratio = got / expected;
        println!("p={loss}: {got:.0} B/s of {expected:.0}, ratio {ratio:.3}");
        assert!((1.0 / 1.5..1.5).contains(&ratio), "p={loss}: {got} of {expected}");
    }
}

#[test]
fn everything_arrives_in_order_or_the_connection_is_dead() {
    for (loss, fate) in [(0.0, "arrives"), (0.2, "arrives"), (1.0, "is dead")] {
        let mut network = Network::new([loss, loss], 3, TcpOptions::default());
        let (mut said, mut heard) = (0u32, Vec::new());
        network.run(Time::ZERO + Span::from_secs(1_000), |now, [client, server]| {
            while f64::from(said) < now.seconds() && said < 200 {
                client.write(&said.to_be_bytes());
                said += 1;
            }
            heard.extend(std::iter::from_fn(|| server.next_datagram()));
        });
        let in_order: Vec<_> = (0..heard.len() as u32).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(heard, in_order);
        let dead = network.ends[0].is_dead();
        let came = if dead {
            "is dead"
        } else if heard.len() == said as usize {
            "arrives"
        } else {
            ""
        };
        assert_eq!(came, fate, "loss {loss}: {} of {said}", heard.len());
    }
}
