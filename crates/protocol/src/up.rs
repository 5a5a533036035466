//! Datagrams from a client to the server.

/// A sign of life that is not answered.
pub const HEARTBEAT: &[u8] = b"^hb^";
/// The client leaves.
pub const QUIT: &[u8] = b"quit";
/// The client asks to be a member, also after it was evicted.
pub const JOIN: &[u8] = b"^join^";

/// What a client says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Up<'a> {
    /// `^hb^`: joins or refreshes; surrounding white space does not matter.
    Heartbeat,
    /// `quit`: leaves; surrounding white space does not matter.
    Quit,
    /// `^join^`: joins explicitly, the only way back in where rejoining is sticky.
    Join,
    /// Anything else: text for everybody.
    Chat(&'a [u8]),
}

/// Why a datagram is not read. The server's state is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is longer than the server takes.
    #[error("over-long datagram")]
    TooLong,
}

impl<'a> Up<'a> {
    /// Reads a datagram of at most `max` bytes.
    pub fn parse(datagram: &'a [u8], max: usize) -> Result<Self, Refusal> {
        if datagram.len() > max {
            return Err(Refusal::TooLong);
        }
        Ok(match datagram.trim_ascii() {
            HEARTBEAT => Up::Heartbeat,
            QUIT => Up::Quit,
            JOIN => Up::Join,
            _ => Up::Chat(datagram),
        })
    }

    /// The bytes of this datagram.
    pub const fn bytes(self) -> &'a [u8] {
        match self {
            Up::Heartbeat => HEARTBEAT,
            Up::Quit => QUIT,
            Up::Join => JOIN,
            Up::Chat(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_around_commands_does_not_matter() {
        assert_eq!(Up::parse(b" ^hb^\r\n", 99), Ok(Up::Heartbeat));
        assert_eq!(Up::parse(b"quit\n", 99), Ok(Up::Quit));
        assert_eq!(Up::parse(b"quit it\n", 99), Ok(Up::Chat(b"quit it\n")));
        assert_eq!(Up::parse(b"", 99), Ok(Up::Chat(b"")));
    }

    #[test]
    fn text_is_bytes_and_the_limit_is_sharp() {
        assert_eq!(Up::parse(b"\xff\xfe\0", 3), Ok(Up::Chat(b"\xff\xfe\0")));
        assert_eq!(Up::parse(b"four", 3), Err(Refusal::TooLong));
    }

    proptest! {
        #[test]
        fn writing_what_was_read_changes_no_meaning(bytes: Vec<u8>) {
            let up = Up::parse(&bytes, usize::MAX).unwrap();
            prop_assert_eq!(Up::parse(up.bytes(), usize::MAX), Ok(up));
        }
    }
}
