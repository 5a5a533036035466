//! What the swarm does, told to the books, and handed to the driver as far as it travels.

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, Life, MessageId, Time};
use skipbeat_link::{Transit, Verdict};
use skipbeat_measure::{Event, MessageSlot};
use skipbeat_swarm::{AckEnd, Datagram, Opinion, SwarmEffects};

use crate::Harness;

/// A datagram that a client has sent, and what its link does with it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Who sent it.
    pub client: ClientId,
    /// What it is.
    pub datagram: &'a Datagram,
    /// The message in it, and in its copy, where it has one that is accounted for and can be told
    /// when it arrives.
    pub messages: [Option<MessageSlot>; 2],
    /// The place from which it seems to come.
    pub from: EndpointId,
    /// When it arrives, if it does, and what of it is changed.
    pub verdict: Verdict,
}

/// A driver: it carries datagrams to the server.
pub trait Driver {
    /// The books.
    fn harness(&mut self) -> &mut Harness;

    /// A datagram has been judged by its link; carries it on if it arrives.
    fn launch(&mut self, sent: &Sent<'_>);

    /// The same of a [`Datagram::BARE_BEAT`] each, from clients at their first places.
    fn launch_beats(&mut self, beats: &[Transit]) {
        for beat in beats {
            self.launch(&Sent {
                client: beat.client,
                datagram: &Datagram::BARE_BEAT,
                messages: [None; 2],
                from: beat.client,
                verdict: beat.verdict(),
            });
        }
    }

    /// A client writes something into its stream.
    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram);

    /// The life of a client changes whose connection begins and ends with it.
    fn connection(&mut self, at: Time, client: ClientId, life: Life);

    /// A client has moved from one place to another; what it sends from now on comes from there.
    fn moved(&mut self, client: ClientId, left: EndpointId, to: EndpointId);
}

/// The effects of the swarm, for a driver.
pub struct FromSwarm<'a, C>(pub &'a mut C);

impl<C: Driver> SwarmEffects for FromSwarm<'_, C> {
    #[inline(always)]
    fn send(&mut self, planned: Time, client: ClientId, datagram: Datagram, audience: &ClientSet) {
        if !self.0.harness().says(&datagram) {
            return;
        }
        if self.0.harness().is_stream(client) {
            self.0.harness().say(planned, client, &datagram, audience);
            self.0.write(planned, client, &datagram);
            return;
        }
        let sent = self.0.harness().send_up(planned, client, &datagram, audience);
        self.0.launch(&sent);
    }

    fn beat(&mut self, beats: &[(Time, ClientId)], audience: &ClientSet) {
        let harness = self.0.harness();
        if !harness.is_plain_up() {
            for (planned, client) in beats {
                self.send(*planned, *client, Datagram::BARE_BEAT, audience);
            }
            return;
        }
        let transits = harness.beat_up(beats);
        self.0.launch_beats(&transits);
        self.0.harness().give_back(transits);
    }

    fn settled(&mut self, at: Time, client: ClientId, message: MessageId, end: AckEnd) {
        let harness = self.0.harness();
        let message = harness.recorder.find(message);
        let (direction, acked) = (Direction::Up, end == AckEnd::Acked);
        harness.record(at, Event::Settled { direction, client, acked, message });
    }

    fn server(&mut self, at: Time, client: ClientId, opinion: Opinion) {
        if opinion == Opinion::Gone {
            self.0.harness().record(at, Event::ServerSuspected { client });
        }
    }

    fn rebind(&mut self, at: Time, client: ClientId) {
        let harness = self.0.harness();
        let [left, to] = harness.endpoints.rebind(client);
        harness.record(at, Event::Rebound { client, left });
        self.0.moved(client, left, to);
    }

    fn life(&mut self, at: Time, client: ClientId, life: Life) {
        self.0.harness().record(at, Event::Life { client, life });
        if self.0.harness().is_stream(client) {
            self.0.connection(at, client, life);
        }
    }
}
