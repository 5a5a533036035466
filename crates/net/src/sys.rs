//! The system calls: datagrams in batches with the address of the client on our side, the drop
//! counter of a socket, large buffers, a precise alarm, many sockets behind one readiness. This is
//! the only module of the workspace with `unsafe`; it hands out nothing that is.
#![expect(unsafe_code, reason = "sendmmsg, recvmmsg and control messages have no safe wrapper")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use skipbeat_core::Span;
use socket2::{SockAddr, Socket};

/// Datagrams that one call sends or receives at most.
pub(crate) const BATCH: usize = 64;

/// Room for one control message with an `in_pktinfo`, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// A datagram that was received.
pub(crate) struct Received<'a> {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// The local address it was sent to, where the socket asks for it.
    pub(crate) to: Option<Ipv4Addr>,
    /// What it says; cut where it is longer than the room for one.
    pub(crate) payload: &'a [u8],
}

/// Room for one batch of datagrams.
pub(crate) struct ReceiveBatch {
    room: usize,
    buffers: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    lengths: Vec<(usize, usize)>,
}

impl ReceiveBatch {
    /// Room for datagrams of up to `room` bytes.
    pub(crate) fn new(room: usize) -> Self {
        ReceiveBatch {
            room,
            buffers: vec![0; BATCH * room],
            // SAFETY: all zeros is a valid sockaddr_storage.
            names: vec![unsafe { zeroed() }; BATCH],
            controls: vec![Control([0; 64]); BATCH],
            lengths: Vec::with_capacity(BATCH),
        }
    }

    /// Takes what the socket has, up to a batch, without waiting; says how many datagrams.
    pub(crate) fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        self.lengths.clear();
        // One pointer to each array, from which those to its places follow.
        let mut buffers = self.buffers.chunks_exact_mut(self.room);
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|_| {
            let buffer = buffers.next().expect("there is room for a batch");
            libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }
        });
        let mut places = slices.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let mut headers: [libc::mmsghdr; BATCH] = std::array::from_fn(|_| {
            let ((slice, name), control) = places.next().expect("there is room for a batch");
            // SAFETY: all zeros is a valid mmsghdr.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_hdr.msg_iov = &raw mut *slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
            header
        });
        // SAFETY: every header points to live buffers of the stated lengths, which outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let lengths =
            headers[..count].iter().map(|h| (h.msg_len as usize, h.msg_hdr.msg_controllen));
        self.lengths.extend(lengths);
        Ok(count)
    }

    /// As [`ReceiveBatch::receive`], and lets tokio know when the socket is empty. It asks the
    /// kernel, not tokio, which knows of datagrams only after it had its turn.
    pub(crate) fn receive_watched(&mut self, socket: &tokio::net::UdpSocket) -> io::Result<usize> {
        let received = self.receive(socket);
        if received.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            // Whether tokio knew already does not matter.
            let _ = socket.try_io(tokio::io::Interest::READABLE, empty);
        }
        received
    }

    /// Forgets the last batch.
    pub(crate) fn clear(&mut self) {
        self.lengths.clear();
    }

    /// The datagrams of the last batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        self.lengths.iter().enumerate().filter_map(|(i, &(length, control))| {
            Some(Received {
                from: address(&self.names[i])?,
                to: local_address(&self.controls[i].0[..control.min(size_of::<Control>())]),
                payload: &self.buffers[i * self.room..][..length.min(self.room)],
            })
        })
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    // SAFETY: socket2 wants an initialised address of the given length; `name` is one.
    unsafe {
        SockAddr::try_init(|storage, length| {
            std::ptr::copy_nonoverlapping(name, storage.cast(), 1);
            *length = size_of::<libc::sockaddr_storage>() as u32;
            Ok(())
        })
    }
    .ok()?
    .1
    .as_socket()
}

/// The address in an `IP_PKTINFO` control message: `cmsghdr` (length, level, type), then
/// `in_pktinfo` (interface, local address, header's destination).
fn local_address(control: &[u8]) -> Option<Ipv4Addr> {
    let header = size_of::<libc::cmsghdr>();
    let word = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let is_pktinfo = word(header - 8)? == libc::IPPROTO_IP && word(header - 4)? == libc::IP_PKTINFO;
    let destination: [u8; 4] = control.get(header + 8..header + 12)?.try_into().ok()?;
    is_pktinfo.then(|| Ipv4Addr::from(destination))
}

/// Datagrams that wait to be sent. Payloads are kept once, however many they go to.
#[derive(Default)]
pub(crate) struct SendQueue {
    payloads: Vec<u8>,
    datagrams: Vec<Datagram>,
    /// How many of them are sent.
    sent: usize,
    /// Datagrams that the kernel refused for good.
    pub(crate) refused: u64,
}

struct Datagram {
    to: SockAddr,
    from: Option<Ipv4Addr>,
    payload: (usize, usize),
}

impl SendQueue {
    /// Keeps a payload for the datagrams that follow.
    pub(crate) fn payload(&mut self, payload: &[u8]) -> (usize, usize) {
        let start = self.payloads.len();
        self.payloads.extend_from_slice(payload);
        (start, payload.len())
    }

    /// Adds a datagram; `from` is the local address where the socket has many.
    pub(crate) fn push(&mut self, to: SocketAddr, from: Option<Ipv4Addr>, payload: (usize, usize)) {
        self.datagrams.push(Datagram { to: to.into(), from, payload });
    }

    /// How many datagrams wait.
    pub(crate) fn len(&self) -> usize {
        self.datagrams.len() - self.sent
    }

    /// Sends what waits; `WouldBlock` where the socket takes no more for now.
    pub(crate) fn flush(&mut self, socket: &impl AsRawFd) -> io::Result<()> {
        while self.len() > 0 {
            match self.send_batch(socket.as_raw_fd()) {
                Ok(count) => self.sent += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // ENOBUFS and the like: this datagram is lost before it was sent, and counted.
                Err(_) => {
                    self.refused += 1;
                    self.sent += 1;
                }
            }
        }
        self.payloads.clear();
        self.datagrams.clear();
        self.sent = 0;
        Ok(())
    }

    fn send_batch(&mut self, socket: RawFd) -> io::Result<usize> {
        let batch = &self.datagrams[self.sent..];
        let batch = &batch[..batch.len().min(BATCH)];
        let mut controls = [Control([0; 64]); BATCH];
        let mut slices: [MaybeUninit<libc::iovec>; BATCH] =
            [const { MaybeUninit::uninit() }; BATCH];
        // SAFETY: all zeros is a valid mmsghdr.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        for (i, datagram) in batch.iter().enumerate() {
            let (start, length) = datagram.payload;
            let payload = &self.payloads[start..start + length];
            slices[i].write(libc::iovec {
                iov_base: payload.as_ptr().cast_mut().cast(),
                iov_len: length,
            });
            let header = &mut headers[i].msg_hdr;
            header.msg_name = datagram.to.as_ptr().cast_mut().cast();
            header.msg_namelen = datagram.to.len();
            header.msg_iov = slices[i].as_mut_ptr();
            header.msg_iovlen = 1;
            if let Some(from) = datagram.from {
                header.msg_controllen = write_pktinfo(&mut controls[i].0, from);
                header.msg_control = (&raw mut controls[i].0).cast();
            }
        }
        // SAFETY: every header points to live memory of the stated lengths; sendmmsg only reads
        // names, slices and payloads.
        let count = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), batch.len() as u32, 0) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// Writes the control message that sets the local address of a datagram; says its length.
fn write_pktinfo(control: &mut [u8; 64], from: Ipv4Addr) -> usize {
    let header = size_of::<libc::cmsghdr>();
    let length = header + size_of::<libc::in_pktinfo>();
    control[..header - 8].copy_from_slice(&length.to_ne_bytes());
    control[header - 8..header - 4].copy_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
    control[header - 4..header].copy_from_slice(&libc::IP_PKTINFO.to_ne_bytes());
    // in_pktinfo: interface 0, then the local address to send from.
    control[header + 4..header + 8].copy_from_slice(&from.octets());
    length
}

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

/// Asks for the local address of every datagram that arrives.
pub(crate) fn want_local_address(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
}

/// Makes the receive buffer this large, or where nothing is asked for as large as the kernel
/// allows: a queued datagram of 60 bytes is charged 832. Says what the kernel gave.
pub(crate) fn set_receive_buffer(socket: &Socket, bytes: Option<usize>) -> io::Result<usize> {
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

/// How many datagrams the socket threw away, by its own counter (`SK_MEMINFO_DROPS`).
pub(crate) fn dropped(socket: &impl AsRawFd) -> io::Result<u64> {
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

/// Processor time of the calling thread so far.
pub fn thread_cpu() -> Span {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec. This clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Span::from_secs(time.tv_sec as u64) + Span::from_nanos(time.tv_nsec as u64)
}

/// Makes a child process end with us, however we end.
pub(crate) fn end_with_parent(command: &mut tokio::process::Command) {
    // SAFETY: prctl is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Asks a child process to end.
pub(crate) fn terminate(process: u32) {
    // SAFETY: kill has no memory to get wrong; the process is our child and not yet waited for.
    unsafe { libc::kill(process as i32, libc::SIGTERM) };
}

/// A timer that wakes within microseconds, where tokio's own wheel turns by the millisecond.
pub(crate) struct Alarm(tokio::io::unix::AsyncFd<OwnedFd>);

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        Ok(Alarm(watched(own(fd)?)?))
    }

    /// Waits for a time from now.
    pub(crate) async fn sleep(&self, span: Span) -> io::Result<()> {
        let nanos = span.nanos().max(1);
        let value = libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        };
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        let fd = self.0.get_ref().as_raw_fd();
        // SAFETY: `setting` lives through the call, and no old setting is asked for.
        if unsafe { libc::timerfd_settime(fd, 0, &raw const setting, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = 0u64;
            let read = ready.try_io(|fd| {
                // SAFETY: a timerfd gives eight bytes, which `count` has room for.
                let n = unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), 8) };
                if n == 8 { Ok(()) } else { Err(io::Error::last_os_error()) }
            });
            if let Ok(result) = read {
                return result;
            }
        }
    }
}

/// Puts a descriptor that we own under tokio's watch.
fn watched(fd: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor for as long as it lives.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(fd) }?)
}

/// Many sockets behind one readiness: an epoll that is itself polled.
pub(crate) struct Poller(tokio::io::unix::AsyncFd<OwnedFd>);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        Ok(Poller(watched(own(fd)?)?))
    }

    /// Watches a socket; `token` names it.
    pub(crate) fn watch(&self, socket: &impl AsRawFd, token: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token.into() };
        let (poller, socket) = (self.0.get_ref().as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `event` lives through the call.
        let result =
            unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_ADD, socket, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The tokens of sockets that have something to read, without waiting.
    pub(crate) fn ready(&self) -> io::Result<Vec<u32>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: the kernel writes at most as many events as there is room for.
        let count = unsafe {
            let fd = self.0.get_ref().as_raw_fd();
            libc::epoll_wait(fd, events.as_mut_ptr(), events.len() as i32, 0)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(events[..count].iter().map(|event| event.u64 as u32).collect())
    }

    /// Waits until some socket has something to read.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller just got this descriptor from the kernel.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn wildcard() -> UdpSocket {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        want_local_address(&socket).unwrap();
        socket
    }

    #[test]
    fn one_socket_sends_from_and_receives_at_many_addresses() {
        let many = wildcard();
        let port = many.local_addr().unwrap().port();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer_address = peer.local_addr().unwrap();
        let mut queue = SendQueue::default();
        let hello = queue.payload(b"hello");
        for last in 0..100 {
            queue.push(peer_address, Some(Ipv4Addr::new(127, 1, 2, last)), hello);
        }
        queue.flush(&many).unwrap();
        let mut batch = ReceiveBatch::new(1024);
        let mut seen = Vec::new();
        while seen.len() < 100 {
            batch.receive(&peer).unwrap();
            for datagram in batch.iter() {
                assert_eq!((datagram.payload, datagram.to), (&b"hello"[..], None));
                seen.push(datagram.from);
            }
        }
        let expected = |last| SocketAddr::from(([127, 1, 2, last], port));
        assert_eq!(seen, (0..100).map(expected).collect::<Vec<_>>());
        for to in &seen {
            peer.send_to(b"back", to).unwrap();
        }
        let mut back = Vec::new();
        while back.len() < 100 {
            batch.receive(&many).unwrap();
            back.extend(batch.iter().map(|datagram| (datagram.from, datagram.to)));
        }
        let expected = |last| (peer_address, Some(Ipv4Addr::new(127, 1, 2, last)));
        assert_eq!(back, (0..100).map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_receive_buffer_is_counted_by_the_socket_itself() {
        let receiver = Socket::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        set_receive_buffer(&receiver, Some(4096)).unwrap();
        let to = receiver.local_addr().unwrap().as_socket().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..200 {
            sender.send_to(b"^hb^", to).unwrap();
        }
        let mut batch = ReceiveBatch::new(64);
        let mut received = 0;
        while let Ok(count) = batch.receive(&receiver) {
            received += count as u64;
        }
        let dropped = dropped(&receiver).unwrap();
        assert!(dropped > 0 && received + dropped == 200, "{received} + {dropped}");
    }

    #[test]
    fn a_long_datagram_is_cut_to_the_room() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(&[b'x'; 500], receiver.local_addr().unwrap()).unwrap();
        let mut batch = ReceiveBatch::new(100);
        assert_eq!(batch.receive(&receiver).unwrap(), 1);
        assert_eq!(batch.iter().next().unwrap().payload.len(), 100);
    }
}
