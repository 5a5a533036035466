//! A fixed timeout: a member is suspected when it is silent for longer. The tutorial and most
//! systems use it.

use skipbeat_core::{Span, Time};

use super::{Detector, Sign};
use crate::PeerId;

#[derive(Debug)]
pub(super) struct Timeout(pub(super) Span);

impl Detector for Timeout {
    fn join(&mut self, _: Time, _: PeerId, _: Sign) {}

    fn alive(&mut self, _: Time, _: PeerId, _: Sign) {}

    fn deadline(&self, _: PeerId, last_seen: Time) -> Time {
        last_seen + self.0
    }

    fn only_defers(&self) -> bool {
        true
    }
}
