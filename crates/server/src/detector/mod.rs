//! Detectors decide when a silence is too long. A detector is told of the signs of life of a
//! member, and gives the last moment at which the member is not yet suspected. When the server
//! looks is decided by [`EvictionTiming`](crate::EvictionTiming).
//!
//! A new detector is a file here, a variant of [`DetectorOptions`], and a line in [`build`].

mod bertier;
mod chen;
mod missed;
mod options;
mod phi;
mod samples;
mod timeout;

use std::fmt::Debug;

use skipbeat_core::{Span, Time};

use crate::PeerId;

pub use bertier::Bertier;
pub use chen::Chen;
pub use missed::Missed;
pub use options::DetectorOptions;
pub use phi::{Phi, Tail, quantile};

/// The heartbeat period that a detector expects where its table does not say.
const EVERY: Span = Span::from_secs(5);

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    /// A heartbeat, with its number if it has one.
    Mechanism(Option<u32>),
    /// Any other datagram of the peer.
    Other,
}

/// Judges the silence of members. It keeps state by peer.
pub(crate) trait Detector: Debug + Send {
    /// A peer becomes a member with this sign of life. State of an earlier membership is dropped.
    fn join(&mut self, now: Time, peer: PeerId, sign: Sign);

    /// A member gives a sign of life.
    fn alive(&mut self, now: Time, peer: PeerId, sign: Sign);

    /// The last moment at which a member is not yet suspected that was last heard of at
    /// `last_seen`.
    fn deadline(&self, peer: PeerId, last_seen: Time) -> Time;

    /// Whether a sign of life never moves a deadline to an earlier time.
    fn only_defers(&self) -> bool {
        false
    }
}

/// Makes the detector of these options. `timeout` is the server option.
pub(crate) fn build(options: DetectorOptions, timeout: Span) -> Box<dyn Detector> {
    match options {
        DetectorOptions::Timeout => Box::new(timeout::Timeout(timeout)),
        DetectorOptions::Missed(options) => Box::new(options.detector()),
        DetectorOptions::Phi(options) => Box::new(phi::PhiAccrual::new(options)),
        DetectorOptions::Chen(options) => Box::new(chen::NfdE::new(options)),
        DetectorOptions::Bertier(options) => Box::new(bertier::BertierDetector::new(options)),
    }
}

/// The state of a peer in an array, which grows as needed.
fn grow<T: Clone>(states: &mut Vec<T>, peer: PeerId, new: T) -> &mut T {
    let index = peer as usize;
    if index >= states.len() {
        states.resize(index + 1, new);
    }
    &mut states[index]
}
