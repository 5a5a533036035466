//! Sending in batches: one call for many addresses, one message for several datagrams to one.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;

use super::name::{Control, Name};
use crate::{BATCH, Message, SendRefusal};

/// What an error means for a message of one datagram, or of `several`.
fn refusal(error: &io::Error, several: bool) -> SendRefusal {
    match error.raw_os_error() {
        _ if error.kind() == io::ErrorKind::WouldBlock => SendRefusal::Full,
        Some(libc::EMSGSIZE) => SendRefusal::TooLong,
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP) if several => SendRefusal::NoSegments,
        _ => SendRefusal::Other,
    }
}

/// Sends the first messages, up to a batch, with one call. Their ranges point into `bytes`. Returns
/// how many were sent; none where a signal interrupted the call.
///
/// # Errors
/// Why the first message was not sent.
pub fn send_batch<'a>(
    socket: &impl AsRawFd,
    bytes: &[u8],
    messages: impl ExactSizeIterator<Item = Message<'a>>,
) -> Result<usize, SendRefusal> {
    let count = messages.len().min(BATCH);
    let mut first_has_several = false;
    let mut names = [Name::EMPTY; BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut slices: Vec<libc::iovec> = Vec::with_capacity(count * 2);
    // For each message: the length of its name and of its control messages, the end of its slices.
    let mut lengths = [(0, 0, 0); BATCH];
    for (n, message) in messages.take(BATCH).enumerate() {
        let first = slices.len();
        let mut behind = u32::MAX;
        for &(start, end) in message.datagrams {
            let range = &bytes[start as usize..end as usize];
            match slices.last_mut() {
                // Contiguous datagrams share a slice.
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
            first_has_several |= n == 0;
        }
        debug_assert!(slices.len() > first, "a message has a datagram");
        lengths[n] = (names[n].write(message.to), used, slices.len());
    }
    // One pointer to each array, from which those to its elements are derived.
    let (name, control) = (names.as_mut_ptr(), controls.as_mut_ptr());
    let slice = slices.as_mut_ptr();
    let mut first = 0;
    // SAFETY: all zeros is a valid mmsghdr.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
    for (n, (name_length, used, end)) in lengths[..count].iter().copied().enumerate() {
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
    // SAFETY: every header points to live memory of the stated lengths; sendmmsg only reads names,
    // slices, control messages and payloads.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
    let Ok(sent) = usize::try_from(sent) else {
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok(0);
        }
        return Err(refusal(&error, first_has_several));
    };
    Ok(sent)
}
