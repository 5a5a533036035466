//! What was measured: typed events go in, figures come out. Nothing here is known to the machines,
//! and nothing here knows which world the events come from.
//!
//! Where to look: the events in `event`, who is told of messages and streams in `messages`, every term
//! of both ledgers in `ledger`, deliveries in `deliveries`, quality of failure detection in `detection`,
//! RFC 4737 and RFC 3357 in `path`, every common figure and its definition in `figures`, what makes a run
//! inconclusive in `results`, what a figure has to be in `threshold`.
#![forbid(unsafe_code)]

mod ahead;
mod deliveries;
mod detection;
mod digest;
mod event;
mod figures;
mod host;
mod ledger;
mod messages;
mod path;
mod recorder;
mod results;
mod snapshot;
mod threshold;
mod timeline;

pub use deliveries::{DeliveryTally, MessageSlot, Shares};
pub use detection::{Eviction, EvictionCause};
pub use digest::Trace;
pub use event::Event;
pub use figures::{Figures, METRICS, Metric, metric};
pub use host::{HostReport, Load, Traffic};
pub use ledger::{Carriage, DatagramTally, LedgerRow, Level};
pub use path::{PathTally, StreamOrder, observers_every};
pub use recorder::{GroupKind, Recorder, Window};
pub use results::{Doubt, Results, RunContext};
pub use skipbeat_core::{Better, Distribution, Unit};
pub use snapshot::Snapshot;
pub use threshold::{Judged, Outcome, Threshold};
pub use timeline::Second;
