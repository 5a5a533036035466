//! NFD-E of Chen, Toueg and Aguilera (IEEE Trans. Computers 51(5), 2002, 5.3): the arrival of the
//! next heartbeat is estimated from the last `n` numbered ones, and a constant safety margin α is
//! added: `EA(l+1) = 1/n Σ (A_i - ηi) + (l+1)η`, suspected after `EA(l+1) + α`.

use skipbeat_core::{Span, Time};

use super::samples::SamplesByPeer;
use super::{Adaptive, Detector, Sign, grow};
use crate::PeerId;

/// The estimate that NFD-E and Bertier's detector share.
#[derive(Debug)]
pub(super) struct Estimator {
    every: Span,
    window: usize,
    /// `A_i - ηi`: how far each heartbeat was off its place on the sender's grid.
    offsets: SamplesByPeer,
    /// One above the highest number that arrived.
    next: Vec<u64>,
}

impl Estimator {
    pub(super) fn new(options: Adaptive) -> Self {
        let Adaptive { every, window, .. } = options;
        Estimator { every, window, offsets: SamplesByPeer::default(), next: Vec::new() }
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        *self.offsets.of(peer) = Default::default();
        *grow(&mut self.next, peer, 0) = 0;
    }

    /// Takes a numbered heartbeat; a number that is not above all others is late and tells
    /// nothing of the next.
    pub(super) fn take(&mut self, now: Time, peer: PeerId, number: u32) -> bool {
        let next = &mut self.next[peer as usize];
        let number = u64::from(number);
        if number < *next {
            return false;
        }
        *next = number + 1;
        let place = i128::from(self.every.nanos()) * i128::from(number);
        // Absurd numbers make absurd offsets, for the peer that sends them alone.
        let offset = (i128::from(now.nanos()) - place).max(i64::MIN.into());
        self.offsets.of(peer).add(offset as i64, self.window);
        true
    }

    /// When the next heartbeat is expected, where any numbered one came.
    pub(super) fn expected(&self, peer: PeerId) -> Option<Time> {
        let offsets = self.offsets.get(peer);
        let place = self.every.nanos() as f64 * self.next[peer as usize] as f64;
        (!offsets.is_empty()).then(|| Time::from_nanos((offsets.mean() + place) as u64))
    }

    /// The period.
    pub(super) fn every(&self) -> Span {
        self.every
    }
}

#[derive(Debug)]
pub(super) struct Chen {
    margin: Span,
    estimator: Estimator,
}

impl Chen {
    pub(super) fn new(options: Adaptive) -> Self {
        Chen { margin: options.margin, estimator: Estimator::new(options) }
    }
}

impl Detector for Chen {
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
        // Whoever has not numbered a heartbeat yet is given a period and the margin.
        let expected = self.estimator.expected(peer);
        expected.unwrap_or(last_seen + self.estimator.every()) + self.margin
    }
}
