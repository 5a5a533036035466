//! The noise of this machine, from a comparison of a binary with itself: how often it gives a false
//! alarm, and the smallest effect that can be detected.
//!
//! If both runs of a pair are of the same binary, either could have been the base. So every
//! assignment of signs to the log ratios is as likely as the one that was seen (the randomisation
//! that Wilcoxon's test is built on). Each trial draws random signs, may add a planted effect, and
//! applies the rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Seed;

use crate::paired::{Pair, Rule, Series, decide, series};
use crate::statistics::median;
use crate::verdict::Finding;

/// Trials that measure the false-alarm rate.
const TRIALS: u32 = 1_000;
/// Trials for each planted effect.
const PLANTED_TRIALS: u32 = 200;
/// Bootstrap samples in a trial: fewer than for an interval that is shown.
const RESAMPLES: u32 = 1_000;
/// An effect counts as seen if this share of trials calls it worse: the usual statistical power.
const POWER: f64 = 0.8;
/// The effects to plant, as shares.
const EFFECTS: [f64; 16] =
    [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0];

/// The noise of a machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// The number of pairs that were run.
    pub pairs: usize,
    /// The number of trials with random signs.
    pub trials: u32,
    /// The number of trials that called at least one metric worse.
    pub false_alarms: u32,
    /// The smallest effect that mattered in these trials, as a share.
    pub minimum_effect: f64,
    /// Each judged metric.
    pub metrics: Vec<NoiseRow>,
}

/// The noise of a metric.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoiseRow {
    /// The metric.
    pub metric: String,
    /// The median of |new / base - 1| over pairs of the same binary; `None` if it is infinite.
    pub spread: Option<f64>,
    /// The smallest planted effect that 80 % of trials call worse, as a share; `None` if it is
    /// above 100 %.
    pub smallest_effect: Option<f64>,
}

/// Measures the noise in pairs of a binary with itself, judged by a rule.
pub fn noise(pairs: &[Pair], rule: &Rule) -> Noise {
    let all: Vec<Series> = series(pairs);
    let judged: Vec<Series> =
        all.into_iter().filter(|series| rule.judged.contains(&series.metric)).collect();
    let alarms = |trial: &u32| {
        let signed = judged.iter().map(|series| signed(series, rule.seed, *trial, 0.0));
        let decisions = decide(&signed.collect::<Vec<_>>(), rule, RESAMPLES);
        decisions.iter().any(|decision| decision.finding == Finding::Worse)
    };
    let row = |(at, series): (usize, &Series)| {
        let spreads: Vec<f64> = series.worse.iter().map(|d| d.abs().exp_m1()).collect();
        NoiseRow {
            metric: series.metric.clone(),
            spread: median(&spreads).filter(|spread| spread.is_finite()),
            smallest_effect: EFFECTS.into_iter().find(|effect| is_seen(&judged, at, rule, *effect)),
        }
    };
    Noise {
        pairs: pairs.len(),
        trials: TRIALS,
        false_alarms: (0..TRIALS).filter(alarms).count() as u32,
        minimum_effect: rule.minimum_effect,
        metrics: judged.iter().enumerate().map(row).collect(),
    }
}

/// A series with random signs for a trial and a planted effect (a share).
fn signed(series: &Series, seed: Seed, trial: u32, effect: f64) -> Series {
    let signs = seed.family("compare.signs").stream(trial.into());
    let sign = |pair: usize| if signs.bits(pair as u64) & 1 == 0 { 1.0 } else { -1.0 };
    let planted = effect.ln_1p();
    let worse = series.worse.iter().enumerate().map(|(pair, d)| d * sign(pair) + planted);
    Series { worse: worse.collect(), ..series.clone() }
}

/// Whether enough trials find an effect that is planted in the series `at`. All judged series are
/// decided together, since Holm's correction depends on their number.
fn is_seen(judged: &[Series], at: usize, rule: &Rule, effect: f64) -> bool {
    let seen = (0..PLANTED_TRIALS).filter(|trial| {
        let planted = |n: usize| if n == at { effect } else { 0.0 };
        let all = judged.iter().enumerate();
        let all: Vec<Series> =
            all.map(|(n, series)| signed(series, rule.seed, *trial, planted(n))).collect();
        decide(&all, rule, RESAMPLES)[at].finding == Finding::Worse
    });
    seen.count() as f64 >= POWER * f64::from(PLANTED_TRIALS)
}
