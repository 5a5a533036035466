//! Many events at once, for a world that knows what will become of datagrams when they are sent. The
//! same is in the books as if each had been told of by itself.

use skipbeat_core::{ClientId, Direction, Span, Time};
use skipbeat_link::{Cause, Transit};

use crate::deliveries::Delivery;
use crate::path::Ahead;
use crate::recorder::Way;
use crate::{Event, MessageSlot, Recorder};

impl Recorder {
    /// Clients beat, each at its time, over links whose verdicts are known: the same as an
    /// [`Event::Offered`] for each.
    pub fn beat(&mut self, beats: &[(Time, ClientId)], bytes: usize, transits: &[Transit]) {
        let (direction, message) = (Direction::Up, None);
        for ((at, client), transit) in beats.iter().zip(transits) {
            let (at, client, verdict) = (*at, *client, transit.verdict());
            let offered = Event::Offered { direction, client, bytes, verdict, mangled: 0, message };
            self.digest.add(at, &offered);
            self.offer(at, direction, client, bytes, &verdict, None);
        }
    }

    /// The server sends something to many at `now`, over links whose verdicts have no other effect
    /// than what is in the books: the same as an [`Event::Offered`] for each and an
    /// [`Event::Arrived`] for each that arrives until `last`. Those that arrive later go to `beyond`.
    pub fn fan_out(
        &mut self,
        now: Time,
        bytes: usize,
        message: Option<MessageSlot>,
        last: Time,
        transits: &[Transit],
        mut beyond: impl FnMut(&Transit),
    ) {
        let (direction, within) = (Direction::Down, self.window.contains(now));
        let mut latest = Time::ZERO;
        let mut lost = 0;
        for transit in transits {
            let (Transit { client, index, arrival: at }, verdict) = (*transit, transit.verdict());
            let offered = Event::Offered { direction, client, bytes, verdict, mangled: 0, message };
            self.digest.add(now, &offered);
            let group = self.roster.group_of(client);
            let Way { datagrams, paths, path_tallies } = &mut self.ways[direction as usize];
            datagrams[group].offer(now, within, bytes, &verdict);
            paths.offer(client, at == Time::NEVER, &mut path_tallies[group]);
            if at > last {
                match (message, at) {
                    (Some(slot), Time::NEVER) => self.deliveries.lost_ahead(slot, client),
                    (Some(slot), _) => self.deliveries.flies(slot),
                    (None, _) => {}
                }
                if at == Time::NEVER {
                    lost += 1;
                } else {
                    beyond(transit);
                }
                continue;
            }
            latest = latest.max(at);
            let (copy, late) = (false, Span::ZERO);
            let arrived = Event::Arrived { direction, client, index, copy, late, message };
            self.digest.add(at, &arrived);
            datagrams[group].arrived += 1;
            let second = self.timeline.at(at);
            second.down_received += 1;
            let delivery = message.map(|slot| self.deliveries.arrives_ahead(slot, client, group));
            let mut transit = None;
            if let Some(Delivery::First { planned, .. }) = delivery {
                let took = at.since(planned);
                transit = Some(took);
                self.latency[group].record(took);
                second.deliveries += 1;
            }
            let ahead = Ahead { at, index, transit };
            paths.arrive_ahead(now, client, ahead, &mut path_tallies[group], &mut self.jitters);
        }
        self.told_until = self.told_until.max(latest);
        let sent = transits.len() as u64;
        let second = self.timeline.at(now);
        second.down_sent += sent;
        second.down_bytes += sent * bytes as u64;
        second.lost[Cause::Loss as usize] += lost;
        if let Some(slot) = message {
            self.deliveries.told(slot, sent, &self.roster);
        }
    }
}
