//! Datagrams in a stream: each follows its length in two bytes, the higher one first, as DNS does
//! over TCP (RFC 1035, 4.2.2).

/// Writes the frame of a datagram of up to 65,535 bytes into `out`, which is emptied first. A
/// longer datagram is cut.
pub fn write_frame(datagram: &[u8], out: &mut Vec<u8>) {
    let length = datagram.len().min(usize::from(u16::MAX));
    out.clear();
    out.extend_from_slice(&(length as u16).to_be_bytes());
    out.extend_from_slice(&datagram[..length]);
}

/// Splits a stream into datagrams.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// How many of its bytes have been read.
    taken: usize,
}

impl Frames {
    /// Adds bytes that the stream delivered.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete datagram.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.bytes[self.taken..].split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let datagram = rest.get(..length)?.to_vec();
        self.taken += size_of::<u16>() + length;
        Some(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_however_it_is_cut(datagrams: Vec<Vec<u8>>, cut in 1..50usize) {
            let (mut stream, mut frame) = (Vec::new(), Vec::new());
            for datagram in &datagrams {
                write_frame(datagram, &mut frame);
                stream.extend_from_slice(&frame);
            }
            let (mut frames, mut read) = (Frames::default(), Vec::new());
            for part in stream.chunks(cut) {
                frames.push(part);
                read.extend(std::iter::from_fn(|| frames.next_frame()));
            }
            prop_assert_eq!(read, datagrams);
        }
    }
}
