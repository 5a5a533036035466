//! A driver of swarm and server without any short cuts, as a reference: all future events are in
//! one heap, every datagram is written and parsed, and one thing happens at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, Life, Span, Time};
use skipbeat_harness::{
    Driver, FromSwarm, Harness, Sent, SentDown, ServerEvent, class_of, heard_in,
};
use skipbeat_link::{Class, Verdict};
use skipbeat_measure::{Event, MessageSlot, Results, RunContext};
use skipbeat_protocol::{BYE, Down, Tag};
use skipbeat_scenario::Plan;
use skipbeat_server::{AckEnd, Note, PeerId, Sending, Server, ServerEffects};
use skipbeat_sim::CLIENTS;
use skipbeat_swarm::{Datagram, Heard, Swarm};

/// A datagram on a link. Simultaneous arrivals are handled in the order of the fields.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Time,
    direction: Direction,
    client: ClientId,
    index: u32,
    copy: bool,
    /// Its source address, on a link up.
    endpoint: EndpointId,
    /// What the server receives, on a link up.
    bytes: Vec<u8>,
    /// What the client makes of it, on a link down.
    heard: Option<Heard>,
    message: Option<MessageSlot>,
}

struct Naive {
    harness: Harness,
    heap: BinaryHeap<Reverse<Arrival>>,
    /// The endpoints of peers that are not at the one of their own number.
    endpoints: BTreeMap<PeerId, EndpointId>,
}

impl Naive {
    fn endpoint(&self, peer: PeerId) -> EndpointId {
        self.endpoints.get(&peer).copied().unwrap_or(peer)
    }

    fn peer(&self, endpoint: EndpointId) -> PeerId {
        let moved = self.endpoints.iter().find(|(_, at)| **at == endpoint);
        moved.map_or(endpoint, |(peer, _)| *peer)
    }

    /// Puts a datagram and its copy into the heap, if they arrive.
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

impl Driver for Naive {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
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
                endpoint: sent.from,
                bytes,
                heard: None,
                message: sent.messages[n],
            }
        };
        let arrivals = [of(0), of(1)];
        self.push(&sent.verdict, arrivals);
    }

    fn write(&mut self, _: Time, _: ClientId, _: &Datagram) {
        unreachable!("no plan for this driver has streams");
    }

    fn connection(&mut self, _: Time, _: ClientId, _: Life) {
        unreachable!("no plan for this driver has streams");
    }

    fn moved(&mut self, _: ClientId, _: EndpointId, _: EndpointId) {}
}

struct FromServer<'a> {
    naive: &'a mut Naive,
    now: Time,
    message: Option<MessageSlot>,
    left: Option<EndpointId>,
}

impl FromServer<'_> {
    fn record(&mut self, event: ServerEvent<EndpointId, MessageSlot>) {
        self.naive.harness.server_event(self.now, event);
    }

    fn send_down(&mut self, peer: PeerId, payload: &[u8], class: Class, slot: Option<MessageSlot>) {
        let endpoint = self.naive.endpoint(peer);
        let sent = self.naive.harness.send_down(self.now, endpoint, payload, class, slot);
        let Some(SentDown { client, verdict, messages }) = sent else { return };
        let unchanged = heard_in(&Down::parse(payload));
        let heard = self.naive.harness.heard_after(unchanged, payload, &verdict);
        let of = |n: usize| Arrival {
            at: Time::ZERO,
            direction: Direction::Down,
            client,
            index: verdict.index,
            copy: false,
            endpoint,
            bytes: Vec::new(),
            heard: heard[n],
            message: messages[n],
        };
        self.naive.push(&verdict, [of(0), of(1)]);
    }
}

impl ServerEffects for FromServer<'_> {
    fn send(&mut self, to: PeerId, payload: &[u8], sending: Sending) {
        let down = Down::parse(payload);
        let slot = match down {
            Down::Message { rest, .. } => {
                self.message.or_else(|| self.naive.harness.message(Tag::find(rest)))
            }
            _ => None,
        };
        match sending {
            Sending::Once => {}
            Sending::First => self.naive.harness.record(self.now, Event::Held { message: slot }),
            Sending::Again => {
                let peer = self.naive.endpoint(to);
                self.record(ServerEvent::Retransmitted { peer });
            }
        }
        self.send_down(to, payload, class_of(&down), slot);
    }

    fn broadcast(&mut self, payload: &[u8], members: &ClientSet, to: &ClientSet) {
        let class = if payload == BYE { Class::Other } else { Class::Chat };
        let endpoints: ClientSet = members.iter().map(|peer| self.naive.endpoint(peer)).collect();
        self.naive.harness.broadcast(self.now, self.message, &endpoints);
        for peer in to.iter() {
            self.send_down(peer, payload, class, self.message);
        }
    }

    fn settled(&mut self, to: PeerId, text: &[u8], end: AckEnd) {
        let peer = self.naive.endpoint(to);
        let message = self.naive.harness.message(Tag::find(text));
        self.record(ServerEvent::Settled { peer, message, acked: end == AckEnd::Acked });
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        let (a, b) = (self.naive.endpoint(member), self.naive.endpoint(elsewhere));
        self.left = Some(a);
        self.naive.endpoints.extend([(member, b), (elsewhere, a)]);
    }

    fn note(&mut self, peer: PeerId, note: Note) {
        let peer = self.naive.endpoint(peer);
        self.record(ServerEvent::Note { peer, left: self.left, note, message: self.message });
    }
}

/// Runs a plan and keeps every event.
pub(crate) fn run(plan: &Plan) -> Results {
    let mut server = Server::new(plan.server.options, plan.seed());
    let mut swarm = Swarm::new(plan.swarm_options(), plan.seed());
    let heap = BinaryHeap::new();
    let mut naive = Naive { harness: Harness::new(plan), heap, endpoints: BTreeMap::new() };
    naive.harness.recorder.keep_log();
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
            naive.harness.record(now, event);
            match (direction, arrival.heard) {
                (Direction::Down, None) => {}
                (Direction::Down, Some(heard)) => {
                    swarm.hear(now, client, heard, &mut FromSwarm(naive));
                }
                (Direction::Up, _) if dead => {
                    let unread = ServerEvent::Unread { peer: arrival.endpoint, message };
                    naive.harness.server_event(now, unread);
                }
                (Direction::Up, _) => {
                    let (peer, from) =
                        (naive.peer(arrival.endpoint), CLIENTS.address(arrival.endpoint));
                    let mut out = FromServer { naive, now, message, left: None };
                    server.handle_datagram(now, peer, from, &arrival.bytes, &mut out);
                }
            }
        } else if now == deadline && now == crash {
            dead = true;
            naive.harness.record(now, Event::ServerCrashed);
        } else if now == deadline {
            server.advance(now, &mut FromServer { naive, now, message: None, left: None });
        } else {
            swarm.advance(now, &mut FromSwarm(naive));
        }
    }
    for Reverse(Arrival { direction, client, message, .. }) in naive.heap.into_vec() {
        naive.harness.record(plan.end(), Event::InFlight { direction, client, message });
    }
    let context = RunContext {
        end: plan.end(),
        sockets: None,
        foreign: false,
        membership_seen: true,
        answers_known: false,
        server_beats: plan.server.options.heartbeat.by_server(),
        lateness: None,
        lateness_limit: plan.swarm.lateness_limit,
    };
    naive.harness.recorder.finish(context, &plan.columns())
}
