//! Records many events at once, for a world that knows the fate of datagrams when they are sent.
//! The books are the same as if each event had been recorded by itself.

use skipbeat_core::{ClientId, Direction, Span, Time};
use skipbeat_link::{Cause, Transit};

use crate::deliveries::Delivery;
use crate::path::Ahead;
use crate::recorder::LinkBooks;
use crate::{Event, MessageSlot, Recorder};

impl Recorder {
    /// Records heartbeats of clients, each at its own time, over links whose verdicts are known.
    /// Does the same as an [`Event::Offered`] for each.
    pub fn beat(&mut self, beats: &[(Time, ClientId)], bytes: usize, transits: &[Transit]) {
        let (direction, message) = (Direction::Up, None);
        for ((at, client), transit) in beats.iter().zip(transits) {
            let (at, client, verdict) = (*at, *client, transit.verdict());
            let offered = Event::Offered { direction, client, bytes, verdict, mangled: 0, message };
            self.digest.add(at, &offered);
            self.offer(at, direction, client, bytes, &verdict, None);
        }
    }

    /// Records datagrams that the server sends to many clients at `now`, over links whose verdicts
    /// affect nothing but the books. Does the same as an [`Event::Offered`] for each datagram and
    /// an [`Event::Arrived`] for each that arrives by `last`. Later arrivals go to `beyond`.
    pub fn fan_out(
        &mut self,
        now: Time,
        bytes: usize,
        message: Option<MessageSlot>,
        last: Time,
        transits: &[Transit],
        mut beyond: impl FnMut(&Transit),
    ) {
        let group_of = |transit: &Transit| self.roster.group_of(transit.client);
        let groups: Vec<(usize, &[Transit])> = transits
            .chunk_by(|one, next| group_of(one) == group_of(next))
            .map(|own| (group_of(&own[0]), own))
            .collect();
        for (group, own) in groups {
            self.fan_out_to_group(now, bytes, message, last, group, own, &mut beyond);
        }
        if let Some(slot) = message {
            self.deliveries.told(slot, transits.len() as u64, &self.roster);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the inner loop of the fan-out, by group")]
    #[inline]
    fn fan_out_to_group(
        &mut self,
        now: Time,
        bytes: usize,
        message: Option<MessageSlot>,
        last: Time,
        group: usize,
        transits: &[Transit],
        beyond: &mut impl FnMut(&Transit),
    ) {
        let (direction, within) = (Direction::Down, self.window.contains(now));
        let mut latest = Time::ZERO;
        let mut lost = 0;
        let LinkBooks { datagrams, paths, path_tallies } = &mut self.ways[direction as usize];
        let (datagrams, path_tally) = (&mut datagrams[group], &mut path_tallies[group]);
        let (latency, timeline) = (&mut self.latency[group], &mut self.timelines[group]);
        for transit in transits {
            let Transit { client, index, arrival: at } = *transit;
            let verdict = transit.verdict();
            let offered = Event::Offered { direction, client, bytes, verdict, mangled: 0, message };
            self.digest.add(now, &offered);
            datagrams.offer(now, within, bytes, &verdict);
            paths.offer(client, at == Time::NEVER, path_tally);
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
            datagrams.arrived += 1;
            let second = timeline.at(at);
            second.down_received += 1;
            let delivery = message.map(|slot| self.deliveries.arrives_ahead(slot, client, group));
            let mut took = None;
            if let Some(Delivery::First { planned, .. }) = delivery {
                let span = at.since(planned);
                took = Some(span);
                latency.record(span);
                second.deliveries += 1;
            }
            let ahead = Ahead { at, index, transit: took };
            paths.arrive_ahead(now, client, ahead, path_tally, &mut self.jitters);
        }
        self.told_until = self.told_until.max(latest);
        let sent = transits.len() as u64;
        let second = self.timelines[group].at(now);
        second.down_sent += sent;
        second.down_bytes += sent * bytes as u64;
        second.lost[Cause::Loss as usize] += lost;
    }
}
