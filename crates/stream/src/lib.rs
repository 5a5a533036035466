//! TCP in virtual time. An [`Endpoint`] is one end of a connection: smoltcp's handshake,
//! retransmission, flow control and congestion control, with time as a parameter. It takes and
//! gives IP packets; the caller carries them, and may lose or delay them on the way.
//!
//! What is written at one end are datagrams. Each goes into the stream behind its length, and comes
//! out at the other end whole and in order.
//!
//! ```
//! use skipbeat_core::{Span, Time};
//! use skipbeat_stream::{Endpoint, ConnectionEnd, TcpOptions};
//!
//! let mut now = Time::ZERO;
//! let mut client = Endpoint::open(now, ConnectionEnd::Client, 1, TcpOptions::default());
//! let mut server = Endpoint::open(now, ConnectionEnd::Server, 2, TcpOptions::default());
//! client.write(b"hello");
//!
//! // A network that loses nothing and takes 10 ms each way. The handshake takes the first round
//! // trip, the data the second.
//! for _ in 0..2 {
//!     client.advance(now);
//!     now += Span::from_millis(10);
//!     while let Some(packet) = client.next_packet() {
//!         server.receive(now, packet);
//!     }
//!     now += Span::from_millis(10);
//!     while let Some(packet) = server.next_packet() {
//!         client.receive(now, packet);
//!     }
//! }
//! assert_eq!(server.next_datagram().as_deref(), Some(&b"hello"[..]));
//! ```
#![forbid(unsafe_code)]

mod endpoint;
mod packets;

pub use endpoint::{ConnectionEnd, Endpoint, TcpOptions};
pub use packets::MTU;
