//! Numbers as people read them. `page.js` writes those in tooltips by the same rules.

use serde::Serialize;
pub use skipbeat_report::thousands;

/// What stands where a figure is undefined. It is never 0.
pub const UNKNOWN: &str = "–";

/// What a figure is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A count, or a plain number.
    Number,
    /// A share from 0 to 1, shown as per cent.
    Ratio,
    /// Seconds, shown as µs, ms or s.
    Seconds,
    /// Events in a second.
    PerSecond,
}

impl Unit {
    /// The unit of a metric. One that this version does not know is a plain number.
    pub fn of(metric: &str) -> Unit {
        match skipbeat_measure::metric(metric).map(|metric| metric.unit) {
            Some(skipbeat_measure::Unit::Ratio) => Unit::Ratio,
            Some(skipbeat_measure::Unit::Seconds) => Unit::Seconds,
            Some(skipbeat_measure::Unit::PerSecond) => Unit::PerSecond,
            _ => Unit::Number,
        }
    }

    /// The same for people who look at one figure and half its interval: a rate that is small is per
    /// hour.
    pub fn show_handy(self, value: Option<f64>, half: Option<f64>) -> [String; 2] {
        let small = value.is_some_and(|rate| rate > 0.0 && rate < 0.1);
        [value, half].map(|value| match value {
            Some(rate) if small && self == Unit::PerSecond => {
                format!("{} /h", number(rate * 3600.0))
            }
            value => self.show(value),
        })
    }

    /// A value with its unit, or a dash.
    pub fn show(self, value: Option<f64>) -> String {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return UNKNOWN.to_owned();
        };
        match self {
            Unit::Number => number(value),
            Unit::Ratio => percent(value),
            Unit::Seconds => seconds(value),
            Unit::PerSecond => format!("{} /s", number(value)),
        }
    }
}

/// A whole number with commas; what is not whole with four significant digits.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        thousands(value)
    } else {
        significant(value)
    }
}

/// Four significant digits, without the zeros at the end.
fn significant(value: f64) -> String {
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Two decimals, and more only where a share would seem to be all or nothing without being it.
fn percent(share: f64) -> String {
    let reads = |decimals: usize| format!("{:.decimals$}", share * 100.0);
    let seems = |text: &String| text.parse::<f64>().is_ok_and(|read| read == 0.0 || read == 100.0);
    let exact = share == 0.0 || share == 1.0;
    let decimals = (2..=6).find(|&decimals| exact || !seems(&reads(decimals)));
    format!("{} %", reads(decimals.unwrap_or(6)))
}

fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => "0 s".to_owned(),
        s if s < 0.001 => format!("{:.1} µs", value * 1e6),
        s if s < 1.0 => format!("{:.1} ms", value * 1e3),
        s if s < 1000.0 => format!("{value:.3} s"),
        _ => format!("{} s", thousands(value)),
    }
}

/// A time that someone chose, such as the length of a run: without decimals that say nothing.
pub fn length(seconds: f64) -> String {
    format!("{} s", number(seconds))
}

/// A size in memory.
pub fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..units.len() - 1).find(|&step| value < 1024_f64.powi(step as i32 + 1));
    let step = step.unwrap_or(units.len() - 1);
    format!("{} {}", number(value / 1024_f64.powi(step as i32)), units[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(Unit::Number.show(Some(1_234_567.0)), "1,234,567");
        assert_eq!(Unit::Number.show(Some(1.65654)), "1.657");
        assert_eq!(Unit::Number.show(Some(0.5)), "0.5");
        assert_eq!(Unit::Seconds.show(Some(0.057_407)), "57.4 ms");
        assert_eq!(Unit::Seconds.show(Some(1.990_036)), "1.990 s");
        assert_eq!(Unit::Seconds.show(Some(0.000_351)), "351.0 µs");
        assert_eq!(Unit::PerSecond.show(Some(28_209.92)), "28,210 /s");
        assert_eq!(bytes(134_217_728.0), "128 MiB");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(length(12.5), "12.5 s");
    }

    #[test]
    fn a_share_never_reads_as_all_or_nothing_without_being_it() {
        let show = |share| Unit::Ratio.show(Some(share));
        assert_eq!(show(0.91913), "91.91 %");
        assert_eq!(show(0.999_98), "99.998 %");
        assert_eq!(show(0.000_01), "0.001 %");
        assert_eq!([show(0.0), show(1.0)], ["0.00 %", "100.00 %"]);
    }

    #[test]
    fn what_is_undefined_is_a_dash() {
        for unit in [Unit::Number, Unit::Ratio, Unit::Seconds, Unit::PerSecond] {
            assert_eq!(unit.show(None), UNKNOWN);
            assert_eq!(unit.show(Some(f64::NAN)), UNKNOWN);
        }
    }

    #[test]
    fn a_metric_tells_its_unit() {
        assert_eq!(Unit::of("latency_p99_s"), Unit::Seconds);
        assert_eq!(Unit::of("mistake_rate_per_s"), Unit::PerSecond);
        assert_eq!(Unit::of("delivery_ratio"), Unit::Ratio);
        assert_eq!(Unit::of("crashes"), Unit::Number);
        assert_eq!(Unit::of("live_time_s"), Unit::Number);
    }
}
