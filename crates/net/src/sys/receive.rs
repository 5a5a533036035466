//! Receiving in batches.

use std::io;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use super::name::{Control, Name};
use crate::wire::{BATCH, Received};
use skipbeat_measure::Traffic;

/// Room for one batch of datagrams.
pub(crate) struct ReceiveBatch {
    room: usize,
    buffers: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    /// What the last batch filled.
    filled: Vec<Filled>,
}

/// A buffer that was filled.
#[derive(Clone, Copy)]
struct Filled {
    /// Bytes of it.
    length: usize,
    /// The local address that it was sent to.
    to: Option<IpAddr>,
    /// Bytes of each datagram in it but the last.
    segment: usize,
}

impl ReceiveBatch {
    /// Room for datagrams of up to `room` bytes, or for as much of several received as one.
    pub(crate) fn new(room: usize) -> Self {
        ReceiveBatch {
            room,
            buffers: vec![0; BATCH * room],
            names: vec![Name::EMPTY; BATCH],
            controls: vec![Control::EMPTY; BATCH],
            filled: Vec::with_capacity(BATCH),
        }
    }

    /// Takes what the socket has, up to a batch, without waiting; says how many datagrams.
    pub(crate) fn receive(
        &mut self,
        socket: &impl AsRawFd,
        traffic: &mut Traffic,
    ) -> io::Result<usize> {
        self.filled.clear();
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
            header.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = Name::ROOM as u32;
            header.msg_hdr.msg_iov = &raw mut *slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = Control::ROOM;
            header
        });
        traffic.receive_calls += 1;
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
        for (header, control) in headers[..count].iter().zip(&self.controls) {
            let length = (header.msg_len as usize).min(self.room);
            let (to, segment) = control.read(header.msg_hdr.msg_controllen);
            let segment = segment.unwrap_or(length).max(1);
            traffic.datagrams_received += length.div_ceil(segment).max(1) as u64;
            self.filled.push(Filled { length, to, segment });
        }
        traffic.receives += count as u64;
        Ok(count)
    }

    /// The datagrams of the last batch; several that were received as one come one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        self.filled.iter().enumerate().flat_map(|(i, &Filled { length, to, segment })| {
            let payload = &self.buffers[i * self.room..][..length];
            // A datagram may be empty.
            let several = payload.chunks(segment).chain(payload.is_empty().then_some(payload));
            let from = self.names[i].read();
            several.filter_map(move |payload| Some(Received { from: from?, to, payload }))
        })
    }
}
