//! Writing: one interface for each end of each direction. A datagram that a link loses is only at
//! the entrance, with a comment that says why.

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

use crate::CaptureError;

/// The interfaces in order: of each direction the entrance, then the exit.
const INTERFACES: [&str; 4] = ["up in", "up out", "down in", "down out"];
/// Time to live of the frames: they have crossed no router.
const TTL: u8 = 64;

/// A capture that is being written.
pub struct Capture {
    writer: PcapNgWriter<BufWriter<File>>,
    /// What leaves its link later, by time and order.
    leaving: BinaryHeap<Reverse<Leaving>>,
    count: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Leaving {
    at: Time,
    order: u64,
    interface: u32,
    frame: Vec<u8>,
    comment: Option<&'static str>,
}

impl Capture {
    /// Makes the file.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let file = File::create(path)
            .map_err(|source| CaptureError::Open { path: path.display().to_string(), source })?;
        let mut writer = PcapNgWriter::new(BufWriter::new(file))?;
        for name in INTERFACES {
            let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
            interface.options = vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                // Timestamps are nanoseconds.
                InterfaceDescriptionOption::IfTsResol(9),
            ];
            writer.write_pcapng_block(interface)?;
        }
        Ok(Capture { writer, leaving: BinaryHeap::new(), count: 0 })
    }

    /// A datagram enters its link at `at`, which gives a verdict. Calls come in order of time.
    ///
    /// # Errors
    /// Where the file can't be written.
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

    /// The end: what would leave later is on its way for good.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn finish(mut self, end: Time) -> Result<(), CaptureError> {
        self.write_until(end)?;
        let mut file = self.writer.into_inner();
        std::io::Write::flush(&mut file).map_err(pcap_file::PcapError::IoError)?;
        Ok(())
    }

    /// Writes what leaves its link before or at `now`.
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

/// An IP packet with a UDP datagram in it.
fn frame(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let builder = match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TTL)
        }
        (from, to) => PacketBuilder::ipv6(six(from), six(to), TTL),
    };
    let builder = builder.udp(from.port(), to.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    // What garbage made too long for a datagram is cut: no packet could carry it.
    let longest = 65_507.min(payload.len());
    builder.write(&mut frame, &payload[..longest]).expect("a Vec takes every write");
    frame
}

/// The octets of an address of IPv6, or of one of IPv4 mapped into it.
fn six(address: SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    }
}
