//! The last `n` samples of each peer with their mean and standard deviation. The sums are integers,
//! so that adding and removing samples leaves no rounding errors.

use super::grow;
use crate::PeerId;

#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    ring: Vec<i64>,
    next: usize,
    sum: i128,
    sum_of_squares: i128,
}

impl Samples {
    pub(super) fn add(&mut self, sample: i64, window: usize) {
        if self.ring.len() < window {
            self.ring.push(sample);
        } else {
            let old = i128::from(std::mem::replace(&mut self.ring[self.next], sample));
            self.sum -= old;
            self.sum_of_squares -= old * old;
            self.next = (self.next + 1) % window;
        }
        self.sum += i128::from(sample);
        self.sum_of_squares += i128::from(sample) * i128::from(sample);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The mean in nanoseconds. There must be a sample.
    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.ring.len() as f64
    }

    /// The standard deviation in nanoseconds. There must be a sample.
    pub(super) fn deviation(&self) -> f64 {
        let n = self.ring.len() as i128;
        // n²·variance is an integer.
        let scaled = n * self.sum_of_squares - self.sum * self.sum;
        (scaled as f64).sqrt() / n as f64
    }
}

/// Samples by peer.
#[derive(Debug, Default)]
pub(super) struct SamplesByPeer(Vec<Samples>);

impl SamplesByPeer {
    pub(super) fn of(&mut self, peer: PeerId) -> &mut Samples {
        grow(&mut self.0, peer, Samples::default())
    }

    pub(super) fn get(&self, peer: PeerId) -> &Samples {
        &self.0[peer as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_samples_leave_without_a_trace() {
        let mut samples = Samples::default();
        for sample in [1_000_000_000_000, -7, 3, 4, 5] {
            samples.add(sample, 3);
        }
        assert_eq!(samples.mean(), 4.0);
        assert!((samples.deviation() - (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
