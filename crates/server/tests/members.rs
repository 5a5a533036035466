//! Who is a member when: join, refresh, quit, the strict timeout, the three sweeps, both rejoins.

use std::net::SocketAddr;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_server::{
    Effects, Heartbeat, Note, Options, PeerId, RefusalCause, Rejoin, Server, Sweep,
};

/// Writes down every effect.
#[derive(Default)]
struct Log {
    notes: Vec<(PeerId, Note)>,
    broadcasts: Vec<(Vec<u8>, Vec<PeerId>)>,
    sent: Vec<(PeerId, Vec<u8>)>,
}

impl Effects for Log {
    fn send(&mut self, to: PeerId, payload: &[u8]) {
        self.sent.push((to, payload.to_vec()));
    }
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet) {
        self.broadcasts.push((payload.to_vec(), members.iter().collect()));
    }
    fn note(&mut self, peer: PeerId, note: Note) {
        self.notes.push((peer, note));
    }
}

struct Room {
    server: Server,
    log: Log,
}

impl Room {
    fn new(options: Options) -> Self {
        Room { server: Server::new(options, Seed(1)), log: Log::default() }
    }

    fn says(&mut self, millis: u64, peer: PeerId, text: &[u8]) {
        let from = SocketAddr::from(([127, 0, 0, 1], 4000 + peer as u16));
        self.server.handle_datagram(at(millis), peer, from, text, &mut self.log);
    }

    fn evicted(&mut self, now: Time) -> Vec<PeerId> {
        self.log.notes.clear();
        self.server.advance(now, &mut self.log);
        let evicted = self.log.notes.iter().filter(|(_, n)| matches!(n, Note::Evicted { .. }));
        evicted.map(|(peer, _)| *peer).collect()
    }
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

#[test]
fn a_heartbeat_joins_and_quit_leaves() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b" ^hb^\n");
    room.says(1, 1, b"^hb^");
    room.says(2, 1, b"quit");
    room.says(3, 2, b"quit");
    assert_eq!(
        room.log.notes,
        [(1, Note::Joined), (1, Note::Quit), (2, Note::Refused(RefusalCause::QuitOfStranger))]
    );
    assert!(room.server.members().is_empty());
}

#[test]
fn text_joins_and_goes_to_all_with_the_address_of_the_sender() {
    let mut room = Room::new(Options::default());
    room.says(0, 3, b"^hb^");
    room.says(1, 1, b"hi \xff");
    assert_eq!(room.log.broadcasts, [(b"hi \xff. from 127.0.0.1:4001".to_vec(), vec![1, 3])]);
}

#[test]
fn an_over_long_datagram_is_refused_and_no_sign_of_life() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, &[b'x'; 1025]);
    assert_eq!(room.log.notes, [(1, Note::Refused(RefusalCause::TooLong))]);
    assert!(room.log.broadcasts.is_empty() && room.server.members().is_empty());
    room.says(0, 1, &[b'x'; 1024]);
    assert_eq!(room.log.broadcasts.len(), 1);
}

#[test]
fn exact_deadlines_evict_at_the_first_moment_above_the_timeout() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^hb^");
    room.says(4_000, 1, b"^hb^");
    assert_eq!(room.evicted(at(14_000)), [], "a silence of exactly the timeout is allowed");
    assert_eq!(room.server.next_deadline(), Some(at(14_000) + Span::from_nanos(1)));
    assert_eq!(room.evicted(at(14_000) + Span::from_nanos(1)), [1]);
    assert_eq!(room.server.next_deadline(), None);
}

#[test]
fn deadlines_survive_leaving_and_joining_again() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^hb^");
    room.says(1_000, 1, b"quit");
    room.says(9_000, 1, b"^hb^");
    assert_eq!(room.evicted(at(10_001)), [], "the old deadline means nothing");
    assert_eq!(room.evicted(at(19_001)), [1]);
}

#[test]
fn a_periodic_sweep_finds_the_silent_at_its_next_look() {
    let every = Span::from_secs(1);
    let mut room = Room::new(Options { sweep: Sweep::Every(every), ..Options::default() });
    let phase = room.server.next_deadline().unwrap();
    assert!(phase < Time::ZERO + every);
    room.says(0, 1, b"^hb^");
    assert_eq!(room.evicted(phase + every * 9), []);
    let due = phase + every * 10;
    assert_eq!(room.server.next_deadline(), Some(due));
    assert_eq!(room.evicted(due), [1]);
}

#[test]
fn a_lazy_sweep_looks_only_while_it_broadcasts() {
    let mut room = Room::new(Options { sweep: Sweep::Lazy, ..Options::default() });
    room.says(0, 1, b"^hb^");
    room.says(1_000, 2, b"^hb^");
    assert_eq!((room.server.next_deadline(), room.evicted(at(60_000))), (None, vec![]));
    room.says(10_500, 2, b"anyone?");
    assert_eq!(room.log.broadcasts[0].1, [2], "the silent one is gone before the text goes out");
}

#[test]
fn sticky_rejoin_needs_an_explicit_join() {
    let mut room = Room::new(Options { rejoin: Rejoin::Sticky, ..Options::default() });
    room.says(0, 1, b"^hb^");
    assert_eq!(room.evicted(at(10_001)), [1]);
    room.log.notes.clear();
    room.says(11_000, 1, b"^hb^");
    room.says(11_001, 1, b"let me in");
    room.says(11_002, 1, b"^join^");
    let refused = (1, Note::Refused(RefusalCause::Evicted));
    assert_eq!(room.log.notes, [refused, refused, (1, Note::Joined)]);
    assert!(room.log.broadcasts.is_empty());
}

#[test]
fn stopping_says_bye_to_the_members() {
    let mut room = Room::new(Options::default());
    room.says(0, 4, b"^hb^");
    room.server.stop(&mut room.log);
    assert_eq!(room.log.broadcasts, [(b"bye".to_vec(), vec![4])]);
}

#[test]
fn the_server_beats_to_each_member_at_a_phase_of_its_own_and_hears_the_acks() {
    let options = Options {
        heartbeat: Heartbeat::Server,
        heartbeat_every: Span::from_secs(1),
        timeout: Span::from_millis(2500),
        ..Options::default()
    };
    let mut room = Room::new(options);
    for peer in 0..100 {
        room.says(0, peer, b"^hb^");
    }
    // Half a second: about half of them, and every one of them once.
    room.evicted(at(500));
    let first = std::mem::take(&mut room.log.sent);
    assert!((30..70).contains(&first.len()), "{}", first.len());
    assert!(first.iter().all(|(_, beat)| beat == b"^hb 0^"));
    room.evicted(at(999));
    assert_eq!(first.len() + room.log.sent.len(), 100);
    // Peer 7 answers and stays, the others are gone.
    room.says(1_000, 7, b"^ack 0^");
    room.evicted(at(1_999));
    room.says(2_400, 7, b"^ack 1^");
    room.evicted(at(2_600));
    assert_eq!(room.server.members().iter().collect::<Vec<_>>(), [7]);
    // A late ack of an evicted member does not bring it back.
    room.log.notes.clear();
    room.says(2_700, 8, b"^ack 1^");
    assert_eq!(room.log.notes, [(8, Note::Refused(RefusalCause::AckOfStranger))]);
}
