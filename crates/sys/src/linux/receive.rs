//! Receiving in batches with `recvmmsg`.

use std::io;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use super::name::{Control, Name};
use crate::{BATCH, Received};

/// Receives up to [`BATCH`] messages with one call.
pub struct ReceiveBatch {
    room: usize,
    buffers: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    /// The buffers that the last call filled.
    filled: Vec<Filled>,
    /// Datagrams in those.
    datagrams: u64,
}

#[derive(Clone, Copy)]
struct Filled {
    /// Bytes that were received.
    length: usize,
    /// The local address that they were sent to.
    to: Option<IpAddr>,
    /// The length of each datagram in the buffer but the last, which may be shorter.
    segment: usize,
}

impl ReceiveBatch {
    /// Buffers of `room` bytes each. Where several datagrams may be received as one
    /// ([`want_coalesced`](crate::want_coalesced)), a buffer should have room for 65,535 bytes.
    pub fn new(room: usize) -> Self {
        ReceiveBatch {
            room,
            buffers: vec![0; BATCH * room],
            names: vec![Name::EMPTY; BATCH],
            controls: vec![Control::EMPTY; BATCH],
            filled: Vec::with_capacity(BATCH),
            datagrams: 0,
        }
    }

    /// Reads what the socket has, up to a batch, without waiting. Returns how many buffers were
    /// filled, and adds the number of system calls to `calls`.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where there is nothing to read, and whatever else the call
    /// reports.
    pub fn receive(&mut self, socket: &impl AsRawFd, calls: &mut u64) -> io::Result<usize> {
        self.filled.clear();
        self.datagrams = 0;
        // Each element is borrowed once, so that all pointers stay valid through the call.
        let mut buffers = self.buffers.chunks_exact_mut(self.room);
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|_| {
            let buffer = buffers.next().expect("there is room for a batch");
            libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }
        });
        let mut entries = slices.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let mut headers: [libc::mmsghdr; BATCH] = std::array::from_fn(|_| {
            let ((slice, name), control) = entries.next().expect("there is room for a batch");
            // SAFETY: all zeros is a valid mmsghdr.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = Name::ROOM as u32;
            header.msg_hdr.msg_iov = &raw mut *slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = Control::ROOM;
            header
        });
        *calls += 1;
        // SAFETY: every header points to live buffers of the stated lengths, which outlive the
        // call.
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
        for (header, control) in headers[..count].iter().zip(&self.controls) {
            let length = (header.msg_len as usize).min(self.room);
            let (to, segment) = control.read(header.msg_hdr.msg_controllen);
            let segment = segment.unwrap_or(length).max(1);
            self.datagrams += length.div_ceil(segment).max(1) as u64;
            self.filled.push(Filled { length, to, segment });
        }
        Ok(count)
    }

    /// How many datagrams the last batch has.
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// The datagrams of the last batch, one by one, also where several were received as one.
    pub fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        self.filled.iter().enumerate().flat_map(|(i, &Filled { length, to, segment })| {
            let payload = &self.buffers[i * self.room..][..length];
            // A datagram may be empty.
            let several = payload.chunks(segment).chain(payload.is_empty().then_some(payload));
            let from = self.names[i].read();
            several.filter_map(move |payload| Some(Received { from: from?, to, payload }))
        })
    }
}
