//! Impairments of one direction of one client's path. A *link* takes a datagram at a time and
//! gives a [`Verdict`]: when it arrives, what of it is changed, whether a copy follows, or why it
//! never arrives.
//!
//! The stages stand in a fixed order: outage (partition, clog), loss, MTU, rate and queue, delay,
//! reorder, duplicate, corrupt. Each draws from a stream of its own, keyed by (seed, stage, link,
//! index of the datagram on the link), so that switching one stage on shifts no other, and the same
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

/// What a datagram is, for the stages that look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketInfo {
    /// Its payload in bytes.
    pub bytes: usize,
    /// What it says.
    pub class: Class,
}

/// What a datagram says, as far as loss may depend on it.
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
    /// What else happens to what arrives; mostly nothing.
    pub besides: Option<Besides>,
}

/// What a link does with one datagram, where all that it can do is to lose or delay it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transit {
    /// Whose link.
    pub client: ClientId,
    /// The index of the datagram on its link, from zero.
    pub index: u32,
    /// When it arrives; [`Time::NEVER`] where it is lost.
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

/// What happens to a datagram that arrives, beside its delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Besides {
    /// How long it was kept by a clog or a queue, and sent at the link's rate, before it travelled.
    pub waited: Span,
    /// Whether the reorder stage chose it.
    pub held: bool,
    /// What is changed of it.
    pub change: Option<Change>,
    /// When a copy of it arrives. Only what arrives is copied.
    pub copy: Option<Time>,
    /// What is changed of the copy.
    pub copy_change: Option<Change>,
}

impl Verdict {
    /// It is lost.
    #[inline]
    pub(crate) const fn lost(index: u32, cause: Cause) -> Self {
        Verdict { index, arrival: Err(cause), besides: None }
    }

    /// It arrives as it is.
    #[inline]
    pub const fn arrives(index: u32, at: Time) -> Self {
        Verdict { index, arrival: Ok(at), besides: None }
    }

    /// How long it was kept before it travelled.
    #[inline]
    pub fn waited(&self) -> Span {
        self.besides.map_or(Span::ZERO, |besides| besides.waited)
    }

    /// Whether the reorder stage chose it.
    pub fn held(&self) -> bool {
        self.besides.is_some_and(|besides| besides.held)
    }

    /// When a copy of it arrives.
    #[inline]
    pub fn copy(&self) -> Option<Time> {
        self.besides.and_then(|besides| besides.copy)
    }

    /// What is changed of it, and of its copy.
    #[inline]
    pub fn changes(&self) -> [Option<Change>; 2] {
        self.besides.map_or([None; 2], |besides| [besides.change, besides.copy_change])
    }

    /// Whether it, and its copy where it has one, arrive as they are.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.besides.is_none_or(|b| b.change.is_none() && b.copy_change.is_none())
    }
}

/// Why a link loses a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// The way is cut.
    Partition,
    /// The loss model took it.
    Loss,
    /// It is larger than the link takes.
    Mtu,
    /// The queue was full.
    Queue,
    /// The token bucket was empty.
    Policed,
}

impl Cause {
    /// Every cause, in the order of the stages.
    pub const ALL: [Cause; 5] =
        [Cause::Partition, Cause::Loss, Cause::Mtu, Cause::Queue, Cause::Policed];

    /// The name in `ledger.csv`.
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
