//! Statistics for pairs of runs: the median with a bootstrap interval, Wilcoxon's signed-rank test,
//! and Holm's correction. The tests compare them with published values and with scipy and R.

use skipbeat_core::Seed;

/// The median; `None` if there are no values.
///
/// ```
/// use skipbeat_compare::median;
///
/// assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
/// assert_eq!(median(&[]), None);
/// ```
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    middle(&sorted)
}

/// The median of sorted values.
fn middle(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some(between(sorted[n / 2 - 1], sorted[n / 2])),
    }
}

/// The midpoint of two values. That of two equal infinities is the same infinity, and that of
/// opposite infinities is zero.
fn between(low: f64, high: f64) -> f64 {
    if low == high {
        low
    } else if low == -high {
        0.0
    } else {
        (low + high) / 2.0
    }
}

/// A 95 % percentile interval of the median over `resamples` bootstrap samples (Efron 1979; Efron
/// and Tibshirani 1993, 13.3); `None` for fewer than two values. The same seed gives the same
/// samples.
pub fn bootstrap_median(values: &[f64], resamples: u32, seed: Seed) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    // We draw positions in the sorted values, so that counting finds the median of a sample.
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as u64;
    let draws = seed.family("compare.bootstrap");
    let mut medians = Vec::with_capacity(resamples as usize);
    let mut counts = vec![0u32; sorted.len()];
    for resample in 0..resamples {
        let stream = draws.stream(resample.into());
        counts.fill(0);
        for draw in 0..n {
            // Scaling a random word this way has a bias of n / 2^64.
            let place = (u128::from(stream.bits(draw)) * u128::from(n)) >> 64;
            counts[place as usize] += 1;
        }
        medians.push(median_of_counts(&sorted, &counts));
    }
    medians.sort_unstable_by(f64::total_cmp);
    let last = medians.len() - 1;
    let at = |share: f64| medians[(share * last as f64).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// The median of a sample in which each of the sorted values occurs `counts` times.
fn median_of_counts(sorted: &[f64], counts: &[u32]) -> f64 {
    let n: u32 = counts.iter().sum();
    let at = |place: u32| {
        let mut before = 0;
        let found = counts.iter().position(|count| {
            before += count;
            before > place
        });
        sorted[found.unwrap_or(sorted.len() - 1)]
    };
    let (low, high) = (at((n - 1) / 2), at(n / 2));
    between(low, high)
}

/// The two-sided p-value of Wilcoxon's signed-rank test (Wilcoxon 1945) of whether differences lie
/// around zero. Zeros are left out and ties get mid-ranks. The distribution is exact for these
/// ranks: every assignment of signs is equally likely. `None` if every difference is zero.
///
/// ```
/// use skipbeat_compare::wilcoxon;
///
/// // Of 16 assignments of signs, only two are as extreme: all positive and all negative.
/// assert_eq!(wilcoxon(&[1.0, 2.0, 3.0, 4.0]), Some(0.125));
/// ```
pub fn wilcoxon(differences: &[f64]) -> Option<f64> {
    let mut nonzero: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if nonzero.is_empty() {
        return None;
    }
    nonzero.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    // These are ranks times two, since twice a mid-rank is a whole number.
    let mut ranks = vec![0usize; nonzero.len()];
    let mut first = 0;
    while first < nonzero.len() {
        let size = nonzero[first].abs();
        let behind = first + nonzero[first..].iter().take_while(|d| d.abs() == size).count();
        ranks[first..behind].fill(first + 1 + behind);
        first = behind;
    }
    let positive = ranks.iter().zip(&nonzero).filter(|(_, d)| **d > 0.0);
    let positive: usize = positive.map(|(rank, _)| rank).sum();
    let whole: usize = ranks.iter().sum();
    // The probability of each sum of positive ranks, built up rank by rank.
    let mut likely = vec![0.0; whole + 1];
    likely[0] = 1.0;
    let mut reached = 0;
    for rank in &ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= *rank { likely[sum - rank] } else { 0.0 };
            likely[sum] = (likely[sum] + with) / 2.0;
        }
    }
    let tail: f64 = likely[..=positive.min(whole - positive)].iter().sum();
    Some((2.0 * tail).min(1.0))
}

/// p-values corrected for the number of tests (Holm 1979), in the order given. If every test with a
/// corrected p below α is called significant, the chance of any false alarm is at most α.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (place, index) in order.iter().enumerate() {
        let factor = (p_values.len() - place) as f64;
        largest = largest.max((p_values[*index] * factor).min(1.0));
        corrected[*index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences of corn heights, cross- against self-fertilised (Darwin 1876; Fisher 1935, ch. 3).
    const DARWIN: [f64; 15] =
        [49., -67., 8., 16., 6., 23., 28., 41., 14., 29., 56., 24., 75., 60., -48.];

    #[test]
    fn signed_ranks_give_the_p_values_of_scipy() {
        // python3 -c "from scipy.stats import wilcoxon; print(wilcoxon([49,-67,8,16,6,23,28,41,14,29,
        // 56,24,75,60,-48], method='exact').pvalue)"
        let p = wilcoxon(&DARWIN).unwrap();
        assert!((p - 0.041259765625).abs() < 1e-15, "{p}");
        // If four differences agree in sign, one of 16 assignments on each side is as extreme.
        assert_eq!(wilcoxon(&[1.0, 2.0, 3.0, 4.0]), Some(0.125));
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon(&[]), None);
    }

    #[test]
    fn ties_and_zeros_count_as_in_a_permutation_test() {
        // All 2^7 assignments of signs, counted: python3 -c "
        // from itertools import product; from scipy.stats import rankdata
        // d=[1,1,-1,2,2,3,-2]; r=rankdata([abs(x) for x in d]); w=sum(a for a,x in zip(r,d) if x>0)
        // s=[sum(a for a,k in zip(r,q) if k) for q in product([0,1],repeat=7)]; m=min(w,sum(r)-w)
        // print(2*sum(x<=m for x in s)/2**7)"
        let p = wilcoxon(&[1.0, 0.0, 1.0, -1.0, 2.0, 2.0, 0.0, 3.0, -2.0]).unwrap();
        assert!((p - 0.328125).abs() < 1e-15, "{p}");
        let infinite = wilcoxon(&[f64::INFINITY, 1.0, 2.0, f64::INFINITY, 3.0, 0.5]).unwrap();
        assert_eq!(infinite, 2.0 / 64.0);
    }

    #[test]
    fn holm_gives_the_values_of_r() {
        // Rscript -e 'p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")'
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (got, expected) in corrected.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{corrected:?}");
        }
    }

    #[test]
    fn the_bootstrap_comes_to_its_closed_form() {
        // A sample of 21 has its median at or below the k-th value if 11 or more of its draws are among
        // the first k: P = 0.0183 for 6 and 0.0557 for 7, so the 2.5 % quantile is the 7th, and by
        // symmetry the 97.5 % quantile the 15th. python3 -c "from scipy.stats import binom
        // print([(k, binom.sf(10, 21, k/21)) for k in (6, 7)])"; scipy.stats.bootstrap agrees.
        let values: Vec<f64> = (1..=21).map(f64::from).collect();
        let interval = bootstrap_median(&values, 20_000, Seed(1)).unwrap();
        assert_eq!(interval, (7.0, 15.0));
        assert_eq!(bootstrap_median(&values, 20_000, Seed(1)), Some(interval));
        assert_eq!(bootstrap_median(&[1.0], 100, Seed(1)), None);
    }

    #[test]
    fn medians_of_even_and_odd_and_infinite() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(median(&[f64::NEG_INFINITY, f64::INFINITY]), Some(0.0));
        assert_eq!(median(&[]), None);
    }
}
