//! Acks in both directions: which numbered texts of a peer were received before, and which numbered
//! texts to a member still wait for its ack.

use std::collections::BTreeMap;
use std::sync::Arc;

use skipbeat_core::{ClientSet, Time};
use skipbeat_protocol::{DuplicateWindow, Outbox, Overdue};

use crate::PeerId;

/// The state of acks. It keeps nothing for peers that do not use them.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    windows: BTreeMap<PeerId, DuplicateWindow>,
    /// What waits for the acks of each member that asked for numbered texts. A text that goes to
    /// many is kept once.
    outboxes: BTreeMap<PeerId, Outbox<Arc<[u8]>>>,
    /// The keys of `outboxes`, as a set that can be combined with others.
    members: ClientSet,
}

/// The texts that are overdue, and the time for which the next timer must be set.
pub(crate) type Overdues = (Vec<Overdue<Arc<[u8]>>>, Option<Time>);

impl Acks {
    /// Records a numbered text of a peer and returns whether it is new.
    pub(crate) fn take(&mut self, peer: PeerId, number: u32) -> bool {
        self.windows.entry(peer).or_default().take(number)
    }

    /// The peer will number its texts from zero again.
    pub(crate) fn forget_sequence(&mut self, peer: PeerId) {
        self.windows.remove(&peer);
    }

    /// A member asks for numbered texts.
    pub(crate) fn want(&mut self, peer: PeerId) {
        self.members.insert(peer);
        self.outboxes.entry(peer).or_default();
    }

    /// The members that asked for numbered texts.
    pub(crate) fn members(&self) -> &ClientSet {
        &self.members
    }

    /// A membership ended: returns the texts that are given up by that.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Vec<Arc<[u8]>> {
        self.members.remove(peer);
        let outbox = self.outboxes.remove(&peer);
        outbox.map_or_else(Vec::new, |mut outbox| outbox.abandon().collect())
    }

    /// A numbered text is sent to a member. Returns the texts that are given up for lack of room,
    /// and the time for which a timer must be set, if any.
    pub(crate) fn send(
        &mut self,
        now: Time,
        peer: PeerId,
        number: u32,
        text: Arc<[u8]>,
    ) -> (Vec<Arc<[u8]>>, Option<Time>) {
        let Some(outbox) = self.outboxes.get_mut(&peer) else { return (Vec::new(), None) };
        let lost = outbox.send(now, number, text);
        (lost, outbox.set_timer())
    }

    /// An ack arrived: returns the text that it is for, if that still waits.
    pub(crate) fn ack(&mut self, now: Time, peer: PeerId, number: u32) -> Option<Arc<[u8]>> {
        self.outboxes.get_mut(&peer)?.ack(now, number)
    }

    /// The timer of a member fired, which was set for `at`: returns what is overdue.
    pub(crate) fn overdue(&mut self, at: Time, now: Time, peer: PeerId) -> Overdues {
        let Some(outbox) = self.outboxes.get_mut(&peer) else { return (Vec::new(), None) };
        if !outbox.timer_fired(at) {
            return (Vec::new(), None);
        }
        let overdue = std::iter::from_fn(|| outbox.overdue(now)).collect();
        (overdue, outbox.set_timer())
    }
}
