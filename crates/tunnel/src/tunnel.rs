//! The books of the way between swarm and server: what enters a link, what the server does, and to
//! which client each of it belongs.

use skipbeat_core::{ClientId, ClientSet, Direction, Place, Roster, Span, Time};
use skipbeat_link::{Links, Verdict};
use skipbeat_measure::{Event, MessageSlot, Recorder, Window};
use skipbeat_protocol::{Down, HEARTBEAT, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::Note;
use skipbeat_swarm::{Act, Datagram, Heard};

use crate::{Places, Sent};

/// Links, addresses and books of a run.
pub struct Tunnel {
    /// Hears of everything.
    pub recorder: Recorder,
    /// Who is where.
    pub places: Places,
    /// Who belongs to which group.
    pub roster: Roster,
    /// What is later than this is heard as if it came at the end.
    pub end: Time,
    run: u32,
    up: Links,
    down: Links,
    scratch: Vec<u8>,
}

impl Tunnel {
    /// The tunnel of a run that has not begun.
    pub fn new(plan: &Plan) -> Self {
        let roster = plan.roster();
        let window = Window {
            from: plan.measured_from(),
            to: plan.measured_to(),
            detection: plan.detection_horizon(),
        };
        let hostile = plan.groups.iter().map(|group| group.behaviour.hostile.is_some()).collect();
        let links = |direction| {
            let options = plan.groups.iter().map(|group| match direction {
                Direction::Up => group.up,
                Direction::Down => group.down,
            });
            Links::new(plan.seed(), direction, options.collect(), roster.clients())
        };
        Tunnel {
            recorder: Recorder::new(roster.clone(), window, hostile),
            places: Places::new(&plan.groups, &roster),
            end: plan.end(),
            run: plan.run_id(),
            up: links(Direction::Up),
            down: links(Direction::Down),
            scratch: Vec::new(),
            roster,
        }
    }

    /// Tells the books.
    #[inline]
    pub fn record(&mut self, at: Time, event: Event<'_>) {
        self.recorder.record(at.min(self.end), event);
    }

    /// The message of a tag, if it is of this run and accounted for.
    pub fn message(&self, tag: Option<Tag>) -> Option<MessageSlot> {
        tag.filter(|tag| tag.run == self.run).and_then(|tag| self.recorder.find(tag.message))
    }

    /// The tag in a text, if it is of this run.
    pub fn tag(&self, text: &[u8]) -> Option<Tag> {
        Tag::find(text).filter(|tag| tag.run == self.run)
    }

    /// A client sends: the message is opened, and the link towards the server decides.
    #[inline]
    pub(crate) fn send_up(
        &mut self,
        planned: Time,
        client: ClientId,
        datagram: Datagram,
        up: &ClientSet,
    ) -> Sent {
        let mut message = None;
        let direction = Direction::Up;
        if let Some(tag) = datagram.act.tag() {
            let again = matches!(datagram.act, Act::Message { again: true, .. });
            self.record(
                planned,
                if again {
                    Event::Retransmitted { direction, client }
                } else {
                    Event::Chat { message: tag.message, up }
                },
            );
            message = self.recorder.find(tag.message);
            if let Act::Message { again: false, .. } = datagram.act {
                self.record(planned, Event::Held { message });
            }
        }
        let bytes = self.length(datagram);
        let verdict = self.up.judge(planned, self.roster.group_of(client), client);
        self.record(planned, Event::Offered { direction, client, bytes, verdict, message });
        let from = self.places.of(client, datagram.source, &self.roster);
        Sent { client, datagram, message, from, verdict }
    }

    /// Bytes of what a client says.
    fn length(&mut self, datagram: Datagram) -> usize {
        match (datagram.session, datagram.act) {
            (None, Act::Heartbeat(None)) => HEARTBEAT.len(),
            (None, Act::Chat { size, .. }) => size,
            _ => {
                datagram.write(&mut self.scratch);
                self.scratch.len()
            }
        }
    }

    /// A datagram goes to a place: the link towards the client there decides. Nothing where no
    /// client is there (any more).
    #[inline]
    pub fn send_down(
        &mut self,
        now: Time,
        place: Place,
        bytes: usize,
        message: Option<MessageSlot>,
    ) -> Option<(ClientId, Verdict)> {
        let Some(client) = self.places.at(place) else {
            if let Some(client) = self.places.owner(place) {
                self.record(now, Event::Misaddressed { client, bytes, message });
            }
            return None;
        };
        let verdict = self.down.judge(now, self.roster.group_of(client), client);
        let direction = Direction::Down;
        self.record(now, Event::Offered { direction, client, bytes, verdict, message });
        Some((client, verdict))
    }

    /// The server sends a message to its members, who are at these places.
    pub fn broadcast(&mut self, at: Time, message: Option<MessageSlot>, members: &ClientSet) {
        let datagrams = members.len();
        let complete = false;
        if self.places.are_plain() {
            self.record(at, Event::Broadcast { message, members, datagrams, complete });
            return;
        }
        let mut clients = ClientSet::with_room(self.roster.clients());
        for place in members.iter() {
            if let Some(client) = self.places.owner(place) {
                clients.insert(client);
            }
        }
        self.record(at, Event::Broadcast { message, members: &clients, datagrams, complete });
    }

    /// The server takes note of something about the peer at a place. `message` is the one that it
    /// was looking at; `left` is where a peer was that has moved.
    #[inline]
    pub fn note(
        &mut self,
        at: Time,
        place: Place,
        note: Note,
        left: Place,
        message: Option<MessageSlot>,
    ) {
        let Some(client) = self.places.owner(place) else { return };
        let honest = self.places.honest_at(place, &self.roster).is_some();
        let event = match note {
            Note::Joined if honest => Event::Joined { client },
            Note::Joined => Event::GhostJoined { client, place },
            Note::Quit if honest => Event::Quit { client },
            Note::Quit => Event::GhostGone { client, place, silence: None },
            Note::Evicted { silence } if honest => {
                Event::Evicted { client, silence: Some(silence), uncertainty: Span::ZERO }
            }
            Note::Evicted { silence } => Event::GhostGone { client, place, silence: Some(silence) },
            Note::Moved => Event::Moved { client, left, to: place, current: honest },
            Note::Repeated => Event::Repeated { client, message },
            Note::Refused(cause) => Event::Refused { client, cause: cause.name(), message },
        };
        self.record(at, event);
    }

    /// A numbered text to the peer at a place is sent again.
    pub fn retransmitted(&mut self, at: Time, place: Place) {
        if let Some(client) = self.places.owner(place) {
            self.record(at, Event::Retransmitted { direction: Direction::Down, client });
        }
    }

    /// A numbered text to the peer at a place is not waited for any more.
    pub fn settled(&mut self, at: Time, place: Place, message: Option<MessageSlot>, acked: bool) {
        if let Some(client) = self.places.owner(place) {
            self.record(at, Event::Settled { direction: Direction::Down, client, acked, message });
        }
    }

    /// A datagram reached a server that has fallen silent.
    pub fn unread(&mut self, at: Time, place: Place, message: Option<MessageSlot>) {
        if let Some(client) = self.places.owner(place) {
            self.record(at, Event::Refused { client, cause: "server-down", message });
        }
    }
}

/// What of the server's datagram a client has to heed.
pub fn heed(down: Down<'_>) -> Option<Heard> {
    match down {
        Down::Heartbeat(number) => Some(Heard::Heartbeat(number)),
        Down::Message { number, .. } => Some(Heard::Message(number)),
        Down::Ack(number) => Some(Heard::Ack(number)),
        Down::Cookie(cookie) => Some(Heard::Cookie(cookie)),
        Down::Welcome(Some(token)) => Some(Heard::Welcome(token)),
        Down::Expired(token) => Some(Heard::Expired(token)),
        Down::Welcome(None) | Down::Bye | Down::Chat { .. } | Down::Foreign(_) => None,
    }
}
