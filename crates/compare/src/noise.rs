//! What this machine does to a comparison of a binary with itself: how often it gives a false alarm, and
//! the smallest effect that it can see.
//!
//! Of two runs of one binary either could have been the base, so every assignment of signs to the log
//! ratios of pairs is as likely as the one that was seen (the randomisation that Wilcoxon's test is
//! built on). Trials draw such assignments and decide each by the rule, effects planted or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::Seed;

use crate::paired::{Pair, Rule, Series, decide, series};
use crate::statistics::median;
use crate::verdict::Finding;

/// Trials of the false-alarm rate.
const TRIALS: u32 = 1_000;
/// Trials of each planted effect.
const PLANTED_TRIALS: u32 = 200;
/// Bootstrap samples in a trial: fewer than behind an interval that is shown.
const RESAMPLES: u32 = 1_000;
/// An effect counts as seen if this share of trials calls it a regression: the usual power.
const POWER: f64 = 0.8;
/// Effects that are planted, as shares.
const EFFECTS: [f64; 16] =
    [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0];

/// The noise of a machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// Pairs that were run.
    pub pairs: usize,
    /// Trials by random signs.
    pub trials: u32,
    /// Of those, how many called at least one metric a regression.
    pub false_alarms: u32,
    /// The smallest effect that mattered, as a share.
    pub minimum_effect: f64,
    /// Each judged metric.
    pub metrics: Vec<NoiseRow>,
}

/// The noise of a metric.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoiseRow {
    /// The metric.
    pub metric: String,
    /// The median of |new / base - 1| over pairs of the same binary; nothing where it is infinite.
    pub spread: Option<f64>,
    /// The smallest effect that 80 % of trials call a regression, as a share; nothing where it is above
    /// 100 %.
    pub smallest_effect: Option<f64>,
}

/// The noise in pairs of a binary with itself, by a rule.
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

/// A series with signs drawn for a trial, and an effect planted.
fn signed(series: &Series, seed: Seed, trial: u32, effect: f64) -> Series {
    let signs = seed.family("compare.signs").stream(trial.into());
    let sign = |pair: usize| if signs.bits(pair as u64) & 1 == 0 { 1.0 } else { -1.0 };
    let planted = effect.ln_1p();
    let worse = series.worse.iter().enumerate().map(|(pair, d)| d * sign(pair) + planted);
    Series { worse: worse.collect(), ..series.clone() }
}

/// Whether enough trials call an effect that is planted in one of all judged series a regression. They
/// are decided together, since each takes its share of the level.
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
