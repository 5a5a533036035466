//! A look into the books while a run goes on: for progress, and for thresholds that end it.

use skipbeat_core::Time;

use crate::{Figures, Recorder, RunContext, Second};

/// What can be seen of a run at a moment.
pub struct Snapshot<'a> {
    /// The time of the run.
    pub now: Time,
    books: Option<(&'a Recorder, RunContext)>,
}

impl<'a> Snapshot<'a> {
    /// Before there are books.
    pub fn early(now: Time) -> Self {
        Snapshot { now, books: None }
    }

    /// Into these books; `world.end` is now.
    pub fn new(recorder: &'a Recorder, context: RunContext) -> Self {
        Snapshot { now: context.end, books: Some((recorder, context)) }
    }

    /// The figures so far, of the whole run and of its groups, as if it had ended now; but messages
    /// under way do not count yet. It costs a look at every client.
    pub fn figures(&self) -> Option<(Figures, Vec<Figures>)> {
        let (recorder, context) = self.books.as_ref()?;
        Some(recorder.figures_so_far(context))
    }

    /// Members now, of any kind.
    pub fn members(&self) -> Option<u64> {
        self.books.as_ref().map(|(recorder, _)| recorder.members())
    }

    /// What happened in the last whole second; `members` is the change within it.
    pub fn last_second(&self) -> Option<Second> {
        let (recorder, _) = self.books.as_ref()?;
        recorder.second_before(self.now)
    }
}
