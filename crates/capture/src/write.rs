//! Writes a capture with four interfaces, one for each end of each direction. A datagram that a
//! link loses appears at the entrance only, with a comment that says why.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use etherparse::PacketBuilder;
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use skipbeat_core::{Direction, Time};
use skipbeat_link::Verdict;

use crate::error::CaptureError;

/// The interfaces in file order: the entrance and then the exit of each direction.
const INTERFACES: [&str; 4] = ["up in", "up out", "down in", "down out"];
/// Time to live in the IP header: these packets have crossed no router.
const TTL: u8 = 64;

/// A capture file that is being written.
///
/// A datagram leaves its link later than it enters, so packets on the way are held in memory until
/// their time comes. The file is complete only after [`Capture::finish`].
pub struct Capture {
    writer: PcapNgWriter<BufWriter<File>>,
    /// Packets still on their link, earliest departure first.
    leaving: BinaryHeap<Reverse<Leaving>>,
    /// Departures queued so far.
    count: u64,
}

/// A packet that will leave its link. Fields compare in this order: packets that leave at one time
/// keep the order in which they entered.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Leaving {
    at: Time,
    order: u64,
    interface: u32,
    frame: Vec<u8>,
    comment: Option<&'static str>,
}

impl Capture {
    /// Creates the file, replacing an existing one, and writes its headers.
    ///
    /// # Errors
    /// If the file can't be created or written.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let file = File::create(path)
            .map_err(|source| CaptureError::Open { path: path.display().to_string(), source })?;
        let mut writer = PcapNgWriter::new(BufWriter::new(file))?;
        for name in INTERFACES {
            let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
            interface.options = vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                // 10^-9: timestamps count nanoseconds.
                InterfaceDescriptionOption::IfTsResol(9),
            ];
            writer.write_pcapng_block(interface)?;
        }
        Ok(Capture { writer, leaving: BinaryHeap::new(), count: 0 })
    }

    /// Records a datagram that enters its link at `at`, and what `verdict` makes of it: its
    /// departure, that of a copy, the damage to either, or the cause of its loss.
    ///
    /// The addresses are source and destination. Calls must come in order of time.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn passage(
        &mut self,
        at: Time,
        direction: Direction,
        [from, to]: [SocketAddr; 2],
        payload: &[u8],
        verdict: &Verdict,
    ) -> Result<(), CaptureError> {
        self.write_until(at)?;
        let entrance = 2 * direction as u32;
        let lost = verdict.arrival.err().map(|cause| format!("lost: {}", cause.name()));
        let mut notes: Vec<String> = lost.into_iter().collect();
        notes.extend(verdict.held().then(|| "reordered".to_owned()));
        notes.extend(verdict.copy().map(|_| "duplicated".to_owned()));
        let comment = (!notes.is_empty()).then(|| notes.join(", "));
        self.write(at, entrance, &frame(from, to, payload), comment)?;
        let copies =
            [(verdict.arrival.ok(), verdict.changes()[0]), (verdict.copy(), verdict.changes()[1])];
        for (number, (leaves, change)) in copies.into_iter().enumerate() {
            let Some(leaves) = leaves else { continue };
            let mut payload = payload.to_vec();
            if let Some(change) = change {
                change.apply(&mut payload);
            }
            let comment = match (number, change) {
                (0, None) => None,
                (0, Some(_)) => Some("changed"),
                (_, None) => Some("copy"),
                (_, Some(_)) => Some("copy, changed"),
            };
            let frame = frame(from, to, &payload);
            self.count += 1;
            self.leaving.push(Reverse(Leaving {
                at: leaves,
                order: self.count,
                interface: entrance + 1,
                frame,
                comment,
            }));
        }
        Ok(())
    }

    /// Completes the file. Packets that would leave their link after `end` are not written: they
    /// were still in flight when the run ended.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn finish(mut self, end: Time) -> Result<(), CaptureError> {
        self.write_until(end)?;
        let mut file = self.writer.into_inner();
        std::io::Write::flush(&mut file).map_err(pcap_file::PcapError::IoError)?;
        Ok(())
    }

    /// Writes the packets that leave their link up to and including `now`.
    fn write_until(&mut self, now: Time) -> Result<(), CaptureError> {
        while self.leaving.peek().is_some_and(|Reverse(next)| next.at <= now) {
            let Some(Reverse(next)) = self.leaving.pop() else { return Ok(()) };
            let Leaving { at, interface, frame, comment, .. } = next;
            self.write(at, interface, &frame, comment.map(str::to_owned))?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        at: Time,
        interface_id: u32,
        frame: &[u8],
        comment: Option<String>,
    ) -> Result<(), CaptureError> {
        let comment = comment.map(|text| EnhancedPacketOption::Comment(Cow::Owned(text)));
        self.writer.write_pcapng_block(EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(at.nanos()),
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options: comment.into_iter().collect(),
        })?;
        Ok(())
    }
}

/// An IP packet that holds the payload as a UDP datagram: IPv4 if both addresses are, else IPv6.
fn frame(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let builder = match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TTL)
        }
        (from, to) => PacketBuilder::ipv6(ipv6_octets(from), ipv6_octets(to), TTL),
    };
    let builder = builder.udp(from.port(), to.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    // Damage can add bytes. 65,507 is the most that UDP over IPv4 can carry; the rest is cut off.
    let length = 65_507.min(payload.len());
    builder.write(&mut frame, &payload[..length]).expect("a Vec takes every write");
    frame
}

/// The octets of an IPv6 address, or of an IPv4 address mapped into IPv6.
fn ipv6_octets(address: SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    }
}
