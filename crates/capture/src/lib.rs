//! Captures of links as pcapng (draft-ietf-opsawg-pcapng): what enters and what leaves them, with
//! true timestamps, also virtual ones. Wireshark reads them.
#![forbid(unsafe_code)]

mod read;
mod write;

pub use read::{Frame, read_frames};
pub use write::Capture;

/// A capture can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file can't be made or opened.
    #[error("can't open {path}")]
    Open {
        /// Its path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file can't be written, or is no pcapng.
    #[error("{0}")]
    File(#[from] pcap_file::PcapError),
}
