//! Membership: joining and quitting, the timeout with its three eviction timings, rejoining, heartbeats from
//! the server, acks, cookies and limits.

mod room;

use room::{Room, at};
use skipbeat_core::{Span, Time};
use skipbeat_server::{
    AckEnd, Admission, EvictionTiming, Limits, Mechanism, Note, Options, RateLimit, RefusalCause,
    Rejoin,
};

#[test]
fn a_heartbeat_joins_and_a_quit_leaves() {
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
fn a_text_joins_and_goes_to_all_members_with_the_senders_address() {
    let mut room = Room::new(Options::default());
    room.says(0, 3, b"^hb^");
    room.says(1, 1, b"hi \xff");
    assert_eq!(room.log.broadcasts, [(b"hi \xff. from 127.0.0.1:4001".to_vec(), vec![1, 3])]);
}

#[test]
fn an_overlong_datagram_is_refused_and_does_not_join() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, &[b'x'; 1025]);
    assert_eq!(room.log.notes, [(1, Note::Refused(RefusalCause::TooLong))]);
    assert!(room.log.broadcasts.is_empty() && room.server.members().is_empty());
    room.says(0, 1, &[b'x'; 1024]);
    assert_eq!(room.log.broadcasts.len(), 1);
}

#[test]
fn exact_deadlines_evict_a_nanosecond_after_the_timeout() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^hb^");
    room.says(4_000, 1, b"^hb^");
    assert!(room.evicted(at(14_000)).is_empty(), "a silence of exactly the timeout is allowed");
    assert_eq!(room.server.next_deadline(), Some(at(14_000) + Span::from_nanos(1)));
    assert_eq!(room.evicted(at(14_000) + Span::from_nanos(1)), [1]);
    assert_eq!(room.server.next_deadline(), None);
}

#[test]
fn the_deadline_of_an_earlier_membership_does_not_count() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^hb^");
    room.says(1_000, 1, b"quit");
    room.says(9_000, 1, b"^hb^");
    assert!(room.evicted(at(10_001)).is_empty(), "the old deadline does not count");
    assert_eq!(room.evicted(at(19_001)), [1]);
}

#[test]
fn a_periodic_look_evicts_silent_members() {
    let every = Span::from_secs(1);
    let mut room =
        Room::new(Options { eviction: EvictionTiming::Every(every), ..Options::default() });
    let phase = room.server.next_deadline().unwrap();
    assert!(phase < Time::ZERO + every);
    room.says(0, 1, b"^hb^");
    assert!(room.evicted(phase + every * 9).is_empty());
    let due = phase + every * 10;
    assert_eq!(room.server.next_deadline(), Some(due));
    assert_eq!(room.evicted(due), [1]);
}

#[test]
fn a_lazy_server_evicts_only_before_a_broadcast() {
    let mut room = Room::new(Options { eviction: EvictionTiming::Lazy, ..Options::default() });
    room.says(0, 1, b"^hb^");
    room.says(1_000, 2, b"^hb^");
    assert_eq!((room.server.next_deadline(), room.evicted(at(60_000))), (None, Vec::<u32>::new()));
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
fn stopping_sends_bye_to_all_members() {
    let mut room = Room::new(Options::default());
    room.says(0, 4, b"^hb^");
    room.server.stop(&mut room.log);
    assert_eq!(room.log.broadcasts, [(b"bye".to_vec(), vec![4])]);
}

#[test]
fn the_server_sends_heartbeats_at_a_phase_of_each_member_and_acks_keep_it_alive() {
    let options = Options {
        heartbeat: Mechanism::Server,
        heartbeat_every: Span::from_secs(1),
        timeout: Span::from_millis(2500),
        ..Options::default()
    };
    let mut room = Room::new(options);
    for peer in 0..100 {
        room.says(0, peer, b"^hb^");
    }
    // After half a period about half of the members have one heartbeat each; after a whole one all
    // do.
    room.evicted(at(500));
    let first = std::mem::take(&mut room.log.sent);
    assert!((30..70).contains(&first.len()), "{}", first.len());
    assert!(first.iter().all(|(_, beat)| beat == b"^hb 0^"));
    room.evicted(at(999));
    assert_eq!(first.len() + room.log.sent.len(), 100);
    // Peer 7 acks and stays; the others are evicted.
    room.says(1_000, 7, b"^ack 0^");
    room.evicted(at(1_999));
    room.says(2_400, 7, b"^ack 1^");
    room.evicted(at(2_600));
    assert_eq!(room.server.members().iter().collect::<Vec<_>>(), [7]);
    // A late ack does not bring an evicted member back.
    room.log.notes.clear();
    room.says(2_700, 8, b"^ack 1^");
    assert_eq!(room.log.notes, [(8, Note::Refused(RefusalCause::AckOfStranger))]);
}

#[test]
fn a_repeated_text_is_acked_each_time_and_broadcast_once() {
    let mut room = Room::new(Options::default());
    room.says(0, 2, b"^hb^");
    for millis in [1, 2, 3] {
        room.says(millis, 1, b"^msg 5^hello");
    }
    assert_eq!(room.log.sent, vec![(1, b"^ack 5^".to_vec()); 3]);
    assert_eq!(room.log.broadcasts, [(b"hello. from 127.0.0.1:4001".to_vec(), vec![1, 2])]);
    assert_eq!(room.log.notes[2..], [(1, Note::Repeated), (1, Note::Repeated)]);
    // An older number that was never seen is new. After quitting and joining again all numbers are
    // new.
    room.says(4, 1, b"^msg 3^late");
    room.says(5, 1, b"quit");
    room.says(5, 1, b"^join^");
    room.says(6, 1, b"^msg 5^again");
    assert_eq!(room.log.broadcasts.len(), 3);
}

#[test]
fn texts_to_reliable_members_are_repeated_until_acked_or_given_up() {
    let hour = Span::from_secs(3600);
    let mut room = Room::new(Options { timeout: hour, ..Options::default() });
    room.says(0, 1, b"^join reliable^");
    room.says(0, 2, b"^join reliable^");
    room.says(0, 3, b"one");
    let text = b"one. from 127.0.0.1:4003".to_vec();
    let numbered = b"^msg 0^one. from 127.0.0.1:4003".to_vec();
    assert_eq!(room.log.broadcasts, [(text.clone(), vec![3])]);
    assert_eq!(room.log.sent, [(1, numbered.clone()), (2, numbered.clone())]);
    room.says(100, 1, b"^ack 0^");
    room.says(101, 1, b"^ack 0^");
    assert_eq!(room.log.settled, [(1, text.clone(), AckEnd::Acked)]);
    room.log.sent.clear();
    // Member 2 never acks. Its text is sent seven more times and then given up.
    let mut last = Time::ZERO;
    while room.log.settled.len() < 2 {
        let due = room.server.next_deadline().unwrap();
        assert!(due >= last);
        last = due;
        room.server.advance(due, &mut room.log);
    }
    assert_eq!(room.log.sent, vec![(2, numbered); 7]);
    assert_eq!(room.log.settled[1], (2, text, AckEnd::GivenUp));
}

#[test]
fn a_reader_that_does_not_ack_loses_its_oldest_texts() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^join reliable^");
    for n in 0..1100 {
        room.says(1, 2, format!("{n}").as_bytes());
    }
    assert_eq!(room.log.settled.len(), 1100 - 1024);
    assert!(room.log.settled.iter().all(|(to, _, end)| (*to, *end) == (1, AckEnd::GivenUp)));
    assert_eq!(room.log.settled[0].1, b"0. from 127.0.0.1:4002");
    // Quitting gives up the rest.
    room.says(2, 1, b"quit");
    assert_eq!(room.log.settled.len(), 1100);
}

#[test]
fn with_cookies_nobody_joins_without_proof_of_address() {
    let options = Options { admission: Admission::Cookie, ..Options::default() };
    let mut room = Room::new(options);
    room.says(0, 1, b"^hb^");
    room.says(1, 1, b"hello");
    room.says(2, 1, b"^join^");
    let refused = (1, Note::Refused(RefusalCause::NoProof));
    assert_eq!(room.log.notes, [refused, refused, refused]);
    let [(1, cookie)] = &room.log.sent[..] else { panic!("one cookie, for the join alone") };
    assert!(cookie.starts_with(b"^cookie ") && cookie.len() <= 3 * b"^join^".len());
    let join = [b"^join ", &cookie[8..]].concat();
    // The cookie of one address is no proof for another.
    room.says(3, 2, &join);
    assert!(room.server.members().is_empty());
    room.says(4, 1, &join);
    room.says(5, 1, b"hello");
    assert_eq!(room.log.sent.last(), Some(&(1, b"^welcome^".to_vec())));
    assert_eq!(room.log.broadcasts, [(b"hello. from 127.0.0.1:4001".to_vec(), vec![1])]);
    // From a member the same datagram counts as a heartbeat, and is not answered.
    let answers = room.log.sent.len();
    room.says(6, 1, &join);
    assert_eq!(room.log.sent.len(), answers);
}

#[test]
fn each_limit_refuses_with_its_own_cause() {
    let limits = Limits {
        members: Some(2),
        per_client: Some(RateLimit { rate: 1.0, burst: 2 }),
        total: Some(RateLimit { rate: 1.0, burst: 3 }),
    };
    let mut room = Room::new(Options { limits, ..Options::default() });
    for peer in 1..=3 {
        room.says(0, peer, b"^hb^");
    }
    assert_eq!(room.log.notes[2], (3, Note::Refused(RefusalCause::Full)));
    room.log.notes.clear();
    for (peer, text) in [(1, "a"), (1, "b"), (1, "c"), (2, "d"), (2, "e")] {
        room.says(1, peer, text.as_bytes());
    }
    let refused = |peer, cause| (peer, Note::Refused(cause));
    assert_eq!(
        room.log.notes,
        [refused(1, RefusalCause::TooFast), refused(2, RefusalCause::Overload)]
    );
    assert_eq!(room.log.broadcasts.len(), 3);
}
