//! Hours of joins, quits and evictions in virtual time. The members are always those of an oracle
//! that does the obvious thing, and no timers pile up.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_server::{AckEnd, Note, Options, PeerId, Sending, Server, ServerEffects};

const PEERS: u64 = 300;
const TIMEOUT: Span = Span::from_secs(10);

#[derive(Default)]
struct Count {
    joined: u64,
    quit: u64,
    evicted: u64,
}

impl ServerEffects for Count {
    fn send(&mut self, _: PeerId, _: &[u8], _: Sending) {}
    fn settled(&mut self, _: PeerId, _: &[u8], _: AckEnd) {}
    fn broadcast(&mut self, _: &[u8], _: &ClientSet, _: &ClientSet) {}
    fn exchange(&mut self, _: PeerId, _: PeerId) {}
    fn note(&mut self, _: PeerId, note: Note) {
        match note {
            Note::Joined => self.joined += 1,
            Note::Quit => self.quit += 1,
            Note::Evicted { .. } => self.evicted += 1,
            Note::Moved | Note::Repeated | Note::Taken | Note::Served | Note::Refused(_) => {}
        }
    }
}

/// The last sign of life of each member. It checks everybody for silence each time.
struct Oracle(BTreeMap<PeerId, Time>);

impl Oracle {
    fn members(&mut self, now: Time) -> Vec<PeerId> {
        self.0.retain(|_, last| now.since(*last) <= TIMEOUT);
        self.0.keys().copied().collect()
    }
}

#[test]
fn members_are_those_of_the_oracle_during_hours_of_churn() {
    let mut server = Server::new(Options { timeout: TIMEOUT, ..Options::default() }, Seed(1));
    let mut oracle = Oracle(BTreeMap::new());
    let mut out = Count::default();
    let family = Seed(9).family("soak");
    let mut now = Time::ZERO;
    for n in 0..400_000u64 {
        let stream = family.stream(n);
        // Thirty datagrams a second: each peer is heard about every ten seconds, and often too
        // late.
        now += Span::from_nanos(stream.bits(0) % 66_000_000);
        // First the deadlines that are due, each at its own time.
        while let Some(due) = server.next_deadline().filter(|due| *due <= now) {
            server.advance(due, &mut out);
        }
        let peer = (stream.bits(1) % PEERS) as PeerId;
        let from = SocketAddr::from(([127, 0, 0, 1], peer as u16));
        let members = oracle.members(now);
        if stream.bits(2).is_multiple_of(20) {
            server.handle_datagram(now, peer, from, b"quit", &mut out);
            oracle.0.remove(&peer);
        } else {
            server.handle_datagram(now, peer, from, b"^hb^", &mut out);
            oracle.0.insert(peer, now);
        }
        if n.is_multiple_of(1_000) {
            let expected = oracle.members(now);
            assert_eq!(server.members().iter().collect::<Vec<_>>(), expected, "at {now:?}");
            assert!(!members.is_empty() || n == 0);
        }
    }
    let members = u64::from(server.members().len());
    assert_eq!(out.joined, out.quit + out.evicted + members, "every membership has one end");
    assert!(out.evicted > 10_000 && out.quit > 5_000, "{} and {}", out.evicted, out.quit);
    // When all fall silent, nothing is left.
    now += Span::from_secs(100);
    server.advance(now, &mut out);
    assert!(server.members().is_empty() && server.next_deadline().is_none());
}
