//! Packet captures of links as pcapng files (draft-ietf-opsawg-pcapng), which Wireshark can open.
//!
//! [`Capture`] writes what enters and what leaves a link, stamped with the time of the run: virtual
//! time in a simulation. [`read_frames`] reads the UDP datagrams of any pcapng file.
//!
//! ```
//! use skipbeat_capture::{Capture, read_frames};
//! use skipbeat_core::{Direction, Span, Time};
//! use skipbeat_link::Verdict;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("run.pcapng");
//! let client = "127.0.0.1:4000".parse()?;
//! let server = "127.0.0.1:9999".parse()?;
//! let sent = Time::ZERO + Span::from_millis(10);
//! let arrives = sent + Span::from_millis(20);
//!
//! let mut capture = Capture::create(&path)?;
//! let verdict = Verdict::arrives(0, arrives);
//! capture.passage(sent, Direction::Up, [client, server], b"^hb^", &verdict)?;
//! capture.finish(Time::ZERO + Span::from_secs(1))?;
//!
//! let frames = read_frames(&path)?;
//! let seen: Vec<_> = frames.iter().map(|frame| (frame.at_s, frame.name.as_deref())).collect();
//! assert_eq!(seen, [(0.01, Some("up in")), (0.03, Some("up out"))]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod read;
mod write;

pub use error::CaptureError;
pub use read::{Frame, read_frames};
pub use write::Capture;
