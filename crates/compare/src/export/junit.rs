//! JUnit XML: a suite for each scenario, with a case for each threshold, one for each judged metric
//! that differs, and one for whether the run can be relied on.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use skipbeat_measure::Outcome;

use crate::export::{row as row_name, row_message, threshold_message, threshold_name};
use crate::verdict::{CheckReport, ComparedMetric, Comparison, Finding, ScenarioVerdict};

/// The verdict as JUnit XML. A bad result is a *failure*, one that can't be decided an *error*.
pub fn junit(verdict: &CheckReport) -> String {
    let mut report = Report::new("skipbeat");
    report.add_test_suites(verdict.scenarios.iter().map(suite));
    report.to_string().unwrap_or_else(|_| unreachable!("writing to memory does not fail"))
}

fn suite(scenario: &ScenarioVerdict) -> TestSuite {
    let mut suite = TestSuite::new(&scenario.scenario);
    let class = |kind: &str| format!("{}.{kind}", scenario.scenario);
    let mut add = |kind: &str, name: &str, status: TestCaseStatus, said: &str| {
        let mut case = TestCase::new(name, status);
        case.set_classname(class(kind));
        if !said.is_empty() {
            case.set_system_out(said);
        }
        suite.add_test_case(case);
    };
    let status = if scenario.reasons.is_empty() {
        TestCaseStatus::success()
    } else {
        bad(NonSuccessKind::Error, &scenario.reasons.join("; "))
    };
    add("run", "the run can be relied on", status, "");
    for case in &scenario.thresholds {
        let status = match case.met {
            Some(true) => TestCaseStatus::success(),
            Some(false) => bad(NonSuccessKind::Failure, &threshold_message(case)),
            None => bad(NonSuccessKind::Error, &threshold_message(case)),
        };
        // A case that passes shows its actual value, too.
        add("thresholds", &threshold_name(case), status, &threshold_message(case));
    }
    let Some(comparison) = &scenario.comparison else { return suite };
    // Hundreds of unchanged figures share one case, the last.
    let differs = |row: &&ComparedMetric| row.judged && row.finding != Finding::Same;
    for row in comparison.rows.iter().filter(differs) {
        let status = match row.finding {
            Finding::Better | Finding::Same => TestCaseStatus::success(),
            Finding::Worse | Finding::Changed => bad(NonSuccessKind::Failure, &row_message(row)),
            Finding::CannotTell => bad(NonSuccessKind::Error, &row_message(row)),
        };
        add("comparison", &row_name(row), status, &row_message(row));
    }
    let status = match comparison.outcome {
        Outcome::Pass | Outcome::NothingRequired => TestCaseStatus::success(),
        Outcome::Inconclusive => bad(NonSuccessKind::Error, &said(comparison)),
        _ => bad(NonSuccessKind::Failure, &said(comparison)),
    };
    let name = format!("nothing is worse than {}", comparison.base);
    add("comparison", &name, status, &said(comparison));
    suite
}

/// A comparison in one line: the number of each bad finding, then the notes.
fn said(comparison: &Comparison) -> String {
    let count = |finding| {
        let rows = comparison.rows.iter().filter(|row| row.judged);
        rows.filter(|row| row.finding == finding).count()
    };
    let counts = format!(
        "{} worse, {} changed, {} cannot tell",
        count(Finding::Worse),
        count(Finding::Changed),
        count(Finding::CannotTell)
    );
    std::iter::once(counts).chain(comparison.notes.iter().cloned()).collect::<Vec<_>>().join("; ")
}

fn bad(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}
