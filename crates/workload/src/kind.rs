//! What a workload consists of: what its clients do, and what is counted.

use std::fmt::Debug;
use std::ops::Range;

use skipbeat_core::{Better, ClientId, ClientSet, Life, MessageId, Span, Stream, Time, Unit};
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

/// What is counted for a group. It is only told of messages that are due in the measured time, but
/// of messages to the server from the beginning of the run.
pub trait Books: Clone + Debug {
    /// What the metrics are computed from. Groups with the same workload share one.
    type Tally: Default + 'static;

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

    /// Adds what is known at `now` to a tally.
    fn add_to(&self, now: Time, tally: &mut Self::Tally);
}

/// The books of a workload without metrics of its own.
impl Books for () {
    type Tally = ();
    const METRICS: &'static [Measure<()>] = &[];

    fn add_to(&self, _: Time, (): &mut ()) {}
}

/// A metric of a workload.
pub struct Measure<T> {
    /// Its name, which is that of its column.
    pub name: &'static str,
    /// Its name in words, if it is a headline.
    pub label: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which values are better.
    pub better: Better,
    /// Its formula; `None` where it is undefined.
    pub value: fn(&T) -> Option<f64>,
}

/// A list of [`Measure`]s: `name(unit, better) ["label"]: "meaning", formula;`, with or without a
/// label.
macro_rules! measures {
    ($($name:ident($unit:ident, $better:ident) [$($label:literal)?]: $meaning:literal, $value:expr;)*) => {
        &[$($crate::Measure {
            name: stringify!($name),
            label: $crate::kind::first(&[$($label)?]),
            meaning: $meaning,
            unit: skipbeat_core::Unit::$unit,
            better: skipbeat_core::Better::$better,
            value: $value,
        },)*]
    };
}
pub(crate) use measures;

/// The label, if there is one.
pub(crate) const fn first(labels: &[&'static str]) -> Option<&'static str> {
    if let [label] = labels { Some(*label) } else { None }
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
