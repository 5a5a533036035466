//! A driver of the machines that does nothing cleverly: whatever will happen is in one heap, every
//! datagram is its bytes, and one thing happens at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use skipbeat_core::{ClientId, ClientSet, Direction, Life, Place, Span, Time};
use skipbeat_link::{Class, Verdict};
use skipbeat_measure::{Event, MessageSlot, Results, World};
use skipbeat_protocol::{BYE, Down, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::{Effects, Note, PeerId, Sending, Server, Settled};
use skipbeat_sim::CLIENTS;
use skipbeat_swarm::{Datagram, Heard, Swarm};
use skipbeat_tunnel::{Carry, Fallen, FromSwarm, Sent, Tunnel, class_of};

/// A datagram on a link. The order of the fields is the order of simultaneous arrivals.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Time,
    direction: Direction,
    client: ClientId,
    index: u32,
    copy: bool,
    /// Where it seems to come from.
    place: Place,
    /// What the server gets.
    bytes: Vec<u8>,
    /// What the client heeds.
    heard: Option<Heard>,
    message: Option<MessageSlot>,
}

struct Naive {
    tunnel: Tunnel,
    heap: BinaryHeap<Reverse<Arrival>>,
    /// Where each peer is that is not at the place of its own number.
    places: BTreeMap<PeerId, Place>,
}

impl Naive {
    fn place(&self, peer: PeerId) -> Place {
        self.places.get(&peer).copied().unwrap_or(peer)
    }

    fn peer(&self, place: Place) -> PeerId {
        let moved = self.places.iter().find(|(_, at)| **at == place);
        moved.map_or(place, |(peer, _)| *peer)
    }

    /// Puts a datagram and its copy on their way.
    fn push(&mut self, verdict: &Verdict, mut arrivals: [Arrival; 2]) {
        let Ok(at) = verdict.arrival else { return };
        let [first, second] = &mut arrivals;
        (first.at, first.copy) = (at, false);
        second.copy = true;
        let copied = verdict.copy();
        second.at = copied.unwrap_or(at);
        let [first, second] = arrivals;
        self.heap.push(Reverse(first));
        if copied.is_some() {
            self.heap.push(Reverse(second));
        }
    }
}

impl Carry for Naive {
    fn tunnel(&mut self) -> &mut Tunnel {
        &mut self.tunnel
    }

    fn launch(&mut self, sent: &Sent<'_>) {
        let of = |n: usize| {
            let mut bytes = Vec::new();
            sent.datagram.write(&mut bytes);
            if let Some(change) = sent.verdict.changes()[n] {
                change.apply(&mut bytes);
            }
            Arrival {
                at: Time::ZERO,
                direction: Direction::Up,
                client: sent.client,
                index: sent.verdict.index,
                copy: false,
                place: sent.from,
                bytes,
                heard: None,
                message: sent.messages[n],
            }
        };
        let arrivals = [of(0), of(1)];
        self.push(&sent.verdict, arrivals);
    }

    fn write(&mut self, _: Time, _: ClientId, _: &Datagram) {
        unreachable!("it is given no streams");
    }

    fn connection(&mut self, _: Time, _: ClientId, _: Life) {
        unreachable!("it is given no streams");
    }

    fn moved(&mut self, _: ClientId, _: Place, _: Place) {}
}

struct FromServer<'a> {
    naive: &'a mut Naive,
    now: Time,
    message: Option<MessageSlot>,
    left: Place,
}

impl FromServer<'_> {
    fn send_down(&mut self, peer: PeerId, payload: &[u8], class: Class, slot: Option<MessageSlot>) {
        let place = self.naive.place(peer);
        let fallen = self.naive.tunnel.send_down(self.now, place, payload, class, slot);
        let Some(Fallen { client, verdict, messages }) = fallen else { return };
        let heard = self.naive.tunnel.heed(payload, &verdict);
        let of = |n: usize| Arrival {
            at: Time::ZERO,
            direction: Direction::Down,
            client,
            index: verdict.index,
            copy: false,
            place,
            bytes: Vec::new(),
            heard: heard[n],
            message: messages[n],
        };
        self.naive.push(&verdict, [of(0), of(1)]);
    }
}

impl Effects for FromServer<'_> {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        let down = Down::parse(payload);
        let slot = match down {
            Down::Message { rest, .. } => {
                self.message.or_else(|| self.naive.tunnel.message(Tag::find(rest)))
            }
            _ => None,
        };
        match sending {
            Sending::Once => {}
            Sending::First => self.naive.tunnel.record(self.now, Event::Held { message: slot }),
            Sending::Again => {
                let place = self.naive.place(to);
                self.naive.tunnel.retransmitted(self.now, place);
            }
        }
        self.send_down(to, payload, class_of(&down), slot);
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        let class = if payload == BYE { Class::Other } else { Class::Chat };
        let places: ClientSet = members.iter().map(|peer| self.naive.place(peer)).collect();
        self.naive.tunnel.broadcast(self.now, self.message, &places);
        for peer in to.iter() {
            self.send_down(peer, payload, class, self.message);
        }
    }

    fn settled(&mut self, to: PeerId, text: &[u8], end: Settled) {
        let place = self.naive.place(to);
        let message = self.naive.tunnel.message(Tag::find(text));
        self.naive.tunnel.settled(self.now, place, message, end == Settled::Acked);
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        let (a, b) = (self.naive.place(member), self.naive.place(elsewhere));
        self.left = a;
        self.naive.places.extend([(member, b), (elsewhere, a)]);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        let place = self.naive.place(peer);
        self.naive.tunnel.note(self.now, place, note, self.left, self.message);
    }
}

/// Runs a plan and keeps every event.
pub(crate) fn run(plan: &Plan) -> Results {
    let mut server = Server::new(plan.server.options, plan.seed());
    let mut swarm = Swarm::new(plan.swarm_options(), plan.seed());
    let heap = BinaryHeap::new();
    let mut naive = Naive { tunnel: Tunnel::new(plan), heap, places: BTreeMap::new() };
    naive.tunnel.recorder.keep_log();
    swarm.start(&mut FromSwarm(&mut naive));
    let crash = plan.server.crash_at.map_or(Time::NEVER, |after| Time::ZERO + after);
    let mut dead = false;
    loop {
        let arrival = naive.heap.peek().map_or(Time::NEVER, |Reverse(arrival)| arrival.at);
        let deadline = server.next_deadline().unwrap_or(Time::NEVER).min(crash);
        let deadline = if dead { Time::NEVER } else { deadline };
        let timer = swarm.next_deadline().unwrap_or(Time::NEVER);
        let now = arrival.min(deadline).min(timer);
        if now >= plan.end() {
            break;
        }
        let naive = &mut naive;
        if now == arrival {
            let Some(Reverse(arrival)) = naive.heap.pop() else { break };
            let Arrival { direction, client, index, copy, message, .. } = arrival;
            let late = Span::ZERO;
            let event = Event::Arrived { direction, client, index, copy, late, message };
            naive.tunnel.record(now, event);
            match (direction, arrival.heard) {
                (Direction::Down, None) => {}
                (Direction::Down, Some(heard)) => {
                    swarm.hear(now, client, heard, &mut FromSwarm(naive));
                }
                (Direction::Up, _) if dead => naive.tunnel.unread(now, arrival.place, message),
                (Direction::Up, _) => {
                    let (peer, from) = (naive.peer(arrival.place), CLIENTS.address(arrival.place));
                    let mut out = FromServer { naive, now, message, left: 0 };
                    server.handle_datagram(now, peer, from, &arrival.bytes, &mut out);
                }
            }
        } else if now == deadline && now == crash {
            dead = true;
            naive.tunnel.record(now, Event::ServerCrashed);
        } else if now == deadline {
            server.advance(now, &mut FromServer { naive, now, message: None, left: 0 });
        } else {
            swarm.advance(now, &mut FromSwarm(naive));
        }
    }
    for Reverse(Arrival { direction, client, message, .. }) in naive.heap.into_vec() {
        naive.tunnel.record(plan.end(), Event::InFlight { direction, client, message });
    }
    naive.tunnel.recorder.finish(World {
        end: plan.end(),
        carriage: None,
        foreign: false,
        membership_seen: true,
        answers_known: false,
        server_beats: plan.server.options.heartbeat.by_server(),
        lateness: None,
        lateness_limit: plan.swarm.lateness_limit,
    })
}
