//! Why a capture can't be written or read.

/// A capture can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file can't be created for writing, or opened for reading.
    #[error("can't open {path}")]
    Open {
        /// The path as the caller gave it.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Writing failed, or the file that is read is not valid pcapng.
    #[error("{0}")]
    File(#[from] pcap_file::PcapError),
}
