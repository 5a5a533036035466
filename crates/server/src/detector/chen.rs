//! NFD-E of Chen, Toueg and Aguilera (IEEE Trans. Computers 51(5), 2002, 5.3): the arrival of the
//! next heartbeat is estimated from the last `n` numbered ones, and a constant safety margin α is
//! added: `EA(l+1) = 1/n Σ (A_i - ηi) + (l+1)η`, suspected after `EA(l+1) + α`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time, schema};

use super::samples::SamplesByPeer;
use super::{Detector, EVERY, Sign, grow};
use crate::PeerId;

/// The parameters of NFD-E.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Keys")]
pub struct Chen {
    /// The heartbeat period η of the senders.
    pub every: Span,
    /// How many heartbeats the estimate is made from.
    pub window: usize,
    /// The safety margin α.
    pub margin: Span,
}

#[derive(Deserialize, JsonSchema)]
struct Keys {
    /// The heartbeat period that the detector expects, above zero; default `"5s"`. It is not taken
    /// from the groups: give it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// How many heartbeats the estimate is made from, from 1; default 100.
    #[schemars(range(min = 1))]
    window: Option<usize>,
    /// The safety margin; default `"5s"`.
    margin: Option<Span>,
}

impl TryFrom<Keys> for Chen {
    type Error = &'static str;

    fn try_from(Keys { every, window, margin }: Keys) -> Result<Self, &'static str> {
        let (every, window) = (every.unwrap_or(EVERY), window.unwrap_or(100));
        if window == 0 || every.is_zero() {
            return Err("expected `window` and `every` above zero");
        }
        Ok(Chen { every, window, margin: margin.unwrap_or(Span::from_secs(5)) })
    }
}

/// The estimate that NFD-E and Bertier's detector share.
#[derive(Debug)]
pub(super) struct Estimator {
    every: Span,
    window: usize,
    /// `A_i - ηi`: how far each heartbeat was off the sender's grid.
    offsets: SamplesByPeer,
    /// One above the highest number that arrived.
    next: Vec<u64>,
}

impl Estimator {
    pub(super) fn new(every: Span, window: usize) -> Self {
        Estimator { every, window, offsets: SamplesByPeer::default(), next: Vec::new() }
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        *self.offsets.of(peer) = Default::default();
        *grow(&mut self.next, peer, 0) = 0;
    }

    /// Records a numbered heartbeat. One whose number is not above all others came late, and says
    /// nothing about the next: then the result is false.
    pub(super) fn take(&mut self, now: Time, peer: PeerId, number: u32) -> bool {
        let next = &mut self.next[peer as usize];
        let number = u64::from(number);
        if number < *next {
            return false;
        }
        *next = number + 1;
        let planned = i128::from(self.every.nanos()) * i128::from(number);
        // Absurd numbers make absurd offsets, for the peer that sends them alone.
        let offset = (i128::from(now.nanos()) - planned).max(i64::MIN.into());
        self.offsets.of(peer).add(offset as i64, self.window);
        true
    }

    /// When the next heartbeat is expected, once a numbered one has arrived.
    pub(super) fn expected(&self, peer: PeerId) -> Option<Time> {
        let offsets = self.offsets.get(peer);
        let planned = self.every.nanos() as f64 * self.next[peer as usize] as f64;
        (!offsets.is_empty()).then(|| Time::from_nanos((offsets.mean() + planned) as u64))
    }

    /// The heartbeat period.
    pub(super) fn every(&self) -> Span {
        self.every
    }
}

#[derive(Debug)]
pub(super) struct NfdE {
    margin: Span,
    estimator: Estimator,
}

impl NfdE {
    pub(super) fn new(Chen { every, window, margin }: Chen) -> Self {
        NfdE { margin, estimator: Estimator::new(every, window) }
    }
}

impl Detector for NfdE {
    fn join(&mut self, now: Time, peer: PeerId, sign: Sign) {
        self.estimator.forget(peer);
        self.alive(now, peer, sign);
    }

    fn alive(&mut self, now: Time, peer: PeerId, sign: Sign) {
        if let Sign::Mechanism(Some(number)) = sign {
            self.estimator.take(now, peer, number);
        }
    }

    fn deadline(&self, peer: PeerId, last_seen: Time) -> Time {
        // A member that has not yet sent a numbered heartbeat is given a period and the margin.
        let expected = self.estimator.expected(peer);
        expected.unwrap_or(last_seen + self.estimator.every()) + self.margin
    }
}
