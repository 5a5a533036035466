//! Any sequence of datagrams from a few addresses, with every kind of server: no panic, nothing to an
//! address that has not proved itself beyond three times what came from there, and an honest member
//! with a session stays where it is and hears what is told, although the enemy forges its address.
//!
//! Input: one byte that chooses the server, then datagrams: a byte for the address, one for the time
//! that passes, one for the length, and the bytes. Byte 0xfe stands for the last token that was told
//! to that address, 0xfd for the last cookie: an enemy that hears what comes to its own addresses.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::Down;
use skipbeat_server::{
    AckEnd, Admission, EvictionTiming, Mechanism, Note, Options, PeerId, Rejoin, Sending, Server,
    ServerEffects,
};

/// The enemy's addresses; the honest member's is behind them.
const ENEMIES: usize = 8;
const HONEST: usize = ENEMIES;

#[derive(Default)]
struct Seen {
    /// Which peer is at which address.
    seats: Vec<PeerId>,
    tokens: Vec<u64>,
    cookies: Vec<u64>,
    told: u64,
    heard: u64,
    /// Bytes to an address that has not proved itself, since its last datagram.
    unproved: usize,
}

impl Seen {
    fn seat(&self, peer: PeerId) -> usize {
        self.seats.iter().position(|at| *at == peer).expect("every peer has a seat")
    }
}

impl ServerEffects for Seen {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        let seat = self.seat(to);
        self.unproved += if sending == Sending::Once { payload.len() } else { 0 };
        match Down::parse(payload) {
            Down::Welcome(Some(token)) => self.tokens[seat] = token,
            Down::Cookie(cookie) => self.cookies[seat] = cookie,
            _ => {}
        }
    }
    fn broadcast(&mut self, _: &[u8], members: &ClientSet, to: &ClientSet) {
        assert!(to.iter().all(|peer| members.contains(peer)));
        self.told += 1;
        self.heard += u64::from(to.contains(self.seats[HONEST]));
    }
    fn settled(&mut self, to: PeerId, _: &[u8], _: AckEnd) {
        self.seat(to);
    }
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        assert_ne!(member, elsewhere);
        let (a, b) = (self.seat(member), self.seat(elsewhere));
        assert!(a != HONEST && b != HONEST, "the honest member is moved");
        self.seats.swap(a, b);
    }
    fn note(&mut self, peer: PeerId, note: Note) {
        let harmless = matches!(note, Note::Refused(_) | Note::Joined | Note::Repeated);
        assert!(self.seat(peer) != HONEST || harmless, "{note:?} of the honest member");
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

fn address(seat: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000 + seat as u16))
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let mut server = Server::new(options(*choice), Seed(1));
    let mut seen = Seen {
        seats: (0..=HONEST as PeerId).collect(),
        tokens: vec![0; HONEST + 1],
        cookies: vec![0; HONEST + 1],
        ..Seen::default()
    };
    let mut now = Time::ZERO;
    let say = |now, seat: usize, text: &[u8], seen: &mut Seen, server: &mut Server| {
        server.handle_datagram(now, seen.seats[seat], address(seat), text, seen);
    };
    // The honest one joins in peace, and uses its token at once.
    say(now, HONEST, b"^join session^", &mut seen, &mut server);
    let proof = format!("^join session {:09x}^", seen.cookies[HONEST]);
    say(now, HONEST, proof.as_bytes(), &mut seen, &mut server);
    let beat = format!("^session {:016x}^^hb^", seen.tokens[HONEST]).into_bytes();
    say(now, HONEST, &beat, &mut seen, &mut server);
    (seen.told, seen.heard) = (0, 0);

    while let [seat, wait, length, tail @ ..] = rest {
        let (raw, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = behind;
        now += Span::from_millis(u64::from(*wait) * 20);
        say(now, HONEST, &beat, &mut seen, &mut server);
        server.advance(now, &mut seen);
        let seat = usize::from(*seat) % (HONEST + 1);
        let mut datagram = Vec::new();
        for byte in raw {
            // What is told to the honest one is not heard by the enemy.
            match byte {
                0xfe if seat != HONEST => {
                    datagram.extend(format!("{:016x}", seen.tokens[seat]).bytes());
                }
                0xfd if seat != HONEST => {
                    datagram.extend(format!("{:09x}", seen.cookies[seat]).bytes());
                }
                byte => datagram.push(*byte),
            }
        }
        let stranger = !server.members().contains(seen.seats[seat]);
        seen.unproved = 0;
        say(now, seat, &datagram, &mut seen, &mut server);
        if stranger && !server.members().contains(seen.seats[seat]) {
            assert!(seen.unproved <= 3 * datagram.len(), "{} bytes", seen.unproved);
        }
        assert!(server.members().contains(seen.seats[HONEST]), "the honest member is put out");
    }
    assert!(server.members().len() <= HONEST as u32 + 1);
    assert_eq!(seen.told, seen.heard, "the honest member hears all");
});
