//! What both sides of an acknowledged exchange need: an [`Outbox`] of what waits for its answer, a
//! [`RetryPolicy`] that says when to send it again (for acks [`Rto`], RFC 6298), and a
//! [`DuplicateWindow`] that recognises what has been received before.

mod outbox;
mod policy;
mod rto;
mod window;

pub use outbox::{Outbox, Overdue};
pub use policy::RetryPolicy;
pub use rto::Rto;
pub use window::{DuplicateWindow, WINDOW};

/// How waiting for an ack, or for the answer to a query, ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckEnd {
    /// It arrived.
    Acked,
    /// It will not be waited for any longer: the last try timed out, newer items took the room in
    /// the outbox, or the receiver or the sender is gone.
    GivenUp,
}
