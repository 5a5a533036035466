//! Addresses and control messages as the kernel lays them out, written and read as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Room for a `sockaddr_in` or a `sockaddr_in6`.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) [u8; Name::ROOM]);

impl Name {
    pub(super) const ROOM: usize = size_of::<libc::sockaddr_in6>();
    pub(super) const EMPTY: Name = Name([0; Name::ROOM]);

    /// Writes an address. Returns the length of its structure in bytes.
    #[inline]
    pub(super) fn write(&mut self, address: SocketAddr) -> usize {
        match address {
            SocketAddr::V4(v4) => {
                self.0[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                self.0[2..4].copy_from_slice(&v4.port().to_be_bytes());
                self.0[4..8].copy_from_slice(&v4.ip().octets());
                self.0[8..16].fill(0);
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                self.0[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                self.0[2..4].copy_from_slice(&v6.port().to_be_bytes());
                self.0[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
                self.0[8..24].copy_from_slice(&v6.ip().octets());
                self.0[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                Name::ROOM
            }
        }
    }

    /// The address that the kernel wrote, or `None` where it is of another family.
    #[inline]
    pub(super) fn read(&self) -> Option<SocketAddr> {
        let two = |at: usize| [self.0[at], self.0[at + 1]];
        let port = u16::from_be_bytes(two(2));
        match i32::from(u16::from_ne_bytes(two(0))) {
            libc::AF_INET => {
                let ip: [u8; 4] = self.0[4..8].try_into().ok()?;
                Some(SocketAddr::from((ip, port)))
            }
            libc::AF_INET6 => {
                let ip: [u8; 16] = self.0[8..24].try_into().ok()?;
                let flow = u32::from_be_bytes(self.0[4..8].try_into().ok()?);
                let scope = u32::from_ne_bytes(self.0[24..28].try_into().ok()?);
                Some(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope).into())
            }
            _ => None,
        }
    }
}

/// Room for the control messages of one message: its local address (24 to 40 bytes) and the length
/// of its segments (24 bytes).
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control(pub(super) [u8; Control::ROOM]);

/// Bytes of a `cmsghdr`: length, level, type.
const HEADER: usize = size_of::<libc::cmsghdr>();

impl Control {
    pub(super) const ROOM: usize = 64;
    pub(super) const EMPTY: Control = Control([0; Control::ROOM]);

    /// Adds a control message after the first `used` bytes. Returns how many are used then, as all
    /// `put_` methods do.
    fn put(&mut self, used: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = HEADER + data.len();
        let message = &mut self.0[used..used + length.next_multiple_of(8)];
        message[..HEADER - 8].copy_from_slice(&length.to_ne_bytes());
        message[HEADER - 8..HEADER - 4].copy_from_slice(&level.to_ne_bytes());
        message[HEADER - 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        message[HEADER..length].copy_from_slice(data);
        used + length.next_multiple_of(8)
    }

    /// Adds the local address to send from.
    pub(super) fn put_source(&mut self, used: usize, from: IpAddr) -> usize {
        match from {
            // in_pktinfo: any interface (0), the local address, an unused field.
            IpAddr::V4(ip) => {
                let mut info = [0; size_of::<libc::in_pktinfo>()];
                info[4..8].copy_from_slice(&ip.octets());
                self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, &info)
            }
            // in6_pktinfo: the local address, any interface (0).
            IpAddr::V6(ip) => {
                let mut info = [0; size_of::<libc::in6_pktinfo>()];
                info[..16].copy_from_slice(&ip.octets());
                self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)
            }
        }
    }

    /// Adds the length of each datagram of a message that has several.
    pub(super) fn put_segment(&mut self, used: usize, segment: u16) -> usize {
        self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes())
    }

    /// The control messages in the first `used` bytes: level, type, data.
    fn messages(&self, used: usize) -> impl Iterator<Item = (i32, i32, &[u8])> {
        let mut rest = &self.0[..used.min(Control::ROOM)];
        std::iter::from_fn(move || {
            let word = |at: usize| Some(i32::from_ne_bytes(rest.get(at..at + 4)?.try_into().ok()?));
            let (level, kind) = (word(HEADER - 8)?, word(HEADER - 4)?);
            let length = usize::from_ne_bytes(rest.get(..8)?.try_into().ok()?);
            let data = rest.get(HEADER..length)?;
            rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
            Some((level, kind, data))
        })
    }

    /// Reads the local address that a datagram was sent to and, where several were received as one,
    /// the length of each.
    #[inline]
    pub(super) fn read(&self, used: usize) -> (Option<IpAddr>, Option<usize>) {
        let (mut to, mut segment) = (None, None);
        for (level, kind, data) in self.messages(used) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let ip: Option<[u8; 4]> = data.get(8..12).and_then(|ip| ip.try_into().ok());
                    to = ip.map(|ip| Ipv4Addr::from(ip).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let ip: Option<[u8; 16]> = data.get(..16).and_then(|ip| ip.try_into().ok());
                    to = ip.map(|ip| Ipv6Addr::from(ip).into());
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size: Option<[u8; 4]> = data.get(..4).and_then(|size| size.try_into().ok());
                    segment = size.map(|size| i32::from_ne_bytes(size) as usize);
                }
                _ => {}
            }
        }
        (to, segment.filter(|size| *size > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_control_messages_are_read_as_they_were_written() {
        for address in ["127.1.2.3:9999", "[fd00::7]:1", "[fe80::1%3]:65535"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut name = Name::EMPTY;
            name.write(address);
            assert_eq!(name.read(), Some(address));
        }
        let mut control = Control::EMPTY;
        let from: IpAddr = "fd00::1:2".parse().unwrap();
        let used = control.put_source(0, from);
        let used = control.put_segment(used, 60);
        assert_eq!((used, control.read(used)), (Control::ROOM, (Some(from), None)));
    }
}
