//! What every workload has to say for itself: what its clients do, and what is counted of that.

use std::fmt::Debug;
use std::ops::Range;

use skipbeat_core::{Better, ClientId, ClientSet, Life, MessageId, Span, Stream, Time, Unit};
use skipbeat_protocol::RetryPolicy;

/// A kind of workload, by its options.
pub trait WorkloadModel {
    /// What is counted of a group that has it.
    type Books: Books;

    /// The wait of a client before it first says something after a start; `draw` counts the draws.
    fn first_gap(&self, stream: Stream, draw: u64) -> Span;

    /// The wait from then to the next time.
    fn gap(&self, stream: Stream, draw: u64) -> Span;

    /// What is said then.
    fn saying(&self) -> Saying;

    /// How many datagrams are said at a time.
    fn at_once(&self) -> u32 {
        1
    }

    /// How many of the clients of the group say something: the first ones; the others only listen.
    fn talkers(&self) -> u32 {
        u32::MAX
    }

    /// Whether what is counted depends on the order in which different messages reach a client.
    fn needs_order(&self) -> bool {
        false
    }

    /// Books in which nothing stands yet.
    fn books(&self, setting: WorkloadContext) -> Self::Books;
}

/// Where a workload is at work.
#[derive(Clone, Debug)]
pub struct WorkloadContext {
    /// The clients of the group.
    pub group: Range<ClientId>,
    /// How many clients there are in all groups together.
    pub clients: u32,
    /// The measured time: what is due in it counts.
    pub window: Range<Time>,
    /// Whether the server tells what it takes: ours does.
    pub server_tells: bool,
}

/// What a client says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Saying {
    /// In which words.
    pub word: Word,
    /// Bytes of the text, the data or the key, without what the words add.
    pub size: usize,
}

/// In which words something is said; they are those of `skipbeat-protocol`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Word {
    /// A text, which goes to every member.
    Text,
    /// `^put N^DATA`, which the server takes.
    Put,
    /// `^get N^KEY`, which the server answers with `^val N^DATA`. It is asked again until then.
    Get(Retry),
}

/// How a client asks again that gets no answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Retry {
    /// How long it waits for the answer of the first try.
    pub timeout: Span,
    /// By how much it waits longer with each try: 1 for always the same.
    pub backoff: f64,
    /// How long it waits at the most.
    pub longest: Span,
    /// How often it asks in all.
    pub tries: u32,
}

impl Retry {
    /// Asking once, and waiting as long as for all tries together.
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
        // A span takes some 584 years; beyond them the longest wait is what counts.
        let wait = self.timeout.seconds() * factor;
        if wait < self.longest.seconds() { self.timeout.scaled(factor) } else { self.longest }
    }
}

/// A first copy of a message that reached one of those for whom it is.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// When.
    pub at: Time,
    /// When the message was due.
    pub planned: Time,
    /// Which message.
    pub message: MessageId,
    /// Whom: the sender itself where the message is for the server.
    pub to: ClientId,
}

/// What is counted of a group. Only messages that are due in the measured time are told of; but what
/// reaches the server is from the beginning of the run, for what it knows by then.
pub trait Books: Clone + Debug {
    /// What metrics are computed from: several groups of one kind share one.
    type Tally: Default + 'static;

    /// The metrics, in the order of their columns.
    const METRICS: &'static [Measure<Self::Tally>];

    /// A message of the group is due; `to` are the clients for whom it is, where they are not the
    /// server or the sender alone.
    fn due(&mut self, _at: Time, _message: MessageId, _to: Option<&ClientSet>) {}

    /// A datagram with the message enters the link to the server.
    fn offered(&mut self, _message: MessageId) {}

    /// It reached somebody.
    fn reached(&mut self, _reached: Reached) {}

    /// A client does not wait any more for an answer to a message that was due at `planned`.
    fn settled(&mut self, _at: Time, _planned: Time, _message: MessageId, _answered: bool) {}

    /// Nothing of a message to the server alone is under way any more: whether it was of use.
    fn over(&mut self, _message: MessageId, _reached: bool) {}

    /// The life of a client of any group changes.
    fn life(&mut self, _at: Time, _client: ClientId, _life: Life) {}

    /// Adds what is known at `now` to a tally.
    fn add_to(&self, now: Time, tally: &mut Self::Tally);
}

/// Books in which nothing is written: of a workload whose figures are the common ones.
impl Books for () {
    type Tally = ();
    const METRICS: &'static [Measure<()>] = &[];

    fn add_to(&self, _: Time, (): &mut ()) {}
}

/// A metric of a workload.
pub struct Measure<T> {
    /// Its name, the column.
    pub name: &'static str,
    /// Its name in words, where it is one of those that a reader looks for first.
    pub label: Option<&'static str>,
    /// What it is.
    pub meaning: &'static str,
    /// What its figure counts in.
    pub unit: Unit,
    /// Which way it should go, if either.
    pub better: Better,
    /// Its formula; nothing where it is undefined.
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

/// The only one, if there is one.
pub(crate) const fn first(labels: &[&'static str]) -> Option<&'static str> {
    if let [label] = labels { Some(*label) } else { None }
}

/// A part of a whole; undefined where there is none.
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
