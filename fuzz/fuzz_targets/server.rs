//! Any sequence of datagrams from a few addresses, with every kind of server: no panic, members and
//! what is sent bounded by what came, and an honest member stays and hears what is told.
//!
//! Input: one byte that chooses the server, then datagrams: a byte for the address, one for the time
//! that passes, one for the length, and the bytes.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_server::{
    Admission, Effects, Heartbeat, Note, Options, PeerId, Rejoin, Sending, Server, Settled, Sweep,
};

const PEERS: u32 = 8;
/// The honest one, which the fuzzer can't speak for.
const HONEST: PeerId = PEERS;

#[derive(Default)]
struct Seen {
    /// Which peer is at which address.
    seats: Vec<PeerId>,
    told: u64,
    heard: u64,
    /// Bytes to an address that has not proved itself, since its last datagram.
    unproved: usize,
}

impl Effects for Seen {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        assert!(to <= HONEST);
        if sending == Sending::Once && to != HONEST {
            self.unproved += payload.len();
        }
    }
    fn broadcast(&mut self, _: &[u8], members: &ClientSet, to: &ClientSet) {
        assert!(to.iter().all(|peer| members.contains(peer)));
        self.told += 1;
        self.heard += u64::from(to.contains(HONEST));
    }
    fn settled(&mut self, to: PeerId, _: &[u8], _: Settled) {
        assert!(to < HONEST);
    }
    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        assert_ne!(member, elsewhere);
        let seat = |peer| self.seats.iter().position(|at| *at == peer).expect("it has one");
        let (a, b) = (seat(member), seat(elsewhere));
        self.seats.swap(a, b);
    }
    fn note(&mut self, peer: PeerId, note: Note) {
        assert!(peer != HONEST || note == Note::Joined, "nothing happens to the honest member");
    }
}

fn options(choice: u8) -> Options {
    let pick = |bit: u8| choice >> bit & 1 == 1;
    Options {
        heartbeat: if pick(0) { Heartbeat::Both } else { Heartbeat::Client },
        sweep: if pick(1) { Sweep::Lazy } else { Sweep::Deadline },
        rejoin: if pick(2) { Rejoin::Sticky } else { Rejoin::Auto },
        admission: if pick(3) { Admission::Cookie } else { Admission::Open },
        ..Options::default()
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let options = options(*choice);
    let mut server = Server::new(options, Seed(1));
    let mut seen = Seen { seats: (0..=HONEST).collect(), ..Seen::default() };
    let mut now = Time::ZERO;
    let address = |seat: usize| SocketAddr::from(([127, 0, 0, 1], 1000 + seat as u16));
    let honest = options.admission == Admission::Open;
    while let [seat, wait, length, tail @ ..] = rest {
        let (datagram, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = behind;
        now += Span::from_millis(u64::from(*wait) * 20);
        if honest {
            server.handle_datagram(now, HONEST, address(HONEST as usize), b"^hb^", &mut seen);
        }
        server.advance(now, &mut seen);
        let seat = usize::from(*seat) % PEERS as usize;
        let peer = seen.seats[seat];
        let stranger = !server.members().contains(peer);
        seen.unproved = 0;
        server.handle_datagram(now, peer, address(seat), datagram, &mut seen);
        if stranger && !server.members().contains(peer) {
            assert!(seen.unproved <= 3 * datagram.len(), "{} bytes", seen.unproved);
        }
        assert!(!honest || server.members().contains(HONEST));
    }
    assert!(server.members().len() <= PEERS + 1);
    assert!(!honest || seen.told == seen.heard, "the honest member hears all");
});
