//! Who watches a run while it goes on: Ctrl-C, and thresholds that end it early. Progress and the
//! dashboard are told of each look.

use skipbeat_core::{Span, Time};
use skipbeat_measure::Snapshot;
use skipbeat_scenario::Plan;

use crate::interrupt::Interrupt;

/// Thresholds are judged this often, in the time of the run.
const EVERY: Span = Span::from_secs(1);

/// The watch over one run.
pub(crate) struct Watch<'a> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    /// When thresholds are judged next; never, where none ends the run.
    next: Time,
    /// Whether somebody ended the run.
    pub(crate) interrupted: bool,
    /// The threshold that ended it.
    pub(crate) stopped_by: Option<String>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(plan: &'a Plan, interrupt: &'a Interrupt) -> Self {
        let next = plan.abort.map_or(Time::NEVER, |after| plan.measured_from() + after + EVERY);
        Watch { plan, interrupt, next, interrupted: false, stopped_by: None }
    }

    /// Whether the run goes on.
    pub(crate) fn look(&mut self, look: &Snapshot<'_>) -> bool {
        self.interrupted |= self.interrupt.came();
        if look.now >= self.next && !self.interrupted {
            self.next = look.now + EVERY;
            self.stopped_by = self.broken(look);
        }
        !self.interrupted && self.stopped_by.is_none()
    }

    /// A threshold that is not met, and that nothing can mend but better figures.
    fn broken(&self, look: &Snapshot<'_>) -> Option<String> {
        let (whole, groups) = look.figures()?;
        let judged = self.plan.judge(&whole, &groups);
        let broken =
            judged.into_iter().find(|j| j.met == Some(false) && !j.threshold.may_come(j.value));
        broken.map(|judged| judged.threshold.to_string())
    }
}
