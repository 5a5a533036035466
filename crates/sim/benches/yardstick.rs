//! The engine compared with a bare event loop: `cargo bench -p skipbeat-sim --bench yardstick`.
//! They run in turns, so that their ratio holds on a machine whose speed changes.
//!
//! The loop is what one would write first: a binary heap of all events, with an event for each
//! timeout. It only counts evictions: no ledger, no order, no detection times, no digest. It plays
//! `scenarios/bench/w1-*.toml`, with the same numbers of clients.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use skipbeat_core::{Seed, Stream};
use skipbeat_scenario::Plan;

const ROUNDS: usize = 3;
const SECOND: f64 = 1e9;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Beat,
    Arrive,
    /// The timeout that began with the arrival of this number.
    Timeout(u32),
    Crash,
}

#[derive(Clone, Copy)]
struct Client {
    up: bool,
    member: bool,
    arrivals: u32,
    stream: Stream,
    draws: u64,
}

impl Client {
    fn draw(&mut self) -> f64 {
        self.draws += 1;
        self.stream.unit(self.draws)
    }
}

/// Plays `w1` for 60 s, and returns the number of datagrams and of false evictions.
fn heap_loop(clients: u32) -> [u64; 2] {
    let seed = Seed(1).family("yardstick");
    let fresh = |client: u32| {
        let stream = seed.stream(client.into());
        Client { up: true, member: false, arrivals: 0, stream, draws: 0 }
    };
    let mut states: Vec<Client> = (0..clients).map(fresh).collect();
    let mut heap = BinaryHeap::new();
    for (client, state) in (0..clients).zip(&mut states) {
        heap.push(Reverse(((state.draw() * 5.0 * SECOND) as u64, Event::Beat, client)));
        if state.draw() < 0.01 {
            heap.push(Reverse(((state.draw() * 60.0 * SECOND) as u64, Event::Crash, client)));
        }
    }
    let [mut sent, mut mistakes] = [0, 0];
    while let Some(Reverse((now, event, client))) = heap.pop() {
        if now >= (60.0 * SECOND) as u64 {
            break;
        }
        let state = &mut states[client as usize];
        match event {
            Event::Beat if state.up => {
                sent += 1;
                let gap = (4.5 + state.draw()) * SECOND;
                heap.push(Reverse((now + gap as u64, Event::Beat, client)));
                if state.draw() >= 0.05 {
                    let delay = (0.010 - 0.020 * (1.0 - state.draw()).ln()) * SECOND;
                    heap.push(Reverse((now + delay as u64, Event::Arrive, client)));
                }
            }
            Event::Beat => {}
            Event::Arrive => {
                state.member = true;
                state.arrivals += 1;
                let timeout = Event::Timeout(state.arrivals);
                heap.push(Reverse((now + (10.0 * SECOND) as u64, timeout, client)));
            }
            Event::Timeout(arrival) if arrival == state.arrivals && state.member => {
                state.member = false;
                mistakes += u64::from(state.up);
            }
            Event::Timeout(_) => {}
            Event::Crash => state.up = false,
        }
    }
    [sent, mistakes]
}

/// Plays a scenario with the engine, and returns the same two numbers.
fn engine(name: &str) -> [u64; 2] {
    let path = format!("{}/../../scenarios/bench/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the repository holds it");
    let plan = Plan::parse(&path, &text, &[]).expect("the scenario is right");
    let results = skipbeat_sim::run(&plan, &mut |_| true);
    let sent = results.tally.datagrams();
    [sent, results.figures.get("false_evictions").unwrap_or(0.0) as u64]
}

/// The fastest round, in nanoseconds per datagram, and its false evictions.
struct Best {
    ns: f64,
    mistakes: u64,
}

impl Best {
    const NONE: Best = Best { ns: f64::INFINITY, mistakes: 0 };

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    fn time(&mut self, play: impl FnOnce() -> [u64; 2]) {
        let start = Instant::now();
        let [sent, mistakes] = play();
        self.ns = self.ns.min(start.elapsed().as_nanos() as f64 / sent as f64);
        self.mistakes = mistakes;
    }
}

fn main() {
    println!("{:<10} {:>12} {:>12} {:>8}  false evictions", "", "engine", "heap", "ratio");
    for (name, clients) in [("w1-10k", 10_000), ("w1-100k", 100_000), ("w1-1m", 1_000_000)] {
        let [mut ours, mut heap] = [Best::NONE; 2];
        for _ in 0..ROUNDS {
            ours.time(|| engine(name));
            heap.time(|| heap_loop(clients));
        }
        let ratio = heap.ns / ours.ns;
        let mistakes = format!("{} and {}", ours.mistakes, heap.mistakes);
        println!("{name:<10} {:>9.0} ns {:>9.0} ns {ratio:>8.1}  {mistakes}", ours.ns, heap.ns);
    }
    let mut ours = Best::NONE;
    (0..ROUNDS).for_each(|_| ours.time(|| engine("w2")));
    println!("{:<10} {:>9.0} ns", "w2", ours.ns);
}
