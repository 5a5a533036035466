//! What clients do when they hear something.

use skipbeat_core::{ClientId, Span, Time};
use skipbeat_protocol::AckEnd;

use super::{Kind, Swarm, Timer};
use crate::{Act, Heard, Opinion, SwarmEffects};

impl Swarm {
    /// Something reached a client that it reacts to, if it is up.
    pub fn hear(&mut self, now: Time, id: ClientId, heard: Heard, out: &mut impl SwarmEffects) {
        if !self.up.contains(id) {
            return;
        }
        match heard {
            Heard::Heartbeat(number) => self.hear_heartbeat(now, id, number, out),
            Heard::Cookie(cookie) => {
                self.cookies.insert(id, cookie);
                self.say(now, id, self.join(id), out);
            }
            Heard::Welcome(token) => {
                // The token is used at once, so that it is valid from now on.
                if self.tokens.insert(id, token) != Some(token) {
                    self.say(now, id, Act::Heartbeat(None), out);
                }
            }
            // It belongs to an earlier session, or is forged.
            Heard::Expired(token) if self.tokens.get(&id) != Some(&token) => {}
            Heard::Expired(_) => {
                self.tokens.remove(&id);
                self.say(now, id, self.join(id), out);
            }
            Heard::Message(number) => self.say(now, id, Act::Ack(number), out),
            Heard::Ack(number) => {
                let text = self.texts.get_mut(&id).and_then(|texts| texts.ack(now, number));
                if let Some((tag, _)) = text {
                    out.settled(now, id, tag.message, AckEnd::Acked);
                }
            }
            Heard::Value(number) => {
                let query = self.queries.get_mut(&id).and_then(|queries| queries.ack(now, number));
                if let Some((tag, _)) = query {
                    out.settled(now, id, tag.message, AckEnd::Acked);
                }
            }
        }
    }

    /// A heartbeat of the server reached a client.
    fn hear_heartbeat(
        &mut self,
        now: Time,
        id: ClientId,
        number: u32,
        out: &mut impl SwarmEffects,
    ) {
        let Some(timeout) = self.options.server_timeout else { return };
        let epoch = self.clients[id as usize].epoch;
        let hearing = &mut self.hearing[id as usize];
        hearing.last = now;
        if !std::mem::replace(&mut hearing.connected, true) {
            self.set(first_moment_too_late(now, timeout), Kind::Silence, id, epoch);
            out.server(now, id, Opinion::Back);
        }
        self.say(now, id, Act::Ack(number), out);
    }

    /// Checks how long a client has not heard from the server.
    pub(super) fn doubt_the_server(&mut self, at: Time, timer: Timer, out: &mut impl SwarmEffects) {
        let Some(timeout) = self.options.server_timeout else { return };
        let hearing = &mut self.hearing[timer.who as usize];
        let due = first_moment_too_late(hearing.last, timeout);
        if at < due {
            self.set(due, Kind::Silence, timer.who, timer.epoch);
        } else {
            hearing.connected = false;
            out.server(at, timer.who, Opinion::Gone);
        }
    }
}

/// A silence is too long when it is strictly longer than the timeout.
fn first_moment_too_late(last: Time, timeout: Span) -> Time {
    last + timeout + Span::from_nanos(1)
}
