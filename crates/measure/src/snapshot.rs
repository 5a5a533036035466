//! A view of the books while a run goes on, for progress, the dashboard and thresholds that end the
//! run early.

use skipbeat_core::Time;

use crate::{Columns, Figures, Recorder, RunContext, Second};

/// The state of a run at one moment.
pub struct Snapshot<'a> {
    /// The time since the start of the run.
    pub now: Time,
    books: Option<(&'a Recorder, RunContext)>,
}

impl<'a> Snapshot<'a> {
    /// A snapshot from before there are books.
    pub fn early(now: Time) -> Self {
        Snapshot { now, books: None }
    }

    /// A snapshot of these books; `context.end` is now.
    pub fn new(recorder: &'a Recorder, context: RunContext) -> Self {
        Snapshot { now: context.end, books: Some((recorder, context)) }
    }

    /// The figures so far, of the whole run and of its groups, as if it had ended now, except that
    /// messages under way do not count yet. The cost grows with the number of clients.
    pub fn figures(&self, columns: &Columns) -> Option<(Figures, Vec<Figures>)> {
        let (recorder, context) = self.books.as_ref()?;
        let tally = recorder.tally_so_far(context);
        Some((Figures::of_all(&tally, columns), Figures::of_groups(&tally, columns)))
    }

    /// The number of members now, ghosts included.
    pub fn members(&self) -> Option<u64> {
        self.books.as_ref().map(|(recorder, _)| recorder.members())
    }

    /// What happened in the last whole second; `members` is the change within it.
    pub fn last_second(&self) -> Option<Second> {
        let (recorder, _) = self.books.as_ref()?;
        recorder.second_before(self.now)
    }
}
