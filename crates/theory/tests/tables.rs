//! Every row holds at its usual size.

use skipbeat_theory::{EXPERIMENTS, Size};

/// Every table by its experiments; each is a test of its own, so that they run side by side.
fn hold(names: &[(&str, &str)]) {
    for (table, name) in names {
        let found = EXPERIMENTS.iter().find(|e| e.table.starts_with(table) && e.name == *name);
        for row in (found.unwrap_or_else(|| panic!("{table}: {name}")).run)(&Size::default()) {
            assert!(row.holds(), "{table}, {name}: {row:?}");
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
}

#[test]
fn a_row_that_is_off_or_leaves_its_limits_does_not_hold() {
    let row = &(EXPERIMENTS[5].run)(&Size { times: 1, ..Size::default() })[0];
    assert!(row.holds());
    let mut off = row.clone();
    off.expected += 2.0 * row.interval + (row.got - row.expected).abs();
    assert!(!off.holds());
    let mut outside = row.clone();
    outside.limits = [0.0, row.got - 1e-6];
    assert!(!outside.holds());
    let mut unknown = row.clone();
    unknown.got = f64::NAN;
    assert!(!unknown.holds(), "what has no basis agrees with nothing");
}
