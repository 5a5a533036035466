//! The members of a foreign server, inferred from outside: a client that gets a broadcast is a
//! member. A crashed client keeps its socket, so its eviction lies between the last broadcast that
//! reaches it and the first that does not. A server that evicts lazily does so while it broadcasts, so
//! there the time of the latter is that of the eviction.
//!
//! A client that is evicted and joins again between two broadcasts goes unnoticed, and without chat
//! nothing is known.

use std::collections::VecDeque;

use skipbeat_core::{ClientId, ClientSet, MessageId, Span, Time};

/// A broadcast counts as complete when no datagram of it has come for this long.
const SETTLED: Span = Span::from_millis(500);

/// What was inferred.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Joined { at: Time, client: ClientId },
    Quit { at: Time, client: ClientId },
    Evicted { at: Time, client: ClientId, uncertainty: Span },
    Broadcast { at: Time, message: MessageId, members: ClientSet },
}

/// A broadcast that is not complete yet.
#[derive(Debug)]
struct Broadcast {
    message: MessageId,
    first_seen: Time,
    last_seen: Time,
    /// The clients that it has reached.
    got: ClientSet,
}

/// What is known of the members.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    members: ClientSet,
    /// By client, when the last broadcast that it got was first seen.
    last_got: Vec<Time>,
    open: VecDeque<Broadcast>,
    /// By client, when it last changed its address. Earlier broadcasts tell nothing about it.
    moved_at: Vec<Time>,
    /// By client, when its last `quit` that no link lost was sent.
    quit_at: Vec<Time>,
    /// Whether the server evicts only while it broadcasts.
    lazy: bool,
    /// How many broadcasts are complete.
    broadcasts: u64,
    /// When the first of those was first seen.
    first_broadcast: Time,
}

impl Outside {
    pub(crate) fn new(clients: u32, lazy: bool) -> Self {
        let never = vec![Time::ZERO; clients as usize];
        Outside {
            last_got: never.clone(),
            moved_at: never.clone(),
            quit_at: never,
            lazy,
            ..Outside::default()
        }
    }

    /// A `quit` of a client is on its way to the server.
    pub(crate) fn quits(&mut self, at: Time, client: ClientId) {
        self.quit_at[client as usize] = at;
    }

    /// A client changes its address. Returns whether it was a member. Whether the server still has
    /// a member at the old address can't be seen.
    pub(crate) fn moves(&mut self, now: Time, client: ClientId) -> bool {
        self.moved_at[client as usize] = now;
        self.members.remove(client)
    }

    /// A datagram of the server with a message was read for a client, before it enters its link
    /// down.
    pub(crate) fn got(&mut self, now: Time, client: ClientId, message: MessageId) {
        let known = self.open.iter_mut().rev().find(|broadcast| broadcast.message == message);
        match known {
            Some(broadcast) => {
                broadcast.last_seen = now;
                broadcast.got.insert(client);
            }
            None => {
                let mut got = ClientSet::with_room(self.last_got.len() as u32);
                got.insert(client);
                let (first_seen, last_seen) = (now, now);
                self.open.push_back(Broadcast { message, first_seen, last_seen, got });
            }
        }
    }

    /// Whether the members are known from `from` on: a broadcast has shown them before that, and
    /// another one could show a change.
    pub(crate) fn knows_since(&self, from: Time) -> bool {
        self.broadcasts >= 2 && self.first_broadcast <= from
    }

    /// Calls `conclude` for all that follows from the broadcasts that are complete by `now`.
    pub(crate) fn settle(&mut self, now: Time, mut conclude: impl FnMut(Conclusion)) {
        while self.open.front().is_some_and(|b| b.last_seen + SETTLED <= now) {
            let Some(Broadcast { message, first_seen, got, .. }) = self.open.pop_front() else {
                return;
            };
            if self.broadcasts == 0 {
                self.first_broadcast = first_seen;
            }
            self.broadcasts += 1;
            let not_moved = |client: &ClientId| self.moved_at[*client as usize] < first_seen;
            for client in got.iter().filter(not_moved).collect::<Vec<_>>() {
                if self.members.insert(client) {
                    conclude(Conclusion::Joined { at: first_seen, client });
                }
                self.last_got[client as usize] = first_seen;
            }
            let gone: Vec<_> = self.members.iter().filter(|c| !got.contains(*c)).collect();
            for client in gone {
                self.members.remove(client);
                let quit_at = self.quit_at[client as usize];
                if self.last_got[client as usize] < quit_at && quit_at <= first_seen {
                    conclude(Conclusion::Quit { at: first_seen, client });
                    continue;
                }
                let last = self.last_got[client as usize];
                let bracket = if self.lazy { Span::ZERO } else { first_seen.since(last) };
                let uncertainty = Span::from_nanos(bracket.nanos() / 2);
                let at = first_seen - uncertainty;
                conclude(Conclusion::Evicted { at, client, uncertainty });
            }
            conclude(Conclusion::Broadcast { at: first_seen, message, members: got });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server here never evicts, so a change of address must not be taken for an eviction.
    #[test]
    fn a_broadcast_before_a_change_of_address_tells_nothing_about_the_client() {
        let mut outside = Outside::new(2, false);
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let said = |seq| MessageId { sender: 0, seq };
        let mut conclusions = Vec::new();
        for (seq, time) in [(0, 1_000), (1, 2_000)] {
            outside.got(at(time), 0, said(seq));
            outside.got(at(time), 1, said(seq));
        }
        // The second is still open when the client moves.
        outside.settle(at(1_600), |c| conclusions.push(c));
        assert!(outside.moves(at(2_100), 1));
        outside.got(at(2_300), 0, said(2));
        outside.got(at(4_000), 0, said(3));
        outside.got(at(4_000), 1, said(3));
        outside.settle(at(9_000), |c| conclusions.push(c));
        let joins = [(0, 1_000), (1, 1_000), (1, 4_000)]
            .map(|(client, time)| Conclusion::Joined { at: at(time), client });
        let others = |c: &Conclusion| !matches!(c, Conclusion::Broadcast { .. });
        let seen: Vec<_> = conclusions.into_iter().filter(others).collect();
        assert_eq!(seen, joins);
    }

    #[test]
    fn two_broadcasts_bracket_an_eviction() {
        let mut outside = Outside::new(3, false);
        let at = |s| Time::ZERO + Span::from_secs(s);
        let said = |seq| MessageId { sender: 0, seq };
        for client in [0, 1, 2] {
            outside.got(at(1), client, said(0));
        }
        outside.quits(at(2), 2);
        outside.got(at(5), 0, said(1));
        let mut conclusions = Vec::new();
        outside.settle(at(9), |c| conclusions.push(c));
        let set = |clients: &[u32]| {
            let mut set = ClientSet::with_room(3);
            for client in clients {
                set.insert(*client);
            }
            set
        };
        assert_eq!(
            conclusions,
            [
                Conclusion::Joined { at: at(1), client: 0 },
                Conclusion::Joined { at: at(1), client: 1 },
                Conclusion::Joined { at: at(1), client: 2 },
                Conclusion::Broadcast { at: at(1), message: said(0), members: set(&[0, 1, 2]) },
                Conclusion::Evicted { at: at(3), client: 1, uncertainty: Span::from_secs(2) },
                Conclusion::Quit { at: at(5), client: 2 },
                Conclusion::Broadcast { at: at(5), message: said(1), members: set(&[0]) },
            ]
        );
    }
}
