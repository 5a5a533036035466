//! What a workload consists of: what its clients do, and what is counted.

use std::fmt::Debug;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, ClientSet, Life, Measure, MessageId, Span, Stream, Time};
use skipbeat_protocol::RetryPolicy;

/// A workload. It is implemented by its options.
pub trait WorkloadModel {
    /// What is counted for a group with this workload.
    type Books: Books;

    /// The wait of a client from its start to its first message; `draw` counts the draws.
    fn first_gap(&self, stream: Stream, draw: u64) -> Span;

    /// The wait between two messages.
    fn gap(&self, stream: Stream, draw: u64) -> Span;

    /// What is sent.
    fn saying(&self) -> Saying;

    /// How many datagrams are sent at a time.
    fn at_once(&self) -> u32 {
        1
    }

    /// How many clients of the group, from the first on, send messages. The others only listen.
    fn talkers(&self) -> u32 {
        u32::MAX
    }

    /// Whether what is counted depends on the order in which messages reach a client.
    fn needs_order(&self) -> bool {
        false
    }

    /// Empty books for a group.
    fn books(&self, setting: WorkloadContext) -> Self::Books;
}

/// What the books of a group have to know about the run.
#[derive(Clone, Debug)]
pub struct WorkloadContext {
    /// The clients of the group.
    pub group: Range<ClientId>,
    /// The number of clients in all groups.
    pub clients: u32,
    /// The measured time. Messages that are due in it count.
    pub window: Range<Time>,
    /// Whether the server reports which messages it receives, as the built-in one does.
    pub server_tells: bool,
}

/// What a client says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Saying {
    /// Which command it is.
    pub word: Word,
    /// The size of the text, the data or the key in bytes, without the command.
    pub size: usize,
}

/// The command of a message; see `skipbeat-protocol`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Word {
    /// A text, which goes to all members.
    Text,
    /// `^put N^DATA`: a sample for the server.
    Put,
    /// `^get N^KEY`: a query, which is repeated until the server answers `^val N^DATA`.
    Get(Retry),
}

/// How a client repeats a query that is not answered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Retry {
    /// The wait for the answer to the first try.
    pub timeout: Span,
    /// The factor by which each wait is longer than the one before; 1 for a fixed timer.
    pub backoff: f64,
    /// The longest wait.
    pub longest: Span,
    /// The number of tries.
    pub tries: u32,
}

impl Retry {
    /// A single try, which waits as long as all tries together.
    pub fn once(&self) -> Retry {
        let all = (1..=self.tries).fold(Span::ZERO, |sum, number| sum + self.wait(number));
        Retry { timeout: all, longest: all, tries: 1, ..*self }
    }
}

impl RetryPolicy for Retry {
    fn tries(&self) -> u32 {
        self.tries
    }

    fn wait(&self, number: u32) -> Span {
        let factor = libm::pow(self.backoff, f64::from(number.saturating_sub(1)));
        // The product may be longer than a span can be (584 years).
        let wait = self.timeout.seconds() * factor;
        if wait < self.longest.seconds() { self.timeout.scaled(factor) } else { self.longest }
    }
}

/// The first copy of a message reached one of its receivers.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// When it arrived.
    pub at: Time,
    /// When the message was due.
    pub planned: Time,
    /// The message.
    pub message: MessageId,
    /// The receiver; the sender itself if the message is for the server.
    pub to: ClientId,
}

/// The sums behind the metrics of a workload. Sums of parts of a run add up to that of the whole,
/// in any order and to the last digit.
pub trait Additive: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// Adds the sums of another part.
    fn add(&mut self, other: &Self);
}

/// What is counted of a group. It hears only of messages that are due in the measured time; but
/// what reaches the server it hears from the beginning of the run, for what the server knows by
/// then.
pub trait Books: Clone + Debug {
    /// What metrics are computed from; groups of one kind add up.
    type Tally: Additive + 'static;

    /// The metrics, in the order of their columns.
    const METRICS: &'static [Measure<Self::Tally>];

    /// A message of the group is due. `to` are its receivers; `None` if it is for the server or the
    /// sender only.
    fn due(&mut self, _at: Time, _message: MessageId, _to: Option<&ClientSet>) {}

    /// A datagram with the message enters the link to the server.
    fn offered(&mut self, _message: MessageId) {}

    /// A message reached a receiver.
    fn reached(&mut self, _reached: Reached) {}

    /// A client stops waiting for the answer to a message that was due at `planned`.
    fn settled(&mut self, _at: Time, _planned: Time, _message: MessageId, _answered: bool) {}

    /// No copy of a message to the server is under way any more; `reached` if one arrived.
    fn over(&mut self, _message: MessageId, _reached: bool) {}

    /// A client of any group starts, crashes or leaves.
    fn life(&mut self, _at: Time, _client: ClientId, _life: Life) {}

    /// What is known at `now`.
    fn tally(&self, now: Time) -> Self::Tally;
}

/// The books of a workload without metrics of its own.
impl Books for () {
    type Tally = NoSums;
    const METRICS: &'static [Measure<NoSums>] = &[];

    fn tally(&self, _: Time) -> NoSums {
        NoSums {}
    }
}

/// The sums of a workload that has none of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSums {}

impl Additive for NoSums {
    fn add(&mut self, NoSums {}: &NoSums) {}
}

/// A share of a whole; undefined if the whole is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_longer_up_to_the_longest() {
        let [timeout, longest] = [Span::from_millis(500), Span::from_secs(3)];
        let retry = Retry { timeout, backoff: 2.0, longest, tries: 9 };
        let waits = [1, 2, 3, 4, 4000].map(|number| retry.wait(number).seconds());
        assert_eq!(waits, [0.5, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(Retry { backoff: 1.0, ..retry }.wait(4), timeout);
    }
}
