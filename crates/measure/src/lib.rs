//! Measurement: typed events go in, tallies and figures come out. The state machines do not depend
//! on this crate, and this crate does not know which world, `sim` or `net`, the events come from.
//!
//! ```text
//! events → Recorder → RunTally → Figures, ledger, doubts → RunVerdict
//! ```
//!
//! Where to look: the events in `event`, the sums in `tally`, every common metric and its formula
//! in `cards`, figures and columns in `figures`, every term of both ledgers in `ledger`, deliveries
//! in `deliveries`, quality of failure detection in `detection`, RFC 4737 and RFC 3357 in `path`,
//! conditions on figures in `threshold`, how a run ended in `verdict`.
#![forbid(unsafe_code)]

mod ahead;
mod cards;
mod datagrams;
mod deliveries;
mod detection;
mod digest;
mod document;
mod event;
mod figures;
mod host;
mod ledger;
mod messages;
mod path;
mod recorder;
mod results;
mod snapshot;
mod tally;
mod threshold;
mod timeline;
mod verdict;
mod view;
mod window;

pub use datagrams::{DatagramTally, SocketCounts, SocketTally};
pub use deliveries::{DeliveryTally, MessageReach, MessageSlot, Shares};
pub use detection::{DetectionTally, Eviction, EvictionCause};
pub use digest::EventRecord;
pub use document::metrics_document;
pub use event::Event;
pub use figures::{CARDS, Columns, Figures, Metric, PERCENTILES};
pub use host::{HostReport, Load, Traffic};
pub use ledger::{LedgerRow, Level, Side, UNEXPLAINED, ledger};
pub use path::{PathTally, StreamOrder, observers_every};
pub use recorder::{GroupKind, Recorder};
pub use results::{Results, RunContext};
pub use snapshot::Snapshot;
pub use tally::{GroupRows, GroupTally, PartDetail, RunFacts, RunTally};
pub use threshold::{Judged, Threshold, show_actual};
pub use timeline::Second;
pub use verdict::{Doubt, Outcome, RunVerdict, Tone};
pub use window::Window;
