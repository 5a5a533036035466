//! Ends a run early: after a signal, or at a missed threshold if the scenario asks for that.

use skipbeat_core::{Span, Time};
use skipbeat_measure::Snapshot;
use skipbeat_scenario::Plan;

use crate::interrupt::Interrupt;

/// Thresholds are judged this often, in the time of the run.
const EVERY: Span = Span::from_secs(1);

/// Watches one run.
pub(crate) struct Watch<'a> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    /// When thresholds are judged next; never if they don't end the run.
    next: Time,
    /// Whether a signal ended the run.
    pub(crate) interrupted: bool,
    /// The threshold that ended the run.
    pub(crate) stopped_by: Option<String>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(plan: &'a Plan, interrupt: &'a Interrupt) -> Self {
        let next = plan.abort.map_or(Time::NEVER, |after| plan.measured_from() + after + EVERY);
        Watch { plan, interrupt, next, interrupted: false, stopped_by: None }
    }

    /// Whether the run goes on.
    pub(crate) fn allows(&mut self, snapshot: &Snapshot<'_>) -> bool {
        self.interrupted |= self.interrupt.came();
        if snapshot.now >= self.next && !self.interrupted {
            self.next = snapshot.now + EVERY;
            self.stopped_by = self.broken(snapshot);
        }
        !self.interrupted && self.stopped_by.is_none()
    }

    /// The first threshold that is missed, other than by a count that may still grow to meet it.
    fn broken(&self, snapshot: &Snapshot<'_>) -> Option<String> {
        let (whole, groups) = snapshot.figures(&self.plan.columns())?;
        let judged = self.plan.judge(&whole, &groups);
        let mut thresholds = self.plan.thresholds.iter().zip(judged);
        let broken = thresholds.find(|(threshold, judged)| {
            judged.met == Some(false) && !threshold.may_still_be_met(judged.actual)
        });
        broken.map(|(threshold, _)| threshold.to_string())
    }
}
