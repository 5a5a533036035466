//! Every row holds at its usual size.

use skipbeat_theory::{Agreement, EXPERIMENTS, Size};

/// Every table by its experiments; each is a test of its own, so that they run side by side.
fn hold(names: &[(&str, &str)]) {
    for (table, name) in names {
        let found = EXPERIMENTS.iter().find(|e| e.table.starts_with(table) && e.name == *name);
        for row in (found.unwrap_or_else(|| panic!("{table}: {name}")).run)(&Size::default()) {
            assert_eq!(row.verdict(), Agreement::Agrees, "{table}, {name}: {row:?}");
        }
    }
}

macro_rules! tables {
    ($($test:ident: $($table:literal $name:literal),+;)+) => {
        $(#[test]
        fn $test() {
            hold(&[$(($table, $name)),+]);
        })+

        #[test]
        fn no_experiment_is_forgotten() {
            let tested: usize = [$([$($name),+].len()),+].iter().sum();
            assert_eq!(tested, EXPERIMENTS.len());
        }
    };
}

tables! {
    detection_by_exact_deadline: "Detection time T_D" "exact-deadline";
    detection_by_periodic_sweep: "Detection time T_D" "periodic-sweep";
    detection_by_lazy_sweep: "Detection time T_D" "lazy-sweep";
    detection_under_jitter: "Detection time T_D" "jitter";
    detection_under_loss: "Detection time T_D" "loss", "Detection time T_D" "last-of-many";
    mistakes_without_jitter: "Mistakes" "no-jitter";
    mistakes_on_the_knife_edge: "Mistakes" "knife-edge";
    mistakes_of_the_other_sweeps: "Mistakes" "jitter-and-sweep", "Mistakes" "lazy-sweep";
    mistakes_under_sticky_rejoin: "Mistakes" "sticky";
    mechanisms: "Who beats" "both-beat", "Who beats" "server-beats", "Who beats" "dead-server";
    detectors: "Detection time of the other" "detectors";
    delivery: "Delivery" "ratio", "Delivery" "shares";
    order: "Order" "periodic", "Order" "poisson";
    workloads: "Telemetry" "telemetry", "Telemetry" "media", "Telemetry" "query";
}

#[test]
fn a_row_that_is_off_or_leaves_its_limits_differs() {
    let row = &(EXPERIMENTS[5].run)(&Size::default())[0];
    let with = |change: fn(&mut skipbeat_theory::TheoryRow)| {
        let mut row = row.clone();
        change(&mut row);
        row.verdict()
    };
    assert_eq!(with(|_| ()), Agreement::Agrees);
    assert_eq!(with(|row| row.got = row.expected + 1.01 * row.interval), Agreement::Differs);
    assert_eq!(with(|row| row.limits = [0.0, row.got - 1e-6]), Agreement::Differs);
    assert_eq!(with(|row| row.got = f64::NAN), Agreement::TooFew, "it agrees with nothing");
    assert_eq!(with(|row| row.samples = 99.0), Agreement::TooFew);
}

#[test]
fn a_tiny_sample_says_so() {
    let size = Size { clients: Some(10), hours: Some(0.01), times: 1 };
    for experiment in EXPERIMENTS {
        for row in (experiment.run)(&size) {
            assert_ne!(row.verdict(), Agreement::Differs, "{}: {row:?}", experiment.name);
        }
    }
}
