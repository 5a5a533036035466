//! A server on real sockets under a steady load of joins, leaves, crashes and strangers. At the end
//! its members are the expected ones, and its memory has not grown.
//!
//! It takes twenty seconds; `SKIPBEAT_SOAK=180 cargo test -p skipbeat-net --test soak` makes it
//! three minutes.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_net::{Clock, Io, LiveServer};
use skipbeat_scenario::ServerRuntime;
use skipbeat_server::Options;

const CLIENTS: usize = 100;
const TIMEOUT: Span = Span::from_millis(1500);
/// Every client sends a heartbeat once in so many ticks.
const PERIOD: u64 = 25;
const TICK: Duration = Duration::from_millis(10);
/// How long a busy machine may take to evict the last crashed client.
const PATIENCE: Span = Span::from_secs(30);

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number") * 4096
}

fn socket(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect(server).expect("it is on this machine");
    socket.set_nonblocking(true).expect("it can be");
    socket
}

/// Sends a datagram. Answers are never read, which must not matter to the server.
fn say(socket: &UdpSocket, text: &[u8]) {
    socket.send(text).expect("loopback takes it");
}

#[test]
fn members_are_the_expected_ones_and_memory_does_not_grow() {
    let seconds = std::env::var("SKIPBEAT_SOAK").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let options = Options { timeout: TIMEOUT, ..Options::default() };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = LiveServer::start(any, options, ServerRuntime::default(), Seed(1), Io::default())
        .expect("it starts");
    let draws = Seed(2).family("soak");
    let mut clients: Vec<UdpSocket> = (0..CLIENTS).map(|_| socket(server.address())).collect();
    let clock = Clock::start();
    let mut first = None;
    let mut tick = 0u64;
    while clock.now() < Time::ZERO + Span::from_secs(seconds) {
        let stream = draws.stream(tick);
        for (n, client) in clients.iter_mut().enumerate() {
            if n as u64 % PERIOD != tick % PERIOD {
                continue;
            }
            match stream.bits(n as u64) % 20 {
                // It leaves, and another one comes from another port.
                0 => {
                    say(client, b"quit");
                    *client = socket(server.address());
                }
                // It crashes, and another one comes from another port.
                1 => *client = socket(server.address()),
                2 => say(client, b"hello everybody"),
                _ => {}
            }
            say(client, b"^hb^");
        }
        // A stranger, whom the server should forget.
        let address = SocketAddr::from(([127, 9, (tick >> 8) as u8, tick as u8], 0));
        if let Ok(stranger) = UdpSocket::bind(address) {
            let _ = stranger.send_to(b"quit", server.address());
        }
        server.news();
        if clock.now() > Time::ZERO + Span::from_secs(seconds / 3) {
            first.get_or_insert_with(resident);
        }
        tick += 1;
        std::thread::sleep(TICK);
    }
    let last = resident();
    // From here on the clients stay the same, and those that have crashed are evicted.
    let expected: BTreeSet<_> = clients.iter().map(|c| c.local_addr().expect("bound")).collect();
    let limit = clock.now() + PATIENCE;
    let members = loop {
        clients.iter().for_each(|client| say(client, b"^hb^"));
        std::thread::sleep(TICK * 10);
        let members = server.members().expect("it runs").into_iter().map(|member| member.address);
        let members: BTreeSet<_> = members.collect();
        if members == expected || clock.now() > limit {
            break members;
        }
    };
    assert_eq!(members, expected);
    let stats = server.stats().expect("it runs");
    let gone = stats.quits + stats.evictions;
    assert_eq!(stats.joins, gone + CLIENTS as u64, "every membership has one end");
    assert!(stats.evictions > 0 && stats.quits > 0, "{stats:?}");
    assert!(stats.refused["quit-of-stranger"] > 0);
    assert!(stats.peers <= 4096 + CLIENTS as u64 + 1, "strangers are forgotten: {}", stats.peers);
    // Former members are remembered up to a limit, which takes far less memory than this.
    let grown = last.saturating_sub(first.expect("it went on for long enough"));
    println!("{tick} ticks, {} joins, grown by {grown} bytes", stats.joins);
    assert!(grown < 4 << 20, "memory grew by {grown} bytes");
    server.stop().expect("it ends");
}
