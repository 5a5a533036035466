//! What the server sends in virtual time: datagrams enter the links down, or the streams of
//! clients.

use skipbeat_core::{ClientId, ClientSet, Direction, Time};
use skipbeat_harness::{SentDown, ServerDriver, ServerEvent, class_of, heard_in};
use skipbeat_link::{Class, Transit};
use skipbeat_measure::MessageSlot;
use skipbeat_protocol::{BYE, Down, Tag};
use skipbeat_server::PeerId;
use skipbeat_stream::ConnectionEnd;
use skipbeat_swarm::Heard;

use super::SimDriver;
use crate::arrivals::{Arrival, Load, Payload};

impl ServerDriver for SimDriver {
    type Message = MessageSlot;

    fn message(&self, text: &[u8]) -> Option<MessageSlot> {
        self.harness.message(Tag::find(text))
    }

    #[inline]
    fn record(&mut self, at: Time, event: ServerEvent<PeerId, MessageSlot>) {
        let SimDriver { harness, peers, .. } = self;
        if let Some(event) = event.map(|peer| Some(peers.endpoint(peer)), Some) {
            harness.server_event(at, event);
        }
    }

    fn send(&mut self, at: Time, to: PeerId, payload: &[u8], message: Option<MessageSlot>) {
        let endpoint = self.peers.endpoint(to);
        if self.harness.is_stream(endpoint) {
            self.write_down(at, endpoint, payload);
            return;
        }
        let down = Down::parse(payload);
        let message = match down {
            Down::Message { rest: text, .. } | Down::Value { data: text, .. } => {
                message.or_else(|| ServerDriver::message(self, text))
            }
            _ => None,
        };
        let class = class_of(&down);
        let sent = self.harness.send_down(at, endpoint, payload, class, message);
        if let Some(sent) = sent {
            self.carry_down(&sent, payload, heard_in(&down));
        }
    }

    fn broadcast(
        &mut self,
        at: Time,
        payload: &[u8],
        message: Option<MessageSlot>,
        members: &ClientSet,
        to: &ClientSet,
    ) {
        if self.peers.are_plain() {
            self.harness.broadcast(at, message, members);
        } else {
            let endpoints = members.iter().map(|peer| self.peers.endpoint(peer)).collect();
            self.harness.broadcast(at, message, &endpoints);
        }
        // The load of all datagrams that their links do not change. The one use is released below.
        let load = self.loads.add(Load { payload: Payload::Text, message, uses: 1 });
        let uses = match self.known_until {
            Some(last) => self.fan_out(at, payload, message, to, last, load),
            None => self.send_to_each(at, payload, message, to, load),
        };
        self.loads.retain(load, uses);
        self.loads.release(load);
    }

    fn exchange(&mut self, member: PeerId, elsewhere: PeerId) {
        self.peers.exchange(member, elsewhere);
    }
}

impl SimDriver {
    /// Sends a text to many clients of which nothing but the time of arrival is of interest, and
    /// records the arrivals up to `last` at once. Returns how many later ones use the load.
    fn fan_out(
        &mut self,
        now: Time,
        payload: &[u8],
        message: Option<MessageSlot>,
        to: &ClientSet,
        last: Time,
        load: u32,
    ) -> u32 {
        let mut uses = 0;
        let SimDriver { harness, arrivals, .. } = self;
        harness.fan_out(now, payload.len(), message, to, last, |transit| {
            let Transit { client, index, arrival } = *transit;
            arrivals.push(arrival, Arrival::new(Direction::Down, client, index, load));
            uses += 1;
        });
        uses
    }

    /// Sends a text to many clients, one after the other. Returns how many arrivals use the load.
    fn send_to_each(
        &mut self,
        now: Time,
        payload: &[u8],
        message: Option<MessageSlot>,
        to: &ClientSet,
        load: u32,
    ) -> u32 {
        let class = if payload == BYE { Class::Other } else { Class::Chat };
        let mut uses = 0;
        for peer in to.iter() {
            let endpoint = self.peers.endpoint(peer);
            if self.harness.is_stream(endpoint) {
                self.write_down(now, endpoint, payload);
                continue;
            }
            let sent = self.harness.send_down(now, endpoint, payload, class, message);
            let Some(sent) = sent else { continue };
            if sent.verdict.is_whole() {
                uses += self.schedule(Direction::Down, sent.client, &sent.verdict, load);
            } else {
                self.carry_down(&sent, payload, heard_in(&Down::parse(payload)));
            }
        }
        uses
    }

    /// Puts a datagram of the server into the calendar. `heard` is what a client makes of it as
    /// long as no link changes it.
    fn carry_down(&mut self, sent: &SentDown, payload: &[u8], heard: Option<Heard>) {
        let SentDown { client, verdict, messages } = *sent;
        let heard = self.harness.heard_after(heard, payload, &verdict);
        let payloads = heard.map(|heard| heard.map_or(Payload::Text, Payload::Down));
        self.carry(Direction::Down, client, &verdict, payloads, messages);
    }

    /// The server writes a datagram to a client that has a stream.
    fn write_down(&mut self, now: Time, client: ClientId, datagram: &[u8]) {
        if !self.streams.write(client, ConnectionEnd::Server, datagram) {
            // The connection is over, so nothing in it will come out.
            self.harness.severed(now, Direction::Down, client);
        }
    }
}
