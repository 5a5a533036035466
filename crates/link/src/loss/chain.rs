//! What the models have in common that are Markov chains of up to four states.
//!
//! Source of the variance: Hasslinger and Hohlfeld, *The Gilbert-Elliott model for packet loss in
//! real time services on the Internet*, MMB 2008.

use skipbeat_core::Stream;

/// The first state is drawn with a number that no datagram draws: the indices count from 0.
const FIRST: u64 = u64::MAX;

/// A chain in equilibrium: for each state its share of the time, and the loss in it. Models of two
/// states leave the other two at 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub(super) shares: [f64; 4],
    pub(super) losses: [f64; 4],
}

/// The probability of each next state (column) in each state (row).
pub(super) type Transitions = [[f64; 4]; 4];

impl Chain {
    /// A state, from 1, that is drawn with its share, for a model that begins at `index`.
    pub(super) fn first_state(&self, stream: Stream, index: u64) -> u8 {
        let mut rest = stream.unit(FIRST - index);
        for (state, share) in (1..).zip(self.shares) {
            if rest < share {
                return state;
            }
            rest -= share;
        }
        1
    }

    /// The mean loss: the sum of share times loss.
    pub(super) fn mean(&self) -> f64 {
        self.shares.iter().zip(self.losses).map(|(share, loss)| share * loss).sum()
    }

    /// The mean run of consecutive losses, `PL/(PL-PLL)`.
    pub(super) fn mean_run(&self, transitions: Transitions) -> Option<f64> {
        let loss = self.mean();
        let both = self.covariances(transitions).next()? + loss * loss;
        (loss > both).then(|| loss / (loss - both))
    }

    /// `V = PL(1-PL) + 2Σ cov(k)`, which for two states is `PL(1-PL)(1 + 2C1/(PL(1-PL)(1-a)))` with
    /// `a = 1-p-r`.
    pub(super) fn variance(&self, transitions: Transitions) -> f64 {
        let mean = self.mean();
        let own = mean * (1.0 - mean);
        let counts = |covariance: &f64| covariance.abs() > 1e-9 * own;
        let rest: f64 = self.covariances(transitions).take(1_000_000).take_while(counts).sum();
        (own + 2.0 * rest).max(0.0)
    }

    /// The covariances of the losses of two datagrams that are 1, 2, 3, … datagrams apart.
    fn covariances(self, transitions: Transitions) -> impl Iterator<Item = f64> {
        let Chain { shares, losses } = self;
        let mean = self.mean();
        let mut ahead = losses;
        std::iter::repeat_with(move || {
            ahead = transitions.map(|row| row.iter().zip(ahead).map(|(p, e)| p * e).sum());
            let both: f64 = (0..4).map(|s| shares[s] * losses[s] * ahead[s]).sum();
            both - mean * mean
        })
    }
}
