//! Links: the impairments of one direction of the path of one client. A link is asked about one
//! datagram at a time, and gives a [`Verdict`]: when the datagram arrives, what is changed in it,
//! whether a copy follows, or why it is lost.
//!
//! The stages have a fixed order: outage (partition, clog), loss, MTU, rate and queue, delay,
//! reorder, duplicate, corrupt. Each has its own random stream, keyed by (seed, stage, link, index
//! of the datagram on the link). So switching one stage on changes no draw of another, and the same
//! datagrams in the same order get the same verdicts in the simulator, on sockets and in the proxy.
#![forbid(unsafe_code)]

mod corrupt;
pub mod delay;
mod duplicate;
mod links;
pub mod loss;
mod options;
mod outage;
mod preset;
mod rate;
mod reorder;
mod text;

pub use corrupt::{Change, Corrupt, Damage};
pub use delay::{Delay, DelayModel, DelayOrder};
pub use duplicate::Duplicate;
pub use links::{LinkSchedule, Links};
pub use loss::{Loss, LossModel};
pub use options::{LinkOptions, LinkTable};
pub use outage::{Outage, OutageKind};
pub use preset::LinkPreset;
pub use rate::{Excess, Rate};
pub use reorder::{Chosen, How, Reorder};
pub use text::{compact, read_compact};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, Span, Time};

/// What the stages have to know about a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketInfo {
    /// The size of its payload in bytes.
    pub bytes: usize,
    /// Its class.
    pub class: Class,
}

/// Classes of datagrams, for loss that depends on them.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A heartbeat of either side.
    Heartbeat,
    /// A text, numbered or not.
    Chat,
    /// An ack.
    Ack,
    /// Anything else: joins, quits, cookies, `bye`.
    Other,
}

/// What a link does with one datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The index of the datagram on its link, from zero.
    pub index: u32,
    /// When it arrives, or why it never does.
    pub arrival: Result<Time, Cause>,
    /// What else happens to a datagram that arrives; mostly nothing.
    pub besides: Option<Besides>,
}

/// What a link does with one datagram that it can only lose or delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transit {
    /// The client whose link it is.
    pub client: ClientId,
    /// The index of the datagram on its link, from zero.
    pub index: u32,
    /// When it arrives; [`Time::NEVER`] if it is lost.
    pub arrival: Time,
}

impl Transit {
    /// The same as a verdict.
    #[inline(always)]
    pub fn verdict(&self) -> Verdict {
        match self.arrival {
            Time::NEVER => Verdict::lost(self.index, Cause::Loss),
            at => Verdict::arrives(self.index, at),
        }
    }
}

/// What happens to a datagram that arrives, apart from its delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Besides {
    /// How long a clog, the queue and its transmission at the rate of the link took, before the
    /// delay.
    pub waited: Span,
    /// Whether the reorder stage chose it.
    pub held: bool,
    /// The change of its bytes, if any.
    pub change: Option<Change>,
    /// When a copy of it arrives, if there is one.
    pub copy: Option<Time>,
    /// The change of the copy, if any.
    pub copy_change: Option<Change>,
}

impl Verdict {
    /// The datagram is lost.
    #[inline]
    pub(crate) const fn lost(index: u32, cause: Cause) -> Self {
        Verdict { index, arrival: Err(cause), besides: None }
    }

    /// The datagram arrives unchanged.
    #[inline]
    pub const fn arrives(index: u32, at: Time) -> Self {
        Verdict { index, arrival: Ok(at), besides: None }
    }

    /// How long it waited before the delay; see [`Besides::waited`].
    #[inline]
    pub fn waited(&self) -> Span {
        self.besides.map_or(Span::ZERO, |besides| besides.waited)
    }

    /// Whether the reorder stage chose it.
    pub fn held(&self) -> bool {
        self.besides.is_some_and(|besides| besides.held)
    }

    /// When a copy of it arrives, if there is one.
    #[inline]
    pub fn copy(&self) -> Option<Time> {
        self.besides.and_then(|besides| besides.copy)
    }

    /// The changes of it and of its copy.
    #[inline]
    pub fn changes(&self) -> [Option<Change>; 2] {
        self.besides.map_or([None; 2], |besides| [besides.change, besides.copy_change])
    }

    /// Whether it arrives unchanged, and its copy too if there is one.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.besides.is_none_or(|b| b.change.is_none() && b.copy_change.is_none())
    }
}

/// Why a link loses a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// The link is partitioned.
    Partition,
    /// The loss model chose it.
    Loss,
    /// It is larger than the MTU.
    Mtu,
    /// The queue is full.
    Queue,
    /// The token bucket is empty.
    Policed,
}

impl Cause {
    /// Every cause, in the order of the stages.
    pub const ALL: [Cause; 5] =
        [Cause::Partition, Cause::Loss, Cause::Mtu, Cause::Queue, Cause::Policed];

    /// Its name in `ledger.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Partition => "partition",
            Cause::Loss => "loss",
            Cause::Mtu => "mtu",
            Cause::Queue => "queue",
            Cause::Policed => "policed",
        }
    }
}
