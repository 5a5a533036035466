//! Every row agrees with its closed form at the usual size of its experiment.

use skipbeat_theory::{Agreement, EXPERIMENTS, Size};

/// Checks every row of these experiments, given by the beginning of their table's title and their
/// name.
fn assert_agreement(names: &[(&str, &str)]) {
    for (table, name) in names {
        let found = EXPERIMENTS.iter().find(|e| e.table.starts_with(table) && e.name == *name);
        for row in (found.unwrap_or_else(|| panic!("{table}: {name}")).run)(&Size::default()) {
            assert_eq!(row.verdict(), Agreement::Agrees, "{table}, {name}: {row:?}");
        }
    }
}

/// Makes a test of each line, so that they run side by side.
macro_rules! tables {
    ($($test:ident: $($table:literal $name:literal),+;)+) => {
        $(#[test]
        fn $test() {
            assert_agreement(&[$(($table, $name)),+]);
        })+

        #[test]
        fn every_experiment_is_in_the_list() {
            let tested: usize = [$([$($name),+].len()),+].iter().sum();
            assert_eq!(tested, EXPERIMENTS.len());
        }
    };
}

tables! {
    detection_time_with_exact_deadlines_agrees: "Detection time T_D" "exact-deadline";
    detection_time_with_a_periodic_sweep_agrees: "Detection time T_D" "periodic-sweep";
    detection_time_with_a_lazy_sweep_agrees: "Detection time T_D" "lazy-sweep";
    detection_time_under_jitter_agrees: "Detection time T_D" "jitter";
    detection_time_under_loss_agrees: "Detection time T_D" "loss", "Detection time T_D" "last-of-many";
    mistakes_without_jitter_agree: "Mistakes" "no-jitter";
    mistakes_at_two_jittered_periods_agree: "Mistakes" "knife-edge";
    mistakes_with_the_other_sweeps_agree: "Mistakes" "jitter-and-sweep", "Mistakes" "lazy-sweep";
    mistakes_under_sticky_rejoin_agree: "Mistakes" "sticky";
    heartbeats_from_the_server_agree: "Who beats" "both-beat", "Who beats" "server-beats", "Who beats" "dead-server";
    detection_time_of_the_other_detectors_agrees: "Detection time of the other" "detectors";
    delivery_agrees: "Delivery" "ratio", "Delivery" "shares";
    reordering_agrees: "Order" "periodic", "Order" "poisson";
    telemetry_media_and_queries_agree: "Telemetry" "telemetry", "Telemetry" "media", "Telemetry" "query";
}

#[test]
fn a_row_outside_its_interval_or_its_limits_differs() {
    let row = &(EXPERIMENTS[5].run)(&Size::default())[0];
    let with = |change: fn(&mut skipbeat_theory::TheoryRow)| {
        let mut row = row.clone();
        change(&mut row);
        row.verdict()
    };
    assert_eq!(with(|_| ()), Agreement::Agrees);
    assert_eq!(with(|row| row.simulated = row.expected + 1.01 * row.interval), Agreement::Differs);
    assert_eq!(with(|row| row.limits = [0.0, row.simulated - 1e-6]), Agreement::Differs);
    assert_eq!(
        with(|row| row.simulated = f64::NAN),
        Agreement::TooFew,
        "an undefined figure has no samples"
    );
    assert_eq!(with(|row| row.samples = 99.0), Agreement::TooFew);
}

#[test]
fn a_tiny_sample_never_differs() {
    let size = Size { clients: Some(10), hours: Some(0.01), times: 1 };
    for experiment in EXPERIMENTS {
        for row in (experiment.run)(&size) {
            assert_ne!(row.verdict(), Agreement::Differs, "{}: {row:?}", experiment.name);
        }
    }
}
