//! Two folders of results beside each other. What was simulated is compared exactly, seed by seed. What
//! was measured on sockets in two blocks can't be told from the machine's own moods, and nothing is
//! claimed of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::folder::{Line, Sheet};
use crate::statistics::median;
use crate::verdict::{ComparedMetric, Comparison, Conclusion, Design, Finding, unit, way};

/// Compares results with those of a base, each with its name.
///
/// Changes below `minimum_effect`, a share, do not matter where it is given; where it is not, every
/// difference does, and the same scenario with the same seed has to go the same way.
pub fn compare(
    base: (&str, &Sheet),
    new: (&str, &Sheet),
    minimum_effect: Option<f64>,
) -> Comparison {
    let ((base_name, base), (new_name, new)) = (base, new);
    let simulated = base.mode == "sim" && new.mode == "sim";
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
    let conclusion = if pairs.is_empty() || alone || doubtful || found(Finding::CannotTell) {
        Conclusion::Inconclusive
    } else {
        Conclusion::Pass
    };
    // A figure with a better side that is gone, or new, is no matter of how much.
    let appeared = |row: &ComparedMetric| row.finding == Finding::Changed && row.better.is_some();
    let worse = found(Finding::Worse)
        || rows.iter().any(appeared)
        || (minimum_effect.is_none() && (found(Finding::Changed) || behaviour > 0));
    // Half a run differs from a whole one for that reason alone.
    let whole = base.whole && new.whole;
    let conclusion = if simulated && whole && worse { Conclusion::Regression } else { conclusion };
    Comparison {
        design,
        base: base_name.to_owned(),
        new: new_name.to_owned(),
        pairs: runs,
        minimum_effect,
        conclusion,
        rows,
        notes,
    }
}

/// The lines that both have, of the same point, replication, seed and group.
fn pairs<'a>(base: &'a Sheet, new: &'a Sheet) -> Vec<(&'a Line, &'a Line)> {
    let key =
        |line: &Line| (line.point.clone(), line.replication, line.seed.clone(), line.group.clone());
    let known: BTreeMap<_, _> = base.lines.iter().map(|line| (key(line), line)).collect();
    // Of one group there is nothing to say that the whole run does not.
    let groups: BTreeSet<_> = new.lines.iter().filter_map(|line| line.group.as_ref()).collect();
    let lines = new.lines.iter().filter(|line| line.group.is_none() || groups.len() > 1);
    lines.filter_map(|line| Some((*known.get(&key(line))?, line))).collect()
}

fn notes(base: &Sheet, new: &Sheet, pairs: usize) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, sheet) in [("base", base), ("new", new)] {
        if !sheet.whole {
            notes.push(format!("the {name} results are of a run that ended early"));
        }
        if !sheet.doubts.is_empty() {
            notes.push(format!("the {name} results are inconclusive: {}", sheet.doubts.join("; ")));
        }
        let alone = sheet.runs().count() - pairs;
        if alone > 0 {
            notes.push(format!(
                "{alone} runs of the {name} results have no partner of the same point and seed"
            ));
        }
    }
    if base.mode != new.mode {
        notes.push(format!("other worlds: {} against {}", base.mode, new.mode));
    } else if new.mode == "net" {
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
        notes.push("the scenarios are not the same: what differs may be what was asked".to_owned());
    }
    notes
}

/// Whether two runs of the same scenario and seed went differently.
fn behaves_differently(base: &Line, new: &Line) -> bool {
    match (&base.hash_and_digest, &new.hash_and_digest) {
        (Some((hash, digest)), Some((new_hash, new_digest))) => {
            hash == new_hash && digest != new_digest
        }
        _ => false,
    }
}

/// The metrics of one point and group.
fn rows_of(
    own: &[&(&Line, &Line)],
    design: Design,
    minimum_effect: Option<f64>,
) -> Vec<ComparedMetric> {
    let like = own[0].1;
    let known = |metric: &str| own.iter().all(|(base, _)| cell(base, metric).is_some());
    let metrics = like.cells.iter().map(|(name, _)| name).filter(|name| known(name));
    metrics.map(|metric| row(own, like, metric, design, minimum_effect)).collect()
}

fn cell<'a>(line: &'a Line, metric: &str) -> Option<&'a str> {
    Some(&line.cells.iter().find(|(name, _)| name == metric)?.1)
}

fn row(
    pairs: &[&(&Line, &Line)],
    like: &Line,
    metric: &str,
    design: Design,
    minimum_effect: Option<f64>,
) -> ComparedMetric {
    let same = pairs.iter().all(|(base, new)| cell(base, metric) == cell(new, metric));
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .filter_map(|(base, new)| Some((base.figure(metric)?, new.figure(metric)?)))
        .collect();
    let of = |side: usize| -> Vec<f64> {
        let figure = |pair: &&(&Line, &Line)| [pair.0, pair.1][side].figure(metric);
        pairs.iter().filter_map(figure).collect()
    };
    let effects: Vec<f64> = both.iter().filter_map(|(base, new)| effect(*base, *new)).collect();
    let all = effects.len() == pairs.len();
    let better = way(metric);
    let small = all && minimum_effect.is_some_and(|least| effects.iter().all(|e| e.abs() < least));
    ComparedMetric {
        point: like.point.clone(),
        group: like.group.clone(),
        metric: metric.to_owned(),
        unit: unit(metric).to_owned(),
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
            // A figure that is there on one side only is another, which way nobody can say.
            Some(_) if both.len() < pairs.len() => Finding::Changed,
            Some(way) => {
                let worse = both.iter().map(|(base, new)| (new - base) * way.worse());
                direction(worse)
            }
        },
    }
}

/// new / base - 1, where that is defined.
fn effect(base: f64, new: f64) -> Option<f64> {
    if base == new { Some(0.0) } else { (base != 0.0).then(|| new / base - 1.0) }
}

/// What differences say, the bad ones above zero: only if none contradicts.
fn direction(worse: impl Iterator<Item = f64>) -> Finding {
    let signs: Vec<f64> = worse.filter(|d| *d != 0.0).map(f64::signum).collect();
    match (signs.contains(&1.0), signs.contains(&-1.0)) {
        (true, false) => Finding::Worse,
        (false, true) => Finding::Better,
        (false, false) => Finding::Same,
        (true, true) => Finding::CannotTell,
    }
}
