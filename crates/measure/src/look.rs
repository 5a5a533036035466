//! A look into the books while a run goes on: for progress, and for thresholds that end it.

use skipbeat_core::Time;

use crate::{Figures, Recorder, Second, World};

/// What can be seen of a run at a moment.
pub struct Look<'a> {
    /// The time of the run.
    pub now: Time,
    books: Option<(&'a Recorder, World)>,
}

impl<'a> Look<'a> {
    /// Before there are books.
    pub fn early(now: Time) -> Self {
        Look { now, books: None }
    }

    /// Into these books; `world.end` is now.
    pub fn new(recorder: &'a Recorder, world: World) -> Self {
        Look { now: world.end, books: Some((recorder, world)) }
    }

    /// The figures so far, of the whole run and of its groups, as if it had ended now; but messages
    /// under way do not count yet. It costs a look at every client.
    pub fn figures(&self) -> Option<(Figures, Vec<Figures>)> {
        let (recorder, world) = self.books.as_ref()?;
        Some(recorder.figures_so_far(world))
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
