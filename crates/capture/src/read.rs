//! Reads the UDP datagrams of a pcapng file, whichever program wrote it.

use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::error::CaptureError;

/// One UDP datagram in a capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The timestamp in seconds: since the run began in our captures, since the Unix epoch in most
    /// others.
    pub at_s: f64,
    /// The index of the interface within its section of the file, from 0.
    pub interface: u32,
    /// The name of the interface, if it has one. Ours are "up in", "up out", "down in" and
    /// "down out".
    pub name: Option<String>,
    /// The source address and port.
    pub from: SocketAddr,
    /// The destination address and port.
    pub to: SocketAddr,
    /// The UDP payload.
    pub payload: Vec<u8>,
    /// The packet comment, if there is one. Ours say what the link did, such as "lost: loss".
    pub comment: Option<String>,
}

struct Interface {
    name: Option<String>,
    /// Timestamp units per second.
    units: f64,
    link: DataLink,
}

/// Reads all UDP datagrams of a pcapng file, in file order, and skips every other packet.
///
/// The whole result is held in memory.
///
/// # Errors
/// If the file can't be opened or is not valid pcapng.
pub fn read_frames(path: &Path) -> Result<Vec<Frame>, CaptureError> {
    let file = File::open(path)
        .map_err(|source| CaptureError::Open { path: path.display().to_string(), source })?;
    let mut reader = PcapNgReader::new(BufReader::new(file))?;
    let mut interfaces = Vec::new();
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        match block? {
            // Interfaces are numbered from 0 again in each section.
            Block::SectionHeader(_) => interfaces.clear(),
            Block::InterfaceDescription(block) => {
                // Without the option if_tsresol, timestamps count microseconds.
                let mut interface = Interface { name: None, units: 1e6, link: block.linktype };
                for option in block.options {
                    match option {
                        InterfaceDescriptionOption::IfName(name) => {
                            interface.name = Some(name.into_owned());
                        }
                        InterfaceDescriptionOption::IfTsResol(code) => {
                            let base: f64 = if code & 0x80 == 0 { 10.0 } else { 2.0 };
                            interface.units = base.powi(i32::from(code & 0x7f));
                        }
                        _ => {}
                    }
                }
                interfaces.push(interface);
            }
            Block::EnhancedPacket(packet) => {
                let Some(interface) = interfaces.get(packet.interface_id as usize) else {
                    continue;
                };
                // `pcap_file` treats the raw timestamp as nanoseconds whatever `if_tsresol` says.
                let at_s = packet.timestamp.as_nanos() as f64 / interface.units;
                if let Some((from, to, payload)) = udp(interface.link, &packet.data) {
                    let name = interface.name.clone();
                    let interface = packet.interface_id;
                    let comment = packet.options.iter().find_map(|option| match option {
                        EnhancedPacketOption::Comment(text) => Some(text.to_string()),
                        _ => None,
                    });
                    frames.push(Frame { at_s, interface, name, from, to, payload, comment });
                }
            }
            _ => {}
        }
    }
    Ok(frames)
}

/// The addresses and payload of the UDP datagram in a packet, if it holds one.
fn udp(link: DataLink, data: &[u8]) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
    let packet = match link {
        DataLink::ETHERNET => SlicedPacket::from_ethernet(data).ok()?,
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => SlicedPacket::from_ip(data).ok()?,
        // BSD loopback puts a 4-byte address family in front, Linux's "any" device 16 bytes.
        DataLink::NULL | DataLink::LOOP => SlicedPacket::from_ip(data.get(4..)?).ok()?,
        DataLink::LINUX_SLL => SlicedPacket::from_ip(data.get(16..)?).ok()?,
        _ => return None,
    };
    let (from, to): (IpAddr, IpAddr) = match packet.net? {
        NetSlice::Ipv4(v4) => {
            (v4.header().source_addr().into(), v4.header().destination_addr().into())
        }
        NetSlice::Ipv6(v6) => {
            (v6.header().source_addr().into(), v6.header().destination_addr().into())
        }
        _ => return None,
    };
    match packet.transport? {
        TransportSlice::Udp(udp) => Some((
            SocketAddr::new(from, udp.source_port()),
            SocketAddr::new(to, udp.destination_port()),
            udp.payload().to_vec(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capture;
    use skipbeat_core::{Direction, Roster, Seed, Span, Time};
    use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, read_compact};

    #[test]
    fn a_written_capture_is_read_back_with_departures_in_time_order() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("test.pcapng");
        let mut capture = Capture::create(&path).unwrap();
        let text = "loss=20%,delay=exp(mean=5ms),duplicate=20%,corrupt=(probability=20%)";
        let options = read_compact(text, Direction::Up, LinkOptions::default()).unwrap();
        let mut links = Links::new(Seed(1), Direction::Up, [options.into()], &Roster::new([1]));
        let ends: [[SocketAddr; 2]; 2] = [
            ["127.0.0.1:4000".parse().unwrap(), "127.0.0.1:9999".parse().unwrap()],
            ["[::1]:4000".parse().unwrap(), "[::1]:9999".parse().unwrap()],
        ];
        let mut expected = 0;
        for n in 0..200u64 {
            let at = Time::ZERO + Span::from_millis(n);
            let payload = format!("datagram {n}").into_bytes();
            let packet = PacketInfo { bytes: payload.len(), class: Class::Chat };
            let verdict = links.judge(at, 0, 0, packet);
            expected +=
                1 + usize::from(verdict.arrival.is_ok()) + usize::from(verdict.copy().is_some());
            let ends = ends[n as usize % 2];
            capture.passage(at, Direction::Up, ends, &payload, &verdict).unwrap();
        }
        capture.finish(Time::NEVER).unwrap();
        let frames = read_frames(&path).unwrap();
        assert_eq!(frames.len(), expected);
        assert!(frames.is_sorted_by_key(|frame| frame.at_s));
        let entered: Vec<_> = frames.iter().filter(|f| f.interface == 0).collect();
        assert_eq!(entered.len(), 200);
        assert_eq!(entered[3].payload, b"datagram 3");
        assert_eq!((entered[3].at_s, [entered[3].from, entered[3].to]), (0.003, ends[1]));
        assert_eq!(entered[0].name.as_deref(), Some("up in"));
        let lost = entered.iter().filter(|f| f.comment.as_deref() == Some("lost: loss")).count();
        assert!((20..60).contains(&lost), "{lost}");
        let other = folder.path().join("other");
        std::fs::write(&other, "no capture").unwrap();
        assert!(read_frames(&other).is_err());
    }
}
