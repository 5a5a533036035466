//! The system calls: datagrams in batches, several to one address in one send, the address of the
//! client on our side, the drop counter of a socket, large buffers, a precise alarm, many sockets
//! behind one readiness. These are the only files of the workspace with `unsafe`; they hand out
//! nothing that is.
#![expect(unsafe_code, reason = "sendmmsg, recvmmsg and control messages have no safe wrapper")]

mod name;
mod process;
mod receive;
mod send;
mod socket;
mod wake;

pub use process::thread_cpu;
pub(crate) use process::{end_with_parent, terminate};
pub(crate) use receive::ReceiveBatch;
pub(crate) use send::send_batch;
pub(crate) use socket::{
    allow_any_address, allow_fragments, dropped, forbid_fragments, knows_segments,
    set_receive_buffer, want_coalesced, want_local_address,
};
pub(crate) use wake::{Alarm, Poller};

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    use socket2::Socket;

    use super::*;
    use crate::message::MessageQueue;
    use crate::wire::Received;
    use skipbeat_measure::Traffic;

    /// A socket for every address at its port.
    fn wildcard() -> UdpSocket {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        want_local_address(&socket, false).unwrap();
        socket
    }

    /// Sends everything; there is room.
    fn send(socket: &UdpSocket, bytes: &[u8], mut queue: MessageQueue) {
        while queue.len() > 0 {
            let sent = send_batch(socket, bytes, &queue, &mut Traffic::default()).unwrap();
            queue.advance(sent);
        }
    }

    /// What a socket has, in order, until so many datagrams came.
    fn receive<T>(
        socket: &UdpSocket,
        room: usize,
        count: usize,
        each: impl Fn(Received<'_>) -> T,
    ) -> (Vec<T>, Traffic) {
        let (mut batch, mut traffic) = (ReceiveBatch::new(room), Traffic::default());
        let mut all = Vec::new();
        while all.len() < count {
            batch.receive(socket, &mut traffic).unwrap();
            all.extend(batch.iter().map(&each));
        }
        (all, traffic)
    }

    #[test]
    fn one_socket_sends_from_and_receives_at_many_addresses() {
        let many = wildcard();
        let port = many.local_addr().unwrap().port();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer_address = peer.local_addr().unwrap();
        let mut queue = MessageQueue::default();
        for last in 0..100 {
            queue.push(peer_address, Some(Ipv4Addr::new(127, 1, 2, last).into()), &[(0, 5)]);
        }
        send(&many, b"hello", queue);
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
    fn one_message_of_many_datagrams_is_many_datagrams_to_whoever_reads() {
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
            let mut queue = MessageQueue::default();
            // Not all of it lies together.
            queue.push(to, None, &ranges[..3]);
            queue.push(to, None, &[ranges[5], ranges[4]]);
            queue.push(to, None, &ranges[10..13]);
            queue.push(to, None, &ranges[62..]);
            send(&sender, &texts, queue);
            let (seen, traffic) = receive(&receiver, 65_535, 11, |d| d.payload.to_vec());
            let expected = [0, 1, 2, 5, 4, 10, 11, 12, 62, 63, 64]
                .map(|n: u8| vec![n; if n == 64 { 7 } else { 60 }]);
            assert_eq!(seen, expected);
            assert_eq!(traffic.datagrams_received, 11);
            assert_eq!(traffic.receives, if coalesced { 4 } else { 11 });
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
        while let Ok(count) = batch.receive(&receiver, &mut Traffic::default()) {
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
        assert_eq!(batch.receive(&receiver, &mut Traffic::default()).unwrap(), 1);
        assert_eq!(batch.iter().next().unwrap().payload.len(), 100);
    }
}
