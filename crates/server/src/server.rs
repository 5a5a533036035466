//! The machine: members, the datagrams they send, the broadcast they get.

use std::net::SocketAddr;

use skipbeat_core::{ClientSet, Seed, Span, Time};
use skipbeat_protocol::{BYE, Refusal, Up, write_chat};

use crate::sweep::Sweeper;
use crate::{Options, PeerId, Rejoin, Sweep};

/// Where the effects of the server go.
pub trait Effects {
    /// One datagram to every member.
    fn broadcast(&mut self, payload: &[u8], members: &ClientSet);
    /// Something happened to a peer.
    fn note(&mut self, peer: PeerId, note: Note);
}

/// What happened to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// It is a member now.
    Joined,
    /// It said `quit` and is no member any more.
    Quit,
    /// It was silent for too long and is no member any more.
    Evicted {
        /// How long it was silent.
        silence: Span,
    },
    /// A datagram of it had no effect.
    Refused(RefusalCause),
}

/// Why a datagram had no effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RefusalCause {
    /// It is longer than the server takes.
    TooLong,
    /// `quit` from someone who is no member.
    QuitOfStranger,
    /// Its sender was evicted and must join explicitly.
    Evicted,
}

impl RefusalCause {
    /// Every cause.
    pub const ALL: [RefusalCause; 3] =
        [RefusalCause::TooLong, RefusalCause::QuitOfStranger, RefusalCause::Evicted];

    /// The name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            RefusalCause::TooLong => "too-long",
            RefusalCause::QuitOfStranger => "quit-of-stranger",
            RefusalCause::Evicted => "evicted",
        }
    }
}

/// The server core. State lives in arrays by peer: last sign of life, a bit for membership, a bit
/// for banishment, and one calendar entry where deadlines are exact.
#[derive(Debug)]
pub struct Server {
    options: Options,
    members: ClientSet,
    /// Evicted peers that must join explicitly (sticky rejoin only).
    banished: ClientSet,
    last_seen: Vec<Time>,
    sweeper: Sweeper,
    text: Vec<u8>,
}

impl Server {
    /// A server without members. The seed draws the phase of a periodic sweep.
    pub fn new(options: Options, seed: Seed) -> Self {
        Server {
            sweeper: Sweeper::new(options.sweep, seed),
            options,
            members: ClientSet::new(),
            banished: ClientSet::new(),
            last_seen: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Who is a member.
    pub fn members(&self) -> &ClientSet {
        &self.members
    }

    /// When a member last gave a sign of life.
    pub fn last_seen(&self, peer: PeerId) -> Option<Time> {
        self.members.contains(peer).then(|| self.last_seen[peer as usize])
    }

    /// Takes a datagram as it came from the socket.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Effects,
    ) {
        match Up::parse(datagram, self.options.max_datagram) {
            Ok(up) => self.handle(now, peer, from, up, out),
            Err(Refusal::TooLong) => out.note(peer, Note::Refused(RefusalCause::TooLong)),
        }
    }

    /// Takes what `peer` says; `from` is its address, which is printed behind its texts.
    pub fn handle(
        &mut self,
        now: Time,
        peer: PeerId,
        from: SocketAddr,
        up: Up<'_>,
        out: &mut impl Effects,
    ) {
        match up {
            Up::Heartbeat => {
                self.refresh(now, peer, out);
            }
            Up::Join => {
                self.banished.remove(peer);
                self.refresh(now, peer, out);
            }
            Up::Quit if self.members.remove(peer) => out.note(peer, Note::Quit),
            Up::Quit => out.note(peer, Note::Refused(RefusalCause::QuitOfStranger)),
            Up::Chat(text) => {
                if !self.refresh(now, peer, out) {
                    return;
                }
                if self.options.sweep == Sweep::Lazy {
                    self.evict_silent(now, out);
                }
                write_chat(text, from, &mut self.text);
                out.broadcast(&self.text, &self.members);
            }
        }
    }

    /// When [`Server::advance`] has something to do. It may turn out to be nothing.
    pub fn next_deadline(&self) -> Option<Time> {
        self.sweeper.next_deadline()
    }

    /// Does what is due at `now` or before.
    pub fn advance(&mut self, now: Time, out: &mut impl Effects) {
        match &mut self.sweeper {
            Sweeper::Lazy => {}
            Sweeper::Every { period, next } if *next <= now => {
                let missed = now.since(*next).nanos() / period.nanos();
                *next += *period * (missed + 1);
                self.evict_silent(now, out);
            }
            Sweeper::Every { .. } => {}
            Sweeper::Deadline { calendar, armed } => {
                while let Some((_, peer)) = calendar.pop_until(now) {
                    let silence = now.since(self.last_seen[peer as usize]);
                    if !self.members.contains(peer) {
                        armed.remove(peer);
                    } else if silence <= self.options.timeout {
                        let deadline = first_moment_too_late(
                            self.last_seen[peer as usize],
                            self.options.timeout,
                        );
                        calendar.push(deadline, peer);
                    } else {
                        armed.remove(peer);
                        evict(
                            &mut self.members,
                            &mut self.banished,
                            &self.options,
                            peer,
                            silence,
                            out,
                        );
                    }
                }
            }
        }
    }

    /// Says `bye` to all members and forgets them.
    pub fn stop(&mut self, out: &mut impl Effects) {
        out.broadcast(BYE, &self.members);
        self.members = ClientSet::new();
    }

    /// A sign of life: joins or refreshes. Says whether `peer` is a member now.
    fn refresh(&mut self, now: Time, peer: PeerId, out: &mut impl Effects) -> bool {
        let index = peer as usize;
        if index >= self.last_seen.len() {
            self.last_seen.resize(index + 1, Time::ZERO);
        }
        if !self.members.contains(peer) {
            if self.options.rejoin == Rejoin::Sticky && self.banished.contains(peer) {
                out.note(peer, Note::Refused(RefusalCause::Evicted));
                return false;
            }
            self.members.insert(peer);
            self.sweeper.arm(peer, first_moment_too_late(now, self.options.timeout));
            out.note(peer, Note::Joined);
        }
        self.last_seen[index] = now;
        true
    }

    /// Looks at all members.
    fn evict_silent(&mut self, now: Time, out: &mut impl Effects) {
        let silent: Vec<_> = (self.members.iter())
            .map(|peer| (peer, now.since(self.last_seen[peer as usize])))
            .filter(|(_, silence)| *silence > self.options.timeout)
            .collect();
        for (peer, silence) in silent {
            evict(&mut self.members, &mut self.banished, &self.options, peer, silence, out);
        }
    }
}

/// Silence is too long when it is strictly greater than the timeout.
fn first_moment_too_late(last_seen: Time, timeout: Span) -> Time {
    last_seen + timeout + Span::from_nanos(1)
}

fn evict(
    members: &mut ClientSet,
    banished: &mut ClientSet,
    options: &Options,
    peer: PeerId,
    silence: Span,
    out: &mut impl Effects,
) {
    members.remove(peer);
    if options.rejoin == Rejoin::Sticky {
        banished.insert(peer);
    }
    out.note(peer, Note::Evicted { silence });
}
