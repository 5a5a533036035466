//! The root of this crate on systems without the calls of Linux. Where another way exists it is
//! taken; otherwise the functions return an error or `None`.

use std::io;

use skipbeat_core::Span;
use socket2::Socket;
use tokio::net::UdpSocket;

use crate::plain;
pub use crate::plain::{Poller, ReceiveBatch};
use crate::{Message, SendRefusal};

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Sends the first message, which must be one datagram. Returns how many were sent.
///
/// # Errors
/// Why it was not sent.
pub fn send_batch<'a>(
    socket: &UdpSocket,
    bytes: &[u8],
    mut messages: impl ExactSizeIterator<Item = Message<'a>>,
) -> Result<usize, SendRefusal> {
    messages.next().map_or(Ok(0), |message| plain::send_one(socket, bytes, message))
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn want_local_address(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn allow_any_address(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn want_coalesced(_: &Socket) -> io::Result<()> {
    Err(unsupported())
}

/// Messages here are single datagrams.
pub fn knows_segments(_: &Socket) -> bool {
    false
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn forbid_fragments(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn allow_fragments(_: &UdpSocket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

/// Sets the size of the receive buffer in bytes. `None` asks for four megabytes and accepts less.
/// Returns the size that the system granted.
///
/// # Errors
/// Where the system refuses the size that was asked for.
pub fn set_receive_buffer(socket: &Socket, bytes: Option<usize>) -> io::Result<usize> {
    match bytes {
        Some(bytes) => socket.set_recv_buffer_size(bytes)?,
        // If the system refuses, the size stays as it is.
        None => drop(socket.set_recv_buffer_size(4 << 20)),
    }
    socket.recv_buffer_size()
}

/// Not supported here: no counter says how many datagrams a socket dropped.
///
/// # Errors
/// Always.
pub fn dropped<S>(_: &S) -> io::Result<u64> {
    Err(unsupported())
}

/// Processor time of the calling thread; unknown here.
pub fn thread_cpu() -> Option<Span> {
    None
}

/// Does nothing here: a child process may outlive this one.
pub fn end_with_parent(_: &mut tokio::process::Command) {}

/// Ends a child process by force, the only way there is here.
pub fn terminate(child: &mut tokio::process::Child) {
    let _ = child.start_kill();
}

/// A timer with the precision of tokio's own.
pub struct Alarm;

impl Alarm {
    /// A timer that is not set.
    ///
    /// # Errors
    /// Never here.
    pub fn new() -> io::Result<Self> {
        Ok(Alarm)
    }

    /// Waits for `span` from now.
    ///
    /// # Errors
    /// Never here.
    pub async fn sleep(&self, span: Span) -> io::Result<()> {
        plain::sleep(span).await
    }
}
