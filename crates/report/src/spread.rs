//! Mean, deviation and confidence interval of a figure over replications: `sweep.csv`.

use std::io::{self, Write};

use skipbeat_core::normal_quantile;
use skipbeat_measure::METRICS;
use skipbeat_scenario::Study;

use crate::files::Cell;
use crate::tables::{number, plain, writer};

/// A figure over replications that have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    /// Sample standard deviation, from two values on.
    pub(crate) deviation: Option<f64>,
    /// Half of the 95 % confidence interval of the mean (Student), from two values on.
    pub(crate) half_width: Option<f64>,
}

impl Spread {
    /// Of these values, if there are any.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let half_width = deviation.map(|deviation| student(n - 1) * deviation / (n as f64).sqrt());
        (n > 0).then_some(Spread { mean, deviation, half_width })
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

/// One row for each point: how many runs, and of each metric mean, deviation and half the interval.
pub(crate) fn points(study: &Study, cells: &[Cell], out: &mut impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    let head = ["scenario", "mode", "point"].map(str::to_owned).into_iter();
    let metrics = METRICS
        .iter()
        .flat_map(|metric| ["mean", "sd", "ci95"].map(|what| format!("{}_{what}", metric.name)));
    let runs = ["runs".to_owned()];
    csv.write_record(head.chain(study.keys.iter().cloned()).chain(runs).chain(metrics))?;
    // Cells come in order of their points.
    for of_point in cells.chunk_by(|a, b| study.runs[a.run].point == study.runs[b.run].point) {
        let run = &study.runs[of_point[0].run];
        let head = [run.plan.name.clone(), run.plan.mode.name().to_owned(), run.point.to_string()];
        let values = run.values.iter().map(|value| plain(value).to_owned());
        let runs = [of_point.len().to_string()];
        let figures = METRICS.iter().flat_map(|metric| {
            let values: Vec<f64> =
                of_point.iter().filter_map(|cell| cell.figures.get(metric.name)).collect();
            let spread = Spread::of(&values);
            [
                number(spread.map(|s| s.mean)),
                number(spread.and_then(|s| s.deviation)),
                number(spread.and_then(|s| s.half_width)),
            ]
        });
        csv.write_record(head.into_iter().chain(values).chain(runs).chain(figures))?;
    }
    csv.flush()
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
            let got = student(freedom);
            assert!((got - expected).abs() < 2e-4 * expected, "{freedom}: {got} {expected}");
        }
    }

    #[test]
    fn one_value_has_no_deviation_and_none_has_nothing() {
        assert_eq!(Spread::of(&[]), None);
        let one = Spread::of(&[3.0]).unwrap();
        assert_eq!((one.mean, one.deviation, one.half_width), (3.0, None, None));
        let three = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((three.mean, three.deviation), (2.0, Some(1.0)));
        assert!((three.half_width.unwrap() - 4.302_65 / 3f64.sqrt()).abs() < 1e-4);
    }
}
