//! What was measured: typed events go in, figures come out. Nothing here is known to the machines,
//! and nothing here knows which world the events come from.
//!
//! Where to look: the events in `event`, every term of both ledgers in `ledger`, deliveries in
//! `deliveries`, quality of failure detection in `detection`, RFC 4737 and RFC 3357 in `path`,
//! every figure and its definition in `figures`, what makes a run inconclusive in `results`, what a
//! figure has to be in `threshold`.
#![forbid(unsafe_code)]

mod ahead;
mod deliveries;
mod detection;
mod digest;
mod distribution;
mod event;
mod figures;
mod host;
mod ledger;
mod look;
mod path;
mod recorder;
mod results;
mod threshold;
mod timeline;

pub use deliveries::{DeliveryTally, MessageSlot, Shares};
pub use detection::{Eviction, EvictionCause};
pub use digest::Trace;
pub use distribution::Distribution;
pub use event::Event;
pub use figures::{Better, Figures, METRICS, Metric, Unit, metric};
pub use host::{HostReport, Load, Traffic};
pub use ledger::{Carriage, DatagramTally, LedgerRow, Level};
pub use look::Look;
pub use path::{Order, PathTally, observers_every};
pub use recorder::{Recorder, Window};
pub use results::{Doubt, Results, World};
pub use threshold::{Judged, Outcome, Threshold};
pub use timeline::Second;
