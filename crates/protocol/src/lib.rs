//! The datagram grammar: what the bytes mean and how they are written, and what acks need on both
//! sides.
//!
//! Reading checks the bytes and gives a value that is always valid; every value can be written.
//! Text is bytes: what is not UTF-8 is passed on as it is.
#![forbid(unsafe_code)]

mod ack;
mod down;
mod frame;
mod tag;
mod up;

pub use ack::{AckEnd, DuplicateWindow, Outbox, Overdue, RetryPolicy, Rto, WINDOW};
pub use down::{
    BYE, Down, WELCOME, write_ack, write_chat, write_cookie, write_expired, write_heartbeat,
    write_message, write_value, write_welcome,
};
pub use frame::{Frames, write_frame};
pub use tag::Tag;
pub use up::{HEARTBEAT, JOIN, Join, Packet, QUIT, Refusal, Up};

/// The longest datagram a client may send by default, in bytes: the tutorial's number.
pub const MAX_DATAGRAM: usize = 1024;
/// The port of the tutorial's server.
pub const DEFAULT_PORT: u16 = 9999;
