//! What the swarm does, turned into events for the recorder, and handed to the driver where it
//! travels. `server_side` does the same for the server.

use skipbeat_core::{ClientId, ClientSet, Direction, EndpointId, Life, MessageId, Time};
use skipbeat_link::Transit;
use skipbeat_measure::Event;
use skipbeat_swarm::{AckEnd, Datagram, Opinion, SwarmEffects};

use crate::{Harness, Sent};

/// A driver that carries what clients send to the server.
pub trait Driver {
    /// The harness of the run.
    fn harness(&mut self) -> &mut Harness;

    /// A link has judged a datagram. The driver carries it to the server at the time of its
    /// arrival, if it arrives.
    fn launch(&mut self, sent: &Sent<'_>);

    /// The same for many clients at their first endpoints, each with a [`Datagram::BARE_BEAT`].
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

    /// A client writes a datagram into its stream.
    fn write(&mut self, planned: Time, client: ClientId, datagram: &Datagram);

    /// A client with a stream starts, leaves or crashes; its connection starts and ends with that.
    fn connection(&mut self, at: Time, client: ClientId, life: Life);

    /// A client has moved to another endpoint, from which it sends from now on.
    fn moved(&mut self, client: ClientId, left: EndpointId, to: EndpointId);
}

/// Receives the effects of the swarm, for a driver.
pub struct FromSwarm<'a, D>(pub &'a mut D);

impl<D: Driver> SwarmEffects for FromSwarm<'_, D> {
    #[inline(always)]
    fn send(&mut self, planned: Time, client: ClientId, datagram: Datagram, audience: &ClientSet) {
        if !self.0.harness().says(&datagram) {
            return;
        }
        if self.0.harness().is_stream(client) {
            self.0.harness().write_up(planned, client, &datagram, audience);
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
