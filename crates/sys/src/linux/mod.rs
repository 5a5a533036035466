//! The calls of Linux. These are the only files of the workspace with `unsafe`; each block says why
//! it is sound.
#![expect(unsafe_code, reason = "sendmmsg, recvmmsg and control messages have no safe wrapper")]

mod name;
mod process;
mod receive;
mod send;
mod socket;
mod wake;

pub use process::thread_cpu;
pub use process::{end_with_parent, terminate};
pub use receive::ReceiveBatch;
pub use send::send_batch;
pub use socket::{
    allow_any_address, allow_fragments, dropped, forbid_fragments, knows_segments,
    set_receive_buffer, want_coalesced, want_local_address,
};
pub use wake::{Alarm, Poller};

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    use socket2::Socket;

    use super::*;
    use crate::{ByteRange, Message, Received};

    /// A socket for every address at its port.
    fn wildcard() -> UdpSocket {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        want_local_address(&socket, false).unwrap();
        socket
    }

    /// Sends everything. The send buffer is expected to have room for it.
    fn send(socket: &UdpSocket, bytes: &[u8], mut messages: &[Message<'_>]) {
        while !messages.is_empty() {
            let sent = send_batch(socket, bytes, messages.iter().copied()).unwrap();
            messages = &messages[sent..];
        }
    }

    /// Reads until `count` datagrams have come. Returns what `each` makes of them, in order, and
    /// how many buffers they filled.
    fn receive<T>(
        socket: &UdpSocket,
        room: usize,
        count: usize,
        each: impl Fn(Received<'_>) -> T,
    ) -> (Vec<T>, usize) {
        let (mut batch, mut all) = (ReceiveBatch::new(room), Vec::new());
        let (mut buffers, mut datagrams) = (0, 0);
        while all.len() < count {
            buffers += batch.receive(socket, &mut 0).unwrap();
            datagrams += batch.datagrams();
            all.extend(batch.iter().map(&each));
        }
        assert_eq!(datagrams, all.len() as u64);
        (all, buffers)
    }

    #[test]
    fn one_socket_sends_from_and_receives_at_many_addresses() {
        let many = wildcard();
        let port = many.local_addr().unwrap().port();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer_address = peer.local_addr().unwrap();
        let messages: Vec<_> = (0..100)
            .map(|last| Message {
                to: peer_address,
                from: Some(Ipv4Addr::new(127, 1, 2, last).into()),
                datagrams: &[(0, 5)],
            })
            .collect();
        send(&many, b"hello", &messages);
        let (seen, _) = receive(&peer, 1024, 100, |datagram| {
            assert_eq!((datagram.payload, datagram.to), (&b"hello"[..], None));
            datagram.from
        });
        let expected = |last| SocketAddr::from(([127, 1, 2, last], port));
        assert_eq!(seen, (0..100).map(expected).collect::<Vec<_>>());
        for to in &seen {
            peer.send_to(b"back", to).unwrap();
        }
        let (back, _) = receive(&many, 1024, 100, |datagram| (datagram.from, datagram.to));
        let expected = |last| (peer_address, Some(Ipv4Addr::new(127, 1, 2, last).into()));
        assert_eq!(back, (0..100).map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn one_message_of_many_datagrams_is_received_as_many() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let texts: Vec<u8> = (0..64u8).flat_map(|n| [n; 60]).chain([64; 7]).collect();
        let ranges: Vec<_> =
            (0..64).map(|n| (n * 60, (n + 1) * 60)).chain([(64 * 60, 64 * 60 + 7)]).collect();
        for coalesced in [false, true] {
            let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
            if coalesced {
                want_coalesced(&receiver).unwrap();
            }
            let to = receiver.local_addr().unwrap();
            let message = |datagrams| Message { to, from: None, datagrams };
            // Not all of it is contiguous.
            let apart: [ByteRange; 2] = [ranges[5], ranges[4]];
            let parts = [&ranges[..3], &apart, &ranges[10..13], &ranges[62..]];
            send(&sender, &texts, &parts.map(message));
            let (seen, buffers) = receive(&receiver, 65_535, 11, |d| d.payload.to_vec());
            let expected = [0, 1, 2, 5, 4, 10, 11, 12, 62, 63, 64]
                .map(|n: u8| vec![n; if n == 64 { 7 } else { 60 }]);
            assert_eq!(seen, expected);
            assert_eq!(buffers, if coalesced { 4 } else { 11 });
        }
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
        while let Ok(count) = batch.receive(&receiver, &mut 0) {
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
        assert_eq!(batch.receive(&receiver, &mut 0).unwrap(), 1);
        assert_eq!(batch.iter().next().unwrap().payload.len(), 100);
    }
}
