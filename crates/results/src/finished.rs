//! What is kept of a finished run of a study while other runs go on.

use skipbeat_measure::{Columns, Figures, Load, Results, RunTally, RunVerdict};
use skipbeat_scenario::Plan;

/// A finished run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// Its number in the study, from 0.
    pub run: usize,
    /// Its tally, without the records that grow with the length of the run.
    pub tally: RunTally,
    /// The figures of the whole run.
    pub figures: Figures,
    /// The figures of each group.
    pub groups: Vec<Figures>,
    /// Why the figures can't be relied on; empty if they can.
    pub doubts: Vec<String>,
    /// The numbers that show which part of it was at its limit; `None` in the simulator.
    pub load: Option<Load>,
    /// The threshold that ended it early, if one did.
    pub stopped_by: Option<String>,
}

impl FinishedRun {
    /// What is kept of the results of run number `run`.
    pub fn new(
        run: usize,
        results: Results,
        load: Option<Load>,
        stopped_by: Option<String>,
    ) -> Self {
        let Results { tally, figures, groups, doubts, .. } = results;
        let doubts = doubts.iter().map(ToString::to_string).collect();
        let tally = tally.without_rows();
        FinishedRun { run, tally, figures, groups, doubts, load, stopped_by }
    }

    /// A finished run from a tally that was read back from a file.
    pub(crate) fn of_tally(
        run: usize,
        tally: RunTally,
        columns: &Columns,
        doubts: Vec<String>,
        load: Option<Load>,
        stopped_by: Option<String>,
    ) -> Self {
        let figures = Figures::of_all(&tally, columns);
        let groups = Figures::of_groups(&tally, columns);
        FinishedRun { run, tally, figures, groups, doubts, load, stopped_by }
    }

    /// How the run ended.
    pub fn verdict(&self, plan: &Plan) -> RunVerdict {
        let thresholds = plan.judge(&self.figures, &self.groups);
        let end = self.tally.facts.end;
        let early = (end < plan.end()).then(|| end.seconds());
        RunVerdict::new(thresholds, self.doubts.clone(), self.stopped_by.clone(), early)
    }
}
