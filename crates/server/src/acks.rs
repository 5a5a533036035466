//! Acks in both directions: which numbered texts of a peer were taken already, and which numbered
//! texts to a peer wait for its ack.

use std::collections::BTreeMap;
use std::sync::Arc;

use skipbeat_core::{ClientSet, Time};
use skipbeat_reliable::{DuplicateWindow, Outbox, Overdue};

use crate::PeerId;

/// One peer that asked for numbered texts.
#[derive(Debug, Default)]
struct Reader {
    outbox: Outbox<Arc<[u8]>>,
    /// When its timer is due; there is one at a time that counts.
    armed: Option<Time>,
}

/// The state of acks. Peers that use none cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    windows: BTreeMap<PeerId, DuplicateWindow>,
    readers: BTreeMap<PeerId, Reader>,
    /// The members that asked for numbered texts.
    members: ClientSet,
}

impl Acks {
    /// Whether a numbered text of a peer is new.
    pub(crate) fn take(&mut self, peer: PeerId, number: u32) -> bool {
        self.windows.entry(peer).or_default().take(number)
    }

    /// A peer begins its sequence anew.
    pub(crate) fn forget_sequence(&mut self, peer: PeerId) {
        self.windows.remove(&peer);
    }

    /// A member asks for numbered texts.
    pub(crate) fn want(&mut self, peer: PeerId) {
        self.members.insert(peer);
        self.readers.entry(peer).or_default();
    }

    /// Who of the members gets numbered texts.
    pub(crate) fn members(&self) -> &ClientSet {
        &self.members
    }

    /// A peer is no member any more: what waits for it is given up.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Vec<Arc<[u8]>> {
        self.members.remove(peer);
        let reader = self.readers.remove(&peer);
        reader.map_or_else(Vec::new, |mut reader| reader.outbox.abandon().collect())
    }

    /// A numbered text goes to a reader. Gives what had to be given up for it, and when a timer
    /// is needed that is not set yet.
    pub(crate) fn send(
        &mut self,
        now: Time,
        peer: PeerId,
        number: u32,
        text: Arc<[u8]>,
    ) -> (Vec<Arc<[u8]>>, Option<Time>) {
        let Some(reader) = self.readers.get_mut(&peer) else { return (Vec::new(), None) };
        let lost = reader.outbox.send(now, number, text);
        (lost, reader.arm())
    }

    /// A peer acks; gives the text that it is for.
    pub(crate) fn ack(&mut self, now: Time, peer: PeerId, number: u32) -> Option<Arc<[u8]>> {
        self.readers.get_mut(&peer)?.outbox.ack(now, number)
    }

    /// The timer of a reader came due at `at`: gives what is overdue one by one, and at the end
    /// when the next timer is needed.
    pub(crate) fn overdue(&mut self, at: Time, now: Time, peer: PeerId) -> Overdues {
        let Some(reader) = self.readers.get_mut(&peer).filter(|r| r.armed == Some(at)) else {
            return (Vec::new(), None);
        };
        reader.armed = None;
        let overdue = std::iter::from_fn(|| reader.outbox.overdue(now)).collect();
        (overdue, reader.arm())
    }
}

/// What is overdue, and when to look again.
pub(crate) type Overdues = (Vec<Overdue<Arc<[u8]>>>, Option<Time>);

impl Reader {
    /// When a timer has to be set that is not.
    fn arm(&mut self) -> Option<Time> {
        let due = self.outbox.next_due()?;
        if self.armed.is_some_and(|armed| armed <= due) {
            return None;
        }
        self.armed = Some(due);
        Some(due)
    }
}
