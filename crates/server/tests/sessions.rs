//! Sessions: a membership that survives a change of address, and that nobody else can end.

mod room;

use room::{Room, at};
use skipbeat_server::{Admission, Note, Options, RefusalCause};

/// A datagram with a session token in front.
fn with(token: &str, text: &str) -> Vec<u8> {
    format!("^session {token}^{text}").into_bytes()
}

/// Joins from a port and returns the token, which is not used yet.
fn join(room: &mut Room, millis: u64, port: u16) -> String {
    room.says(millis, port, b"^join session^");
    let welcome = String::from_utf8(room.log.sent.last().unwrap().1.clone()).unwrap();
    let token = welcome.strip_prefix("^welcome ").and_then(|rest| rest.strip_suffix('^'));
    token.unwrap_or_else(|| panic!("no token in {welcome:?}")).to_owned()
}

/// Moves a session to another port: shows the token, and then the cookie that comes back.
fn moves(room: &mut Room, millis: u64, port: u16, token: &str) {
    room.says(millis, port, &with(token, "^hb^"));
    let proof = cookie(room);
    room.says(millis, port, &with(token, &format!("^join session {proof}^")));
}

/// The cookie in the last datagram from the server.
fn cookie(room: &Room) -> String {
    let said = String::from_utf8(room.log.sent.last().unwrap().1.clone()).unwrap();
    said.strip_prefix("^cookie ").unwrap().strip_suffix('^').unwrap().to_owned()
}

#[test]
fn a_member_that_proves_a_new_address_with_its_token_has_moved() {
    let mut room = Room::new(Options::default());
    let token = join(&mut room, 0, 1);
    room.says(0, 2, b"^hb^");
    room.log.notes.clear();
    moves(&mut room, 1_000, 9, &token);
    assert_eq!(room.log.notes, [(9, Note::Refused(RefusalCause::NoProof)), (1, Note::Moved)]);
    assert_eq!(room.log.sent.len(), 2, "a welcome and a cookie: the token stays the same");
    // Its texts carry the new address, and it is the same member.
    room.says(2_000, 9, &with(&token, "hello"));
    let text = b"hello. from 127.0.0.1:4009".to_vec();
    assert_eq!(room.log.broadcasts, [(text, vec![1, 2])]);
    assert_eq!(room.evicted(at(10_001)), [2], "the other one was silent");
    // A datagram from the old address that arrives after the move is a sign of life, but does not
    // move the member back.
    room.log.notes.clear();
    moves(&mut room, 11_000, 10, &token);
    room.says(11_500, 9, &with(&token, "^hb^"));
    room.says(11_600, 10, &with(&token, "^hb^"));
    assert_eq!(room.log.notes[1..], [(1, Note::Moved)]);
    assert_eq!(room.server.last_seen(1), Some(at(11_600)));
}

#[test]
fn without_a_session_a_new_address_is_a_new_member_and_the_old_one_a_ghost() {
    let mut room = Room::new(Options::default());
    room.says(0, 1, b"^hb^");
    room.says(5_000, 9, b"^hb^");
    assert_eq!(room.server.members().iter().collect::<Vec<_>>(), [1, 9]);
    assert_eq!(room.evicted(at(10_001)), [1], "until its silence is too long");
}

#[test]
fn once_a_token_has_been_used_datagrams_without_it_are_refused() {
    let mut room = Room::new(Options::default());
    let token = join(&mut room, 0, 1);
    room.says(1, 1, b"before it was used everything counts");
    room.says(2, 1, &with(&token, "^hb^"));
    room.log.notes.clear();
    for text in [&b"quit"[..], b"^hb^", b"a forged text", b"^join^"] {
        room.says(100, 1, text);
    }
    assert_eq!(room.log.notes, vec![(1, Note::Refused(RefusalCause::NoToken)); 4]);
    assert_eq!(room.server.last_seen(1), Some(at(2)), "nor is any of it a sign of life");
    assert_eq!(room.log.broadcasts.len(), 1);
    room.says(200, 1, &with(&token, " quit\n"));
    assert!(room.server.members().is_empty());
}

#[test]
fn a_replayed_quit_of_an_old_session_ends_nothing() {
    let mut room = Room::new(Options::default());
    let old = join(&mut room, 0, 1);
    let quit = with(&old, "quit");
    room.says(1, 1, &quit);
    let new = join(&mut room, 2, 1);
    assert_ne!(old, new);
    room.says(3, 1, &with(&new, "^hb^"));
    room.log.notes.clear();
    room.says(4, 1, &quit);
    assert_eq!(room.log.notes, [(1, Note::Refused(RefusalCause::Expired))]);
    assert_eq!(room.log.sent.last(), Some(&(1, format!("^expired {old}^").into_bytes())));
    assert_eq!(room.server.members().len(), 1);
}

#[test]
fn another_token_replaces_the_first_only_once_it_is_used() {
    let mut room = Room::new(Options::default());
    let first = join(&mut room, 0, 1);
    room.says(1, 1, &with(&first, "^msg 0^one"));
    // This join could be forged. A forger does not see the answer, so the member must go on.
    let second = join(&mut room, 2, 1);
    assert_eq!(join(&mut room, 3, 1), second, "the same until it is used");
    room.says(4, 1, &with(&first, "^hb^"));
    assert_eq!(room.server.last_seen(1), Some(at(4)));
    // The real client has been restarted and uses the new token. Its texts are numbered from 0
    // again.
    room.says(5, 1, &with(&second, "^msg 0^two"));
    assert_eq!(room.log.broadcasts.len(), 2);
    room.says(6, 1, &with(&first, "^hb^"));
    assert_eq!(room.log.notes.last(), Some(&(1, Note::Refused(RefusalCause::Expired))));
}

/// An attacker must not move its own session to a forged address: it could direct texts at a
/// victim, and evict a member there.
#[test]
fn a_session_cannot_be_moved_to_a_forged_address() {
    for victim_has_session in [false, true] {
        let mut room = Room::new(Options::default());
        let enemy = join(&mut room, 0, 1);
        room.says(1, 1, &with(&enemy, "^hb^"));
        let mut hello = b"hello".to_vec();
        if victim_has_session {
            let token = join(&mut room, 2, 2);
            room.says(3, 2, &with(&token, "^hb^"));
            hello = with(&token, "hello");
        } else {
            room.says(2, 2, b"^hb^");
        }
        room.log.notes.clear();
        // The cookie goes to the victim, so the enemy does not see it.
        room.says(10, 2, &with(&enemy, "^hb^"));
        assert_eq!(room.log.notes, [(2, Note::Refused(RefusalCause::NoProof))]);
        assert_eq!(room.log.sent.last().unwrap().0, 2);
        room.says(11, 2, &with(&enemy, "^join session 012345678^"));
        room.says(12, 2, &hello);
        let text = b"hello. from 127.0.0.1:4002".to_vec();
        assert_eq!(room.log.broadcasts, [(text, vec![1, 2])], "the victim is still there");
        assert_eq!(room.server.members().len(), 2);
    }
}

#[test]
fn a_member_gets_numbered_texts_once_it_uses_the_token_that_asked_for_them() {
    let mut room = Room::new(Options::default());
    let token = join(&mut room, 0, 1);
    room.says(1, 1, &with(&token, "^hb^"));
    room.says(2, 1, b"^join reliable session^");
    room.says(3, 2, b"plain: the join may be forged");
    assert_eq!(room.log.broadcasts[0].1, [1, 2]);
    let welcome = String::from_utf8(room.log.sent.last().unwrap().1.clone()).unwrap();
    let second = welcome["^welcome ".len()..].trim_end_matches('^').to_owned();
    room.says(4, 1, &with(&second, "^hb^"));
    room.says(5, 2, b"numbered");
    assert_eq!(room.log.broadcasts[1].1, [2]);
}

#[test]
fn an_evicted_member_learns_that_its_session_has_expired() {
    let mut room = Room::new(Options::default());
    let token = join(&mut room, 0, 1);
    assert_eq!(room.evicted(at(10_001)), [1]);
    room.says(11_000, 1, &with(&token, "^hb^"));
    assert_eq!(room.log.notes[1..], [(1, Note::Refused(RefusalCause::Expired))]);
    assert!(room.server.members().is_empty(), "a token alone does not join");
    assert_ne!(join(&mut room, 11_001, 1), token);
}

#[test]
fn with_cookies_a_session_needs_a_cookie_for_each_new_address() {
    let options = Options { admission: Admission::Cookie, ..Options::default() };
    let mut room = Room::new(options);
    room.says(0, 1, b"^join session^");
    let proof = cookie(&room);
    room.says(1, 1, format!("^join session {proof}^").as_bytes());
    let welcome = String::from_utf8(room.log.sent.last().unwrap().1.clone()).unwrap();
    let token = welcome["^welcome ".len()..].trim_end_matches('^').to_owned();
    room.says(2, 1, &with(&token, "^hb^"));
    room.log.notes.clear();
    // From another address: the answer is at most three times as long, and the member stays where
    // it is.
    let moving = with(&token, "^hb^");
    room.says(3, 9, &moving);
    assert_eq!(room.log.notes, [(9, Note::Refused(RefusalCause::NoProof))]);
    let (to, answer) = room.log.sent.last().unwrap();
    assert!((*to, answer.len()) == (9, 18) && answer.len() <= 3 * moving.len());
    // The cookie of one address is no proof for another.
    room.says(4, 8, &with(&token, &format!("^join session {}^", cookie(&room))));
    assert_eq!(room.log.notes[1], (8, Note::Refused(RefusalCause::NoProof)));
    room.says(5, 9, &moving);
    let proof = cookie(&room);
    room.says(6, 9, &with(&token, &format!("^join session {proof}^")));
    assert_eq!(room.log.notes.last(), Some(&(1, Note::Moved)));
}
