//! What acks need on both sides: when to send again ([`Rto`], RFC 6298), what waits for its ack
//! ([`Outbox`]), what has been seen before ([`DuplicateWindow`]). All of it is bounded.
#![forbid(unsafe_code)]

mod outbox;
mod rto;
mod window;

pub use outbox::{Outbox, Overdue};
pub use rto::Rto;
pub use window::{DuplicateWindow, WINDOW};
