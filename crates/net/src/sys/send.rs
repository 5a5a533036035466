//! Sending in batches: one call for many addresses, one message for several datagrams to one.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;

use super::name::{Control, Name};
use crate::message::MessageQueue;
use crate::wire::{BATCH, Refusal};
use skipbeat_measure::Traffic;

/// Why the kernel does not take a message of `several` datagrams, or of one.
fn refusal(error: &io::Error, several: bool) -> Refusal {
    match error.raw_os_error() {
        _ if error.kind() == io::ErrorKind::WouldBlock => Refusal::Full,
        Some(libc::EMSGSIZE) => Refusal::TooLong,
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP) if several => Refusal::NoSegments,
        _ => Refusal::Other,
    }
}

/// Sends the first of what waits, up to a batch; says how many messages, or why not the first.
/// `bytes` are what the ranges point into.
pub(crate) fn send_batch(
    socket: &impl AsRawFd,
    bytes: &[u8],
    queue: &MessageQueue,
    traffic: &mut Traffic,
) -> Result<usize, Refusal> {
    let messages = queue.len().min(BATCH);
    let mut names = [Name::EMPTY; BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut slices: Vec<libc::iovec> = Vec::with_capacity(messages * 2);
    // Of each message: bytes of its name and of its control messages, the end of its slices.
    let mut lengths = [(0, 0, 0); BATCH];
    for n in 0..messages {
        let message = queue.get(n);
        let first = slices.len();
        let mut behind = u32::MAX;
        for &(start, end) in message.datagrams {
            let range = &bytes[start as usize..end as usize];
            match slices.last_mut() {
                // What lies right behind the one before is one slice with it.
                Some(slice) if start == behind => slice.iov_len += range.len(),
                _ => slices.push(libc::iovec {
                    iov_base: range.as_ptr().cast_mut().cast(),
                    iov_len: range.len(),
                }),
            }
            behind = end;
        }
        let mut used = 0;
        if let Some(from) = message.from {
            used = controls[n].put_source(used, from);
        }
        if let [(start, end), _, ..] = message.datagrams {
            used = controls[n].put_segment(used, (end - start) as u16);
        }
        debug_assert!(slices.len() > first, "a message has a datagram");
        lengths[n] = (names[n].write(message.to), used, slices.len());
    }
    // One pointer to each array, from which those to its places follow.
    let (name, control) = (names.as_mut_ptr(), controls.as_mut_ptr());
    let slice = slices.as_mut_ptr();
    let mut first = 0;
    // SAFETY: all zeros is a valid mmsghdr.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
    for (n, (name_length, used, end)) in lengths[..messages].iter().copied().enumerate() {
        let header = &mut headers[n].msg_hdr;
        header.msg_name = name.wrapping_add(n).cast();
        header.msg_namelen = name_length as u32;
        header.msg_iov = slice.wrapping_add(first);
        header.msg_iovlen = end - first;
        first = end;
        if used > 0 {
            header.msg_control = control.wrapping_add(n).cast();
            header.msg_controllen = used;
        }
    }
    traffic.send_calls += 1;
    // SAFETY: every header points to live memory of the stated lengths; sendmmsg only reads names,
    // slices, control messages and payloads.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), messages as u32, 0) };
    let Ok(sent) = usize::try_from(sent) else {
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok(0);
        }
        return Err(refusal(&error, queue.get(0).datagrams.len() > 1));
    };
    traffic.sends += sent as u64;
    traffic.datagrams_sent += (0..sent).map(|n| queue.get(n).datagrams.len() as u64).sum::<u64>();
    Ok(sent)
}
