//! The system calls behind real sockets, and the only crate of the workspace with `unsafe`. Nothing
//! in its interface is unsafe.
//!
//! Everything comes in two forms:
//!
//! - At the root of the crate, what Linux has: `sendmmsg` and `recvmmsg`, several datagrams in one
//!   message (`UDP_SEGMENT`, `UDP_GRO`), packet information, the drop counter of a socket, a timer
//!   that is precise to microseconds, and one `epoll` for many sockets.
//! - In [`plain`], what every system has, through tokio.
//!
//! Other systems, and builds with `SKIPBEAT_PORTABLE` set, have the same names at the root. There
//! they do what can be done without those calls, or return [`std::io::ErrorKind::Unsupported`];
//! [`BATCHED`] says which of the two was built.

mod clock;
mod datagram;
pub mod plain;
#[cfg_attr(batched, path = "linux/mod.rs")]
#[cfg_attr(not(batched), path = "elsewhere.rs")]
mod system;

pub use clock::Clock;
pub use datagram::{BATCH, ByteRange, Message, Received, SendRefusal};
pub use system::{
    Alarm, Poller, ReceiveBatch, allow_any_address, allow_fragments, dropped, end_with_parent,
    forbid_fragments, knows_segments, send_batch, set_receive_buffer, terminate, thread_cpu,
    want_coalesced, want_local_address,
};

/// Whether the root of this crate has the calls of Linux.
pub const BATCHED: bool = cfg!(batched);
