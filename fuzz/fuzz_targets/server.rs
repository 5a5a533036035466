//! Any sequence of datagrams from a few addresses, against every kind of server. The server must
//! not panic. It must not send more than three times the bytes it received to an address that has
//! not proved itself. An honest member with a session must keep its address and receive every
//! broadcast, although the enemy forges its address.
//!
//! Input: one byte that selects the server's options, then datagrams. Each is a byte for the
//! address, a byte for the time that passes (in units of 20 ms), a byte for the length, and the
//! payload. In the payload 0xfe stands for the last token sent to that address and 0xfd for the
//! last cookie, because an enemy receives what is sent to its own addresses.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::Down;
use skipbeat_server::{
    AckEnd, Admission, EvictionTiming, Mechanism, Note, Options, PeerId, Rejoin, Sending, Server,
    ServerEffects,
};

/// The number of addresses that the enemy owns.
const ENEMIES: usize = 8;
/// The index of the honest member's address, after those of the enemy.
const HONEST: usize = ENEMIES;

/// What the server did. Vectors are indexed by address.
#[derive(Default)]
struct Observer {
    /// The peer at each address.
    peers: Vec<PeerId>,
    /// The last token sent to each address.
    tokens: Vec<u64>,
    /// The last cookie sent to each address.
    cookies: Vec<u64>,
    broadcasts: u64,
    /// Broadcasts that went to the honest member.
    heard: u64,
    /// Bytes sent once, without acks, since the last datagram of the enemy.
    answered: usize,
}

impl Observer {
    fn address_of(&self, peer: PeerId) -> usize {
        self.peers.iter().position(|at| *at == peer).expect("every peer has an address")
    }
}

impl ServerEffects for Observer {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        let address = self.address_of(to);
        self.answered += if sending == Sending::Once { payload.len() } else { 0 };
        match Down::parse(payload) {
            Down::Welcome(Some(token)) => self.tokens[address] = token,
            Down::Cookie(cookie) => self.cookies[address] = cookie,
            _ => {}
        }
    }
    fn broadcast(&mut self, _: &[u8], members: &ClientSet, to: &ClientSet) {
        assert!(to.iter().all(|peer| members.contains(peer)));
        self.broadcasts += 1;
        self.heard += u64::from(to.contains(self.peers[HONEST]));
    }
    fn settled(&mut self, to: PeerId, _: &[u8], _: AckEnd) {
        self.address_of(to);
    }
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        assert_ne!(member, elsewhere);
        let (a, b) = (self.address_of(member), self.address_of(elsewhere));
        assert!(a != HONEST && b != HONEST, "the honest member is moved");
        self.peers.swap(a, b);
    }
    fn note(&mut self, peer: PeerId, note: Note) {
        let harmless = matches!(note, Note::Refused(_) | Note::Joined | Note::Repeated);
        assert!(self.address_of(peer) != HONEST || harmless, "{note:?} of the honest member");
    }
}

fn options(choice: u8) -> Options {
    let pick = |bit: u8| choice >> bit & 1 == 1;
    Options {
        heartbeat: if pick(0) { Mechanism::Both } else { Mechanism::Client },
        eviction: if pick(1) { EvictionTiming::Lazy } else { EvictionTiming::Deadline },
        rejoin: if pick(2) { Rejoin::Sticky } else { Rejoin::Auto },
        admission: if pick(3) { Admission::Cookie } else { Admission::Open },
        ..Options::default()
    }
}

fn socket_address(address: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000 + address as u16))
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let mut server = Server::new(options(*choice), Seed(1));
    let mut observer = Observer {
        peers: (0..=HONEST as PeerId).collect(),
        tokens: vec![0; HONEST + 1],
        cookies: vec![0; HONEST + 1],
        ..Observer::default()
    };
    let mut now = Time::ZERO;
    let say = |now, address: usize, text: &[u8], observer: &mut Observer, server: &mut Server| {
        let (peer, from) = (observer.peers[address], socket_address(address));
        server.handle_datagram(now, peer, from, text, observer);
    };
    // The honest member joins before the attack, and uses its token at once.
    say(now, HONEST, b"^join session^", &mut observer, &mut server);
    let proof = format!("^join session {:09x}^", observer.cookies[HONEST]);
    say(now, HONEST, proof.as_bytes(), &mut observer, &mut server);
    let beat = format!("^session {:016x}^^hb^", observer.tokens[HONEST]).into_bytes();
    say(now, HONEST, &beat, &mut observer, &mut server);
    (observer.broadcasts, observer.heard) = (0, 0);

    while let [address, wait, length, tail @ ..] = rest {
        let (raw, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = behind;
        now += Span::from_millis(u64::from(*wait) * 20);
        say(now, HONEST, &beat, &mut observer, &mut server);
        server.advance(now, &mut observer);
        let address = usize::from(*address) % (HONEST + 1);
        let mut datagram = Vec::new();
        for byte in raw {
            // The enemy does not receive what is sent to the honest member.
            match byte {
                0xfe if address != HONEST => {
                    datagram.extend(format!("{:016x}", observer.tokens[address]).bytes());
                }
                0xfd if address != HONEST => {
                    datagram.extend(format!("{:09x}", observer.cookies[address]).bytes());
                }
                byte => datagram.push(*byte),
            }
        }
        let stranger = !server.members().contains(observer.peers[address]);
        observer.answered = 0;
        say(now, address, &datagram, &mut observer, &mut server);
        if stranger && !server.members().contains(observer.peers[address]) {
            assert!(observer.answered <= 3 * datagram.len(), "{} bytes", observer.answered);
        }
        assert!(server.members().contains(observer.peers[HONEST]), "the honest member is evicted");
    }
    assert!(server.members().len() <= HONEST as u32 + 1);
    assert_eq!(observer.broadcasts, observer.heard, "the honest member receives every broadcast");
});
