//! Mean, deviation and confidence interval of a figure over replications.

use skipbeat_core::normal_quantile;

/// A figure over the replications that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean; `None` if no replication has the figure.
    pub mean: Option<f64>,
    /// The sample standard deviation; `None` for fewer than two values.
    pub deviation: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean (Student); `None` for fewer than
    /// two values.
    pub half_width: Option<f64>,
}

impl Estimate {
    /// The suffixes of the columns of `sweep.csv` for mean, deviation and half-width, in order.
    pub(crate) const SUFFIXES: [&str; 3] = ["mean", "sd", "ci95"];

    /// The estimate from these values.
    ///
    /// ```
    /// use skipbeat_results::Estimate;
    /// let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
    /// assert_eq!((estimate.mean, estimate.deviation), (Some(2.0), Some(1.0)));
    /// ```
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let half_width = deviation.map(|deviation| student(n - 1) * deviation / (n as f64).sqrt());
        Estimate { mean: (n > 0).then_some(mean), deviation, half_width }
    }
}

/// The 97.5 % quantile of Student's distribution with this many degrees of freedom: exact for one
/// and two, else the expansion of Hill (CACM Algorithm 396, 1970), good to five digits.
fn student(freedom: usize) -> f64 {
    let n = freedom as f64;
    match freedom {
        0 => f64::INFINITY,
        1 => (std::f64::consts::PI * 0.475).tan(),
        2 => {
            let p: f64 = 0.05;
            (2.0 / (p * (2.0 - p)) - 2.0).sqrt()
        }
        _ => {
            let a = 1.0 / (n - 0.5);
            let b = 48.0 / (a * a);
            let c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
            let d =
                ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * std::f64::consts::FRAC_PI_2).sqrt() * n;
            let y = (d * 0.05).powf(2.0 / n);
            let y = if y > 0.05 + a {
                let x = normal_quantile(0.025);
                let y = x * x;
                let c = if freedom < 5 { c + 0.3 * (n - 4.5) * (x + 0.6) } else { c };
                let c = (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b + c;
                let y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
                (a * y * y).exp_m1()
            } else {
                ((1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0)
                    + 0.5 / (n + 4.0))
                    * y
                    - 1.0)
                    * (n + 1.0)
                    / (n + 2.0)
                    + 1.0 / y
            };
            (n * y).sqrt()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.stats.t.ppf(0.975, n).
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [
            (1, 12.706_204_736),
            (2, 4.302_652_730),
            (3, 3.182_446_305),
            (4, 2.776_445_105),
            (5, 2.570_581_836),
            (9, 2.262_157_163),
            (30, 2.042_272_456),
            (1000, 1.962_339_081),
        ] {
            let computed = student(freedom);
            let off = (computed - expected).abs();
            assert!(off < 2e-4 * expected, "{freedom}: {computed} {expected}");
        }
    }

    #[test]
    fn one_value_has_a_mean_and_no_deviation() {
        assert_eq!(Estimate::of(&[]), Estimate::default());
        let one = Estimate::of(&[3.0]);
        assert_eq!((one.mean, one.deviation, one.half_width), (Some(3.0), None, None));
        let three = Estimate::of(&[1.0, 2.0, 3.0]);
        assert_eq!((three.mean, three.deviation), (Some(2.0), Some(1.0)));
        assert!((three.half_width.unwrap() - 4.302_65 / 3f64.sqrt()).abs() < 1e-4);
    }
}
