//! Options and counters of sockets.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option value is a live i32 of the stated size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks the kernel to report to which local address each datagram was sent.
///
/// # Errors
/// What the kernel reports.
pub fn want_local_address(socket: &impl AsRawFd, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Lets a socket bind to and send from addresses that no interface has, such as those of a prefix
/// that is only routed to `lo`.
///
/// # Errors
/// What the kernel reports.
pub fn allow_any_address(socket: &impl AsRawFd, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)
    }
}

/// Lets the kernel hand over several datagrams of one sender in one buffer (`UDP_GRO`).
///
/// # Errors
/// What the kernel reports.
pub fn want_coalesced(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Whether the kernel supports messages of several datagrams (`UDP_SEGMENT`). The network device on
/// the path may still refuse them.
pub fn knows_segments(socket: &impl AsRawFd) -> bool {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

/// Forbids the kernel to fragment datagrams, which saves it the choice of an IP identification for
/// each of them.
///
/// # Errors
/// What the kernel reports.
pub fn forbid_fragments(socket: &impl AsRawFd, v6: bool) -> io::Result<()> {
    discover_mtu(socket, v6, libc::IP_PMTUDISC_DO)
}

/// Lets the kernel fragment datagrams that are too long for the path.
///
/// # Errors
/// What the kernel reports.
pub fn allow_fragments(socket: &impl AsRawFd, v6: bool) -> io::Result<()> {
    discover_mtu(socket, v6, libc::IP_PMTUDISC_DONT)
}

// The values of `how` are the same for both families.
fn discover_mtu(socket: &impl AsRawFd, v6: bool, how: i32) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, how)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, how)
    }
}

/// Sets the size of the receive buffer in bytes. `None` asks for as much as the kernel allows,
/// since it charges 832 bytes for a queued datagram of 60. Returns the size that the kernel
/// granted.
///
/// # Errors
/// What the kernel reports.
pub fn set_receive_buffer(socket: &Socket, bytes: Option<usize>) -> io::Result<usize> {
    const FORCED: i32 = 64 << 20;
    const ALLOWED: usize = 4 << 20;
    match bytes {
        Some(bytes) => socket.set_recv_buffer_size(bytes)?,
        None => {
            if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, FORCED).is_err() {
                socket.set_recv_buffer_size(ALLOWED)?;
            }
        }
    }
    socket.recv_buffer_size()
}

/// How many datagrams the kernel dropped because the receive buffer was full, by the socket's own
/// counter (`SK_MEMINFO_DROPS`).
///
/// # Errors
/// What the kernel reports, and [`io::ErrorKind::Unsupported`] where it has no such counter.
pub fn dropped(socket: &impl AsRawFd) -> io::Result<u64> {
    const DROPS: usize = 8;
    let mut info = [0u32; 16];
    let mut length = size_of::<[u32; 16]>() as u32;
    // SAFETY: the kernel writes at most `length` bytes into `info`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < (DROPS + 1) * size_of::<u32>() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel has no drop counter"));
    }
    Ok(info[DROPS].into())
}
