//! When silence is too long. A detector sees a member's signs of life and names the last moment
//! at which the member is not suspected yet; who looks, and when, is decided by [`EvictionTiming`](crate::EvictionTiming).
//!
//! A new detector is one file here, one variant of [`DetectorOptions`], one line in [`build`].

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

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    /// A heartbeat, with its number where it has one.
    Mechanism(Option<u32>),
    /// Anything else that shows the peer to be alive.
    Other,
}

/// How silence is judged. State is kept by peer.
pub(crate) trait Detector: Debug + Send {
    /// The peer becomes a member with this sign of life: what was known of it is forgotten.
    fn join(&mut self, now: Time, peer: PeerId, sign: Sign);

    /// A member gives a sign of life.
    fn alive(&mut self, now: Time, peer: PeerId, sign: Sign);

    /// The last moment at which a member that was last heard of at `last_seen` is not suspected.
    fn deadline(&self, peer: PeerId, last_seen: Time) -> Time;

    /// Whether a sign of life never moves a deadline forward.
    fn only_defers(&self) -> bool {
        false
    }
}

/// The detector that the options ask for; `timeout` is that of the server.
pub(crate) fn build(options: DetectorOptions, timeout: Span) -> Box<dyn Detector> {
    match options {
        DetectorOptions::Timeout => Box::new(timeout::Timeout(timeout)),
        DetectorOptions::Missed(options) => Box::new(options.detector()),
        DetectorOptions::Phi(options) => Box::new(phi::PhiAccrual::new(options)),
        DetectorOptions::Chen(options) => Box::new(chen::NfdE::new(options)),
        DetectorOptions::Bertier(options) => Box::new(bertier::BertierDetector::new(options)),
    }
}

/// Makes room for a peer in an array of states.
fn grow<T: Clone>(states: &mut Vec<T>, peer: PeerId, new: T) -> &mut T {
    let index = peer as usize;
    if index >= states.len() {
        states.resize(index + 1, new);
    }
    &mut states[index]
}
