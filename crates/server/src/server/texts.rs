//! What the server sends to its members: heartbeats, and texts, which are repeated until they are
//! acked if a member asks for that.

use std::net::SocketAddr;
use std::sync::Arc;

use skipbeat_core::{ClientSet, Time};
use skipbeat_protocol::{AckEnd, BYE, Overdue, write_chat, write_heartbeat, write_message};

use super::Server;
use crate::{EvictionTiming, PeerId, Sending, ServerEffects};

impl Server {
    /// Sends a text of the server itself to all members. `from` is its own address.
    pub fn say(&mut self, now: Time, text: &[u8], from: SocketAddr, out: &mut impl ServerEffects) {
        self.tell_all(now, text, from, out);
    }

    /// Sends a text to all members, with a number to those that asked for it.
    pub(super) fn tell_all(
        &mut self,
        now: Time,
        text: &[u8],
        from: SocketAddr,
        out: &mut impl ServerEffects,
    ) {
        if self.options.eviction == EvictionTiming::Lazy {
            self.evict_silent(now, out);
        }
        write_chat(text, from, &mut self.text);
        if self.acks.members().is_empty() {
            out.broadcast(&self.text, &self.members, &self.members);
            return;
        }
        let mut plain = self.members.clone();
        let readers: Vec<PeerId> = self.acks.members().iter().collect();
        for reader in &readers {
            plain.remove(*reader);
        }
        out.broadcast(&self.text, &self.members, &plain);
        let text: Arc<[u8]> = self.text.as_slice().into();
        for peer in readers {
            let number = self.next_number(peer);
            let (lost, timer) = self.acks.send(now, peer, number, Arc::clone(&text));
            if let Some(at) = timer {
                self.timers.look_after_acks(at, peer);
            }
            for lost in lost {
                out.settled(peer, &lost, AckEnd::GivenUp);
            }
            write_message(number, &text, &mut self.numbered);
            out.send(peer, &self.numbered, Sending::First);
        }
    }

    /// Sends the texts again that a member has not acked in time, or gives them up.
    pub(super) fn send_again(
        &mut self,
        at: Time,
        now: Time,
        peer: PeerId,
        out: &mut impl ServerEffects,
    ) {
        let (overdue, timer) = self.acks.overdue(at, now, peer);
        if let Some(at) = timer {
            self.timers.look_after_acks(at, peer);
        }
        for overdue in overdue {
            match overdue {
                Overdue::GivenUp(text) => out.settled(peer, &text, AckEnd::GivenUp),
                Overdue::Again(number, text) => {
                    write_message(number, &text, &mut self.numbered);
                    out.send(peer, &self.numbered, Sending::Again);
                }
            }
        }
    }

    /// Sends `bye` to all members and forgets them.
    pub fn stop(&mut self, out: &mut impl ServerEffects) {
        out.broadcast(BYE, &self.members, &self.members);
        self.members = ClientSet::new();
    }

    /// The number of the next datagram to a peer that has to be acked.
    pub(super) fn next_number(&mut self, peer: PeerId) -> u32 {
        let number = self.numbers[peer as usize];
        let next = number.wrapping_add(1);
        self.numbers[peer as usize] = next;
        self.highest_number = self.highest_number.max(next);
        number
    }

    /// Sends a heartbeat to a member.
    pub(super) fn beat(&mut self, peer: PeerId, out: &mut impl ServerEffects) {
        let number = self.next_number(peer);
        write_heartbeat(number, &mut self.text);
        out.send(peer, &self.text, Sending::Once);
    }
}
