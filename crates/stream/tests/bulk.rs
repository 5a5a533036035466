//! The goodput of a bulk transfer against the formula of Mathis et al., and delivery in order under
//! any loss.

use std::collections::BTreeMap;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_stream::{ConnectionEnd, Endpoint, TcpOptions};

/// The delay of the network each way.
const DELAY: Span = Span::from_millis(50);
/// The largest payload of a segment in bytes.
const MSS: f64 = 1460.0;

/// Two ends, and a network between them that loses and delays packets.
struct Network {
    ends: [Endpoint; 2],
    /// Packets in flight, by arrival time and order of sending: the receiving end and the bytes.
    in_flight: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    sent: u64,
    loss: [f64; 2],
    seed: Seed,
}

impl Network {
    fn new(loss: [f64; 2], seed: u64, options: TcpOptions) -> Self {
        let open = |side| Endpoint::open(Time::ZERO, side, seed, options);
        let ends = [open(ConnectionEnd::Client), open(ConnectionEnd::Server)];
        Network { ends, in_flight: BTreeMap::new(), sent: 0, loss, seed: Seed(seed) }
    }

    /// Runs until `end`. `work` is called with both ends before and after each step, to write and
    /// read.
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
                        self.in_flight.insert((now + DELAY, self.sent), (1 - side, packet));
                    }
                }
            }
            work(now, &mut self.ends);
            let timers = self.ends.each_mut().map(|end| end.next_deadline(now));
            let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            let next = timers.into_iter().chain([arrival]).flatten().min().unwrap_or(end);
            // `work` gets a chance to write at least once a second.
            now = next.min(now + Span::from_secs(1));
            while let Some(entry) = self.in_flight.first_entry().filter(|e| e.key().0 <= now) {
                let (side, packet) = entry.remove();
                self.ends[side].receive(now, packet);
            }
        }
    }
}

/// The payload that arrives at the server, in bytes per second.
fn goodput(loss: f64, seconds: u64) -> f64 {
    let options = TcpOptions { buffer: 1 << 20, ..TcpOptions::default() };
    let mut network = Network::new([loss, 0.0], 1, options);
    let (mut written, mut read) = (0u64, 0u64);
    let datagram = [7; 1000];
    network.run(Time::ZERO + Span::from_secs(seconds), |_, [client, server]| {
        while server.next_datagram().is_some() {
            read += 1;
        }
        // The client is kept 1 MB ahead of the server: more than the path can hold.
        while written < read + 1000 {
            client.write(&datagram);
            written += 1;
        }
    });
    read as f64 * 1002.0 / seconds as f64
}

/// Mathis, Semke, Mahdavi, Ott, *The Macroscopic Behavior of the TCP Congestion Avoidance
/// Algorithm*, CCR 27(3), 1997: MSS/RTT · C/√p. With delayed acknowledgements, as here, C = √(3/4).
/// The formula leaves out timeouts, so it is held to within a factor of 1.5 only.
#[test]
fn bulk_goodput_follows_the_formula_of_mathis() {
    for loss in [0.001, 0.002, 0.005, 0.01, 0.02] {
        let simulated = goodput(loss, 1_000);
        let rtt = 2.0 * DELAY.seconds();
        let expected = MSS / rtt * 0.75_f64.sqrt() / loss.sqrt();
        let ratio = simulated / expected;
        println!("p={loss}: {simulated:.0} B/s of {expected:.0}, ratio {ratio:.3}");
        assert!((1.0 / 1.5..1.5).contains(&ratio), "p={loss}: {simulated} of {expected}");
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
