//! Compares two results folders. Simulated figures are compared exactly, seed by seed. Figures that
//! were measured on sockets, one block after the other, are shown but not judged: a difference may
//! come from the machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::folder::{Sheet, SheetRow};
use skipbeat_measure::Outcome;
use skipbeat_scenario::Mode;

use crate::statistics::median;
use crate::verdict::{ComparedMetric, Comparison, Design, Finding, better, unit};

/// Compares results with those of a base; each comes with its name.
///
/// Changes below `minimum_effect` (a share: 0.02 is 2 %) don't matter. Without it every difference
/// matters, and the same scenario with the same seed must produce the same events.
pub fn compare(
    base: (&str, &Sheet),
    new: (&str, &Sheet),
    minimum_effect: Option<f64>,
) -> Comparison {
    let ((base_name, base), (new_name, new)) = (base, new);
    let simulated = [base, new].iter().all(|sheet| sheet.mode == Mode::Sim);
    let design = if simulated { Design::Exact } else { Design::Blocks };
    let pairs = pairs(base, new);
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pair in &pairs {
        places.entry((&pair.1.point, &pair.1.group)).or_default().push(pair);
    }
    let mut rows: Vec<ComparedMetric> =
        places.values().flat_map(|own| rows_of(own, design, minimum_effect)).collect();
    rows.sort_by_key(|row| row.finding);
    let runs = pairs.iter().filter(|(_, new)| new.group.is_none()).count();
    let mut notes = notes(base, new, runs);
    let behaviour = pairs.iter().filter(|(base, new)| behaves_differently(base, new)).count();
    if simulated && behaviour > 0 {
        notes.push(format!(
            "{behaviour} of the runs are of the same scenario and seed and went differently: the \
             behaviour changed"
        ));
    }
    let found = |finding: Finding| rows.iter().any(|row| row.finding == finding);
    let alone = base.runs().count().max(new.runs().count()) > runs;
    let doubtful = [base, new].iter().any(|sheet| !sheet.whole || !sheet.doubts.is_empty());
    let outcome = if pairs.is_empty() || alone || doubtful || found(Finding::CannotTell) {
        Outcome::Inconclusive
    } else {
        Outcome::Pass
    };
    // If a figure with a better direction appears or disappears, no minimum effect excuses it.
    let appeared = |row: &ComparedMetric| row.finding == Finding::Changed && row.better.is_some();
    let worse = found(Finding::Worse)
        || rows.iter().any(appeared)
        || (minimum_effect.is_none() && (found(Finding::Changed) || behaviour > 0));
    // A run that ended early differs from a whole one for that reason alone.
    let whole = base.whole && new.whole;
    let outcome = if simulated && whole && worse { Outcome::Regression } else { outcome };
    Comparison {
        design,
        base: base_name.to_owned(),
        new: new_name.to_owned(),
        pairs: runs,
        minimum_effect,
        outcome,
        rows,
        notes,
    }
}

/// The pairs of rows with the same point, replication, seed and group.
fn pairs<'a>(base: &'a Sheet, new: &'a Sheet) -> Vec<(&'a SheetRow, &'a SheetRow)> {
    let key =
        |line: &SheetRow| (line.point.clone(), line.replication, line.seed, line.group.clone());
    let known: BTreeMap<_, _> = base.rows.iter().map(|line| (key(line), line)).collect();
    // The figures of a single group are those of the whole run.
    let groups: BTreeSet<_> = new.rows.iter().filter_map(|line| line.group.as_ref()).collect();
    let lines = new.rows.iter().filter(|line| line.group.is_none() || groups.len() > 1);
    lines.filter_map(|line| Some((*known.get(&key(line))?, line))).collect()
}

fn notes(base: &Sheet, new: &Sheet, pairs: usize) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, sheet) in [("base", base), ("new", new)] {
        if !sheet.whole {
            notes.push(format!("the {name} results come from a run that ended early"));
        }
        if !sheet.doubts.is_empty() {
            notes.push(format!("the {name} results are inconclusive: {}", sheet.doubts.join("; ")));
        }
        let alone = sheet.runs().count() - pairs;
        if alone > 0 {
            let runs = if alone == 1 { "run" } else { "runs" };
            notes.push(format!(
                "{alone} {runs} of the {name} results without a partner of the same point and seed"
            ));
        }
    }
    if base.mode != new.mode {
        notes.push(format!("different worlds: {} against {}", base.mode.name(), new.mode.name()));
    } else if new.mode == Mode::Net {
        notes.push(
            "measured on sockets, one block after the other: a difference may be the machine's. \
             Compare two binaries in interleaved pairs (--base-bin, --new-bin)"
                .to_owned(),
        );
    }
    let hashes = |sheet: &Sheet| {
        let hashes = sheet.runs().filter_map(|run| run.hash_and_digest.clone());
        hashes.map(|(hash, _)| hash).collect::<BTreeSet<_>>()
    };
    if hashes(base) != hashes(new) {
        notes.push("the scenarios differ, and the figures may differ because of that".to_owned());
    }
    notes
}

/// Whether two runs have the same scenario and seed, but different events.
fn behaves_differently(base: &SheetRow, new: &SheetRow) -> bool {
    match (&base.hash_and_digest, &new.hash_and_digest) {
        (Some((hash, digest)), Some((new_hash, new_digest))) => {
            hash == new_hash && digest != new_digest
        }
        _ => false,
    }
}

/// Compares every metric that both sides have, for one point and group.
fn rows_of(
    own: &[&(&SheetRow, &SheetRow)],
    design: Design,
    minimum_effect: Option<f64>,
) -> Vec<ComparedMetric> {
    let like = own[0].1;
    let known = |metric: &str| own.iter().all(|(base, _)| base.has(metric));
    let metrics = like.figures.iter().map(|(name, _)| name).filter(|name| known(name));
    metrics.map(|metric| row(own, like, metric, design, minimum_effect)).collect()
}

fn row(
    pairs: &[&(&SheetRow, &SheetRow)],
    like: &SheetRow,
    metric: &str,
    design: Design,
    minimum_effect: Option<f64>,
) -> ComparedMetric {
    let same = pairs.iter().all(|(base, new)| base.figure(metric) == new.figure(metric));
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .filter_map(|(base, new)| Some((base.figure(metric)?, new.figure(metric)?)))
        .collect();
    let of = |side: usize| -> Vec<f64> {
        let figure = |pair: &&(&SheetRow, &SheetRow)| [pair.0, pair.1][side].figure(metric);
        pairs.iter().filter_map(figure).collect()
    };
    let effects: Vec<f64> = both.iter().filter_map(|(base, new)| effect(*base, *new)).collect();
    let all = effects.len() == pairs.len();
    let better = better(metric);
    let small = all && minimum_effect.is_some_and(|least| effects.iter().all(|e| e.abs() < least));
    ComparedMetric {
        point: like.point.clone(),
        group: like.group.clone(),
        metric: metric.to_owned(),
        unit: unit(metric),
        better,
        judged: design == Design::Exact,
        base: median(&of(0)),
        new: median(&of(1)),
        effect: median(&effects).filter(|_| all),
        interval: (all && effects.len() > 1).then(|| {
            let least = effects.iter().copied().fold(f64::INFINITY, f64::min);
            [least, effects.iter().copied().fold(f64::NEG_INFINITY, f64::max)]
        }),
        p: None,
        finding: match better {
            _ if same => Finding::Same,
            _ if design == Design::Blocks => Finding::CannotTell,
            _ if small => Finding::Same,
            None => Finding::Changed,
            // A figure on one side only has changed, but is neither better nor worse.
            Some(_) if both.len() < pairs.len() => Finding::Changed,
            Some(better) => {
                let worse = both.iter().map(|(base, new)| (new - base) * better.sign_of_worse());
                direction(worse)
            }
        },
    }
}

/// new / base - 1; `None` if only the base is zero.
fn effect(base: f64, new: f64) -> Option<f64> {
    if base == new { Some(0.0) } else { (base != 0.0).then(|| new / base - 1.0) }
}

/// The finding that all differences support, where positive ones are worse. Differences of both
/// signs contradict each other.
fn direction(worse: impl Iterator<Item = f64>) -> Finding {
    let signs: Vec<f64> = worse.filter(|d| *d != 0.0).map(f64::signum).collect();
    match (signs.contains(&1.0), signs.contains(&-1.0)) {
        (true, false) => Finding::Worse,
        (false, true) => Finding::Better,
        (false, false) => Finding::Same,
        (true, true) => Finding::CannotTell,
    }
}
