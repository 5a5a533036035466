//! A million random and mutated datagrams through the grammar and the core. The server must not
//! panic, must keep its memory bounded, and must go on serving its honest member.

use std::net::SocketAddr;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_server::{
    AckEnd, DetectorOptions, Mechanism, Note, Options, PeerId, Sending, Server, ServerEffects,
};

/// Datagrams that an enemy who knows the grammar would mutate.
const SEEDS: [&[u8]; 15] = [
    b"^hb^",
    b"^hb 4294967295^",
    b"^ack 0^",
    b"^ack 99999999999999999999^",
    b"^msg 7^text",
    b"^msg 4294967295^",
    b"^join^",
    b"^join reliable^",
    b"^join session^",
    b"^session 0123456789abcdef^^hb^",
    b"^session 0123456789abcdef^quit",
    b"quit",
    b"bye",
    b"\xff\xfe\x00^",
    b"text. from 1.2.3.4:5",
];

#[derive(Default)]
struct Count {
    events: u64,
    heard_by_honest: u64,
}

const HONEST: PeerId = 0;

impl ServerEffects for Count {
    fn send(&mut self, to: PeerId, _: &[u8], _: Sending) {
        self.events += 1;
        self.heard_by_honest += u64::from(to == HONEST);
    }
    fn broadcast(&mut self, _: &[u8], members: &ClientSet, to: &ClientSet) {
        self.events += 1;
        assert!(to.iter().all(|peer| members.contains(peer)));
        self.heard_by_honest += u64::from(to.contains(HONEST));
    }
    fn settled(&mut self, _: PeerId, _: &[u8], _: AckEnd) {
        self.events += 1;
    }
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        assert_ne!(member, elsewhere);
        self.events += 1;
    }
    fn note(&mut self, _: PeerId, _: Note) {
        self.events += 1;
    }
}

/// A datagram of the enemy: a seed that is cut, or has bytes inserted or doubled; or plain noise.
fn datagram(bits: impl Fn(u64) -> u64) -> Vec<u8> {
    if bits(0).is_multiple_of(8) {
        return (0..bits(1) % 80).map(|i| bits(2 + i) as u8).collect();
    }
    let mut bytes = SEEDS[(bits(1) % SEEDS.len() as u64) as usize].to_vec();
    for i in 0..bits(2) % 4 {
        let at = (bits(10 + i) % (bytes.len() as u64 + 1)) as usize;
        match bits(20 + i) % 3 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, bits(30 + i) as u8),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

fn attack(options: Options, datagrams: u64, seed: u64) {
    const PEERS: u64 = 50;
    let mut server = Server::new(options, Seed(seed));
    let mut out = Count::default();
    let family = Seed(seed).family("enemy");
    let mut now = Time::ZERO;
    for n in 0..datagrams {
        let stream = family.stream(n);
        now += Span::from_nanos(stream.bits(100) % 20_000_000);
        let peer = 1 + (stream.bits(101) % PEERS) as PeerId;
        let from = SocketAddr::from(([127, 0, 0, 1], 2_000 + peer as u16));
        server.handle_datagram(now, peer, from, &datagram(|i| stream.bits(i)), &mut out);
        if n.is_multiple_of(50) {
            // The honest member sends a heartbeat every half second or so.
            let own = SocketAddr::from(([127, 0, 0, 1], 1_000));
            server.handle_datagram(now, HONEST, own, b"^hb^", &mut out);
            server.advance(now, &mut out);
            assert!(server.members().contains(HONEST), "the honest member stays");
        }
    }
    assert!(server.members().len() <= PEERS as u32 + 1);
    assert!(out.heard_by_honest > datagrams / 10, "and it hears what is said");
}

#[test]
fn a_million_hostile_datagrams_do_no_harm() {
    let both = Options { heartbeat: Mechanism::Both, ..Options::default() };
    attack(both, 700_000, 1);
    for detector in ["chen", "bertier", "phi"] {
        let table = format!("detector = \"{detector}\"");
        #[derive(serde::Deserialize)]
        struct Table {
            detector: DetectorOptions,
        }
        let Table { detector } = toml::from_str(&table).unwrap();
        attack(Options { detector, ..both }, 100_000, 2);
    }
}
