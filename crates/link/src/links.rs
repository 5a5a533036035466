//! All links of one direction: the options per group, the place on each link, the pipeline.

use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, Direction, Family, Seed, Span, Time};

use crate::{Cause, Delay, Duplicate, Loss, Reorder, Verdict};

/// The impairments of one direction of the links of a group. The default impairs nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkOptions {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// How long the others travel.
    pub delay: Delay,
    /// Which of them are put out of order beside what `delay` does.
    pub reorder: Option<Reorder>,
    /// Which of them arrive twice.
    pub duplicate: Duplicate,
}

impl LinkOptions {
    /// The travel time that all but one in 10⁴ datagrams stay below.
    pub fn nearly_longest(&self) -> Span {
        let held = self.reorder.map_or(Span::ZERO, |reorder| reorder.longest());
        let copied = self.duplicate.longest();
        self.delay.nearly_longest() + held + copied
    }
}

/// The links of all clients in one direction.
#[derive(Debug)]
pub struct Links {
    options: Vec<LinkOptions>,
    /// How many datagrams each link has seen.
    seen: Vec<u32>,
    loss: Family,
    delay: Family,
    reorder: Family,
    duplicate: Family,
}

impl Links {
    /// Fresh links for `clients` clients; `options` by group.
    pub fn new(seed: Seed, direction: Direction, options: Vec<LinkOptions>, clients: u32) -> Self {
        let family = |stage: &str| seed.family(&format!("link.{}.{stage}", direction.name()));
        Links {
            options,
            seen: vec![0; clients as usize],
            loss: family("loss"),
            delay: family("delay"),
            reorder: family("reorder"),
            duplicate: family("duplicate"),
        }
    }

    /// Judges the next datagram on the link of `client`, which belongs to `group` and enters the
    /// link at `now`. The result depends on the seed, the link and the place on it alone.
    #[inline]
    pub fn judge(&mut self, now: Time, group: usize, client: ClientId) -> Verdict {
        let seen = &mut self.seen[client as usize];
        let index = *seen;
        *seen = seen.wrapping_add(1);
        let options = &self.options[group];
        let (link, place) = (u64::from(client), u64::from(index));

        if options.loss.takes(self.loss.stream(link), place) {
            return Verdict { index, arrival: Err(Cause::Loss), held: false, copy: None };
        }
        let mut arrival = now + options.delay.draw(self.delay.stream(link), place);
        let extra = options.reorder.and_then(|r| r.extra(self.reorder.stream(link), place));
        if let Some(extra) = extra {
            arrival += extra;
        }
        let copy = options.duplicate.copy(self.duplicate.stream(link), place, arrival);
        Verdict { index, arrival: Ok(arrival), held: extra.is_some(), copy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::Probability;

    fn verdicts(options: LinkOptions, n: u64) -> Vec<Verdict> {
        let mut links = Links::new(Seed(3), Direction::Up, vec![options], 1);
        (0..n).map(|i| links.judge(Time::from_nanos(i * 1_000_000), 0, 0)).collect()
    }

    fn all_on() -> LinkOptions {
        let p = |p| Probability::new(p).unwrap();
        LinkOptions {
            loss: Loss::Bernoulli { probability: p(0.1) },
            delay: Delay::Exponential { min: Span::from_millis(1), mean: Span::from_millis(5) },
            reorder: Some(Reorder::Hold { probability: p(0.2), extra: Span::from_millis(30) }),
            duplicate: Duplicate { probability: p(0.3), within: Span::from_millis(4) },
        }
    }

    #[test]
    fn switching_a_stage_off_shifts_no_other() {
        let all = verdicts(all_on(), 2_000);
        let no_loss = verdicts(LinkOptions { loss: Loss::NONE, ..all_on() }, 2_000);
        let no_reorder = verdicts(LinkOptions { reorder: None, ..all_on() }, 2_000);
        for ((a, b), c) in all.iter().zip(&no_loss).zip(&no_reorder) {
            assert_eq!(a.arrival.is_err(), c.arrival.is_err());
            if let (Ok(with), Ok(without)) = (a.arrival, c.arrival) {
                assert_eq!(a, b);
                let extra = if a.held { Span::from_millis(30) } else { Span::ZERO };
                assert_eq!(with, without + extra);
                assert_eq!(a.copy, c.copy.map(|at| at + extra));
            }
        }
    }

    #[test]
    fn realised_figures_are_those_asked_for() {
        let n = 100_000.0;
        let all = verdicts(all_on(), n as u64);
        let arrived: Vec<_> = all.iter().filter(|v| v.arrival.is_ok()).collect();
        let share = |count: usize, of: f64| count as f64 / of;
        let near = |got: f64, p: f64, n: f64| {
            assert!((got - p).abs() < 4.0 * (p * (1.0 - p) / n).sqrt(), "{got} for {p}");
        };
        near(1.0 - share(arrived.len(), n), 0.1, n);
        let m = arrived.len() as f64;
        near(share(arrived.iter().filter(|v| v.held).count(), m), 0.2, m);
        near(share(arrived.iter().filter(|v| v.copy.is_some()).count(), m), 0.3, m);
        let copies = arrived.iter().filter_map(|v| Some(v.copy?.since(v.arrival.ok()?)));
        assert!(copies.into_iter().all(|d| !d.is_zero() && d <= Span::from_millis(4)));
    }

    /// These verdicts are promised to every later release.
    #[test]
    fn verdicts_are_stable() {
        let seen = verdicts(all_on(), 5)
            .into_iter()
            .map(|v| (v.arrival.ok().map(Time::nanos), v.held, v.copy.map(Time::nanos)));
        let promised = [
            (Some(1_037_106), false, None),
            (Some(18_064_499), false, Some(20_614_521)),
            (Some(4_249_265), false, None),
            (None, false, None),
            (Some(35_219_062), true, Some(35_481_199)),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), promised);
    }
}
