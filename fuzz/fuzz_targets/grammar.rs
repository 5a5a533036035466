//! The grammar accepts any bytes, and a parsed packet that is written and parsed again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skipbeat_protocol::{Down, Packet, Tag};

fuzz_target!(|bytes: &[u8]| {
    let packet = Packet::parse(bytes, usize::MAX).expect("nothing is too long");
    let mut written = Vec::new();
    packet.write(&mut written);
    assert_eq!(Packet::parse(&written, usize::MAX), Ok(packet));
    Down::parse(bytes);
    Tag::find(bytes);
});
