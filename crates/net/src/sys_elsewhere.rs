//! In the place of `sys` on systems without its calls: what can be done otherwise is done so, and
//! what can't be known is said to be unknown.

use std::io;

use skipbeat_core::Span;
use socket2::Socket;
use tokio::net::UdpSocket;

pub(crate) use crate::plain::{Poller, ReceiveBatch, send_one as send_batch};

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

pub(crate) fn want_local_address(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn allow_any_address(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn want_coalesced(_: &Socket) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn knows_segments(_: &Socket) -> bool {
    false
}

pub(crate) fn forbid_fragments(_: &Socket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn allow_fragments(_: &UdpSocket, _: bool) -> io::Result<()> {
    Err(unsupported())
}

/// Makes the receive buffer this large; four megabytes where nothing is asked for and the system
/// allows it. Says what there is.
pub(crate) fn set_receive_buffer(socket: &Socket, bytes: Option<usize>) -> io::Result<usize> {
    match bytes {
        Some(bytes) => socket.set_recv_buffer_size(bytes)?,
        // What the system does not allow stays as it is.
        None => drop(socket.set_recv_buffer_size(4 << 20)),
    }
    socket.recv_buffer_size()
}

/// No counter says how many datagrams a socket threw away.
pub(crate) fn dropped<S>(_: &S) -> io::Result<u64> {
    Err(unsupported())
}

/// Processor time of the calling thread so far; unknown here.
pub fn thread_cpu() -> Option<Span> {
    None
}

pub(crate) fn end_with_parent(_: &mut tokio::process::Command) {}

/// Asks a child process to end: there is only one way.
pub(crate) fn terminate(child: &mut tokio::process::Child) {
    let _ = child.start_kill();
}

/// A timer of tokio's own.
pub(crate) struct Alarm;

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Alarm)
    }

    pub(crate) async fn sleep(&self, span: Span) -> io::Result<()> {
        crate::plain::sleep(span).await
    }
}
