//! JUnit XML: a suite for each scenario, a case for each threshold, for each judged metric that differs,
//! and for whether the run can be relied on.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::export::{row as row_name, row_message, threshold_message, threshold_name};
use crate::verdict::{ComparedMetric, Comparison, Conclusion, Finding, ScenarioVerdict, Verdict};

/// The verdict as JUnit XML. What can't be told is an *error*, what is bad a *failure*.
pub fn junit(verdict: &Verdict) -> String {
    let mut report = Report::new("skipbeat");
    report.add_test_suites(verdict.scenarios.iter().map(suite));
    report.to_string().unwrap_or_else(|_| unreachable!("writing to memory does not fail"))
}

fn suite(scenario: &ScenarioVerdict) -> TestSuite {
    let mut suite = TestSuite::new(&scenario.scenario);
    let class = |kind: &str| format!("{}.{kind}", scenario.scenario);
    let mut add = |kind: &str, name: &str, status: TestCaseStatus| {
        let mut case = TestCase::new(name, status);
        case.set_classname(class(kind));
        suite.add_test_case(case);
    };
    let status = if scenario.reasons.is_empty() {
        TestCaseStatus::success()
    } else {
        bad(NonSuccessKind::Error, &scenario.reasons.join("; "))
    };
    add("run", "the run can be relied on", status);
    for case in &scenario.thresholds {
        let status = match case.met {
            Some(true) => TestCaseStatus::success(),
            Some(false) => bad(NonSuccessKind::Failure, &threshold_message(case)),
            None => bad(NonSuccessKind::Error, &threshold_message(case)),
        };
        add("thresholds", &threshold_name(case), status);
    }
    let Some(comparison) = &scenario.comparison else { return suite };
    // Hundreds of figures that are the same are one case, the last.
    let differs = |row: &&ComparedMetric| row.judged && row.finding != Finding::Same;
    for row in comparison.rows.iter().filter(differs) {
        let status = match row.finding {
            Finding::Better | Finding::Same => TestCaseStatus::success(),
            Finding::Worse | Finding::Changed => bad(NonSuccessKind::Failure, &row_message(row)),
            Finding::CannotTell => bad(NonSuccessKind::Error, &row_message(row)),
        };
        add("comparison", &row_name(row), status);
    }
    let status = match comparison.conclusion {
        Conclusion::Pass => TestCaseStatus::success(),
        Conclusion::Inconclusive => bad(NonSuccessKind::Error, &said(comparison)),
        _ => bad(NonSuccessKind::Failure, &said(comparison)),
    };
    add("comparison", &format!("nothing is worse than {}", comparison.base), status);
    suite
}

/// How a comparison came out, in a line.
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
