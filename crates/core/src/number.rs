//! One way to write a number for people: the terminal, the page, the dashboard and Markdown all call
//! these functions, and `numbers.js` follows the same rules.

/// What stands for a figure that is undefined. It is never 0.
pub const UNKNOWN: &str = "–";

/// The most decimals that a share is written with.
const MOST_DECIMALS: usize = 12;

/// A whole number with thousands separators.
///
/// ```
/// assert_eq!(skipbeat_core::number::thousands(1_234_567.0), "1,234,567");
/// ```
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 && digits != "0" { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count or a plain number: whole numbers and thousands with separators, anything else with four
/// significant digits and no zeros at its end.
///
/// ```
/// use skipbeat_core::number::number;
/// assert_eq!([number(28_209.92), number(1.65654), number(0.5)], ["28,210", "1.657", "0.5"]);
/// ```
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        return thousands(value);
    }
    // Below a trillionth a fixed number of decimals would show zeros only.
    if value.abs() < 1e-9 {
        return format!("{value:.3e}");
    }
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share as per cent: two decimals, and more only where it would read as 0 or 100 % without being
/// it.
///
/// ```
/// use skipbeat_core::number::share;
/// assert_eq!([share(0.91913), share(1.0)], ["91.91 %", "100.00 %"]);
/// assert_eq!([share(0.99998), share(0.00001)], ["99.998 %", "0.001 %"]);
/// ```
pub fn share(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let written = |decimals: usize| format!("{:.decimals$}", value * 100.0);
    let exact = value == 0.0 || value == 1.0;
    let says_too_much = |text: &String| {
        text.parse::<f64>().is_ok_and(|read| read == 0.0 || read.abs() == 100.0) && !exact
    };
    let decimals = (2..=MOST_DECIMALS).find(|&decimals| !says_too_much(&written(decimals)));
    match decimals {
        Some(decimals) => format!("{} %", written(decimals)),
        None if value.abs() < 0.5 => format!("{:.0e} %", value * 100.0),
        None => "just under 100 %".to_owned(),
    }
}

/// A span of time, given in seconds, in the unit that suits it.
///
/// ```
/// use skipbeat_core::number::span;
/// assert_eq!([span(1.990_036), span(0.057_407)], ["1.990 s", "57.4 ms"]);
/// assert_eq!([span(0.000_351), span(0.0)], ["351.0 µs", "0 s"]);
/// ```
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() {
        return UNKNOWN.to_owned();
    }
    // The limits are where rounding would reach 1,000 of the smaller unit.
    match seconds.abs() {
        0.0 => "0 s".to_owned(),
        s if s < 999.5e-9 => format!("{:.0} ns", seconds * 1e9),
        s if s < 999.95e-6 => format!("{:.1} µs", seconds * 1e6),
        s if s < 999.95e-3 => format!("{:.1} ms", seconds * 1e3),
        s if s < 999.9995 => format!("{seconds:.3} s"),
        _ => format!("{} s", thousands(seconds)),
    }
}

/// A rate, given per second: below one in ten seconds it is per hour.
///
/// ```
/// use skipbeat_core::number::rate;
/// assert_eq!([rate(28_209.92), rate(0.0005), rate(0.0)], ["28,210 /s", "1.8 /h", "0 /s"]);
/// ```
pub fn rate(per_second: f64) -> String {
    match per_second.abs() {
        _ if !per_second.is_finite() => UNKNOWN.to_owned(),
        rate if rate > 0.0 && rate < 0.1 => format!("{} /h", number(per_second * 3600.0)),
        _ => format!("{} /s", number(per_second)),
    }
}

/// A size in memory, in bytes, by powers of 1,024.
///
/// ```
/// use skipbeat_core::number::bytes;
/// assert_eq!([bytes(134_217_728.0), bytes(0.0)], ["128 MiB", "0 B"]);
/// ```
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
    fn a_share_never_reads_as_all_or_nothing_without_being_it() {
        for exponent in 1..40 {
            let small = 10_f64.powi(-exponent);
            assert!(!share(small).starts_with("0.00 %"), "{small}");
            let [low, high] = [share(small), share(1.0 - small)];
            assert_ne!(low, share(0.0), "{small}");
            assert!(high != share(1.0) || 1.0 - small == 1.0, "{small}: {high}");
        }
        assert_eq!([share(0.0), share(1.0)], ["0.00 %", "100.00 %"]);
    }

    #[test]
    fn rounding_never_shows_a_thousand_of_a_smaller_unit() {
        assert_eq!(span(0.999_96), "1.000 s");
        assert_eq!(span(0.000_999_96), "1.0 ms");
        assert_eq!(span(999.9996), "1,000 s");
        assert_eq!(span(-0.0301), "-30.1 ms");
    }

    #[test]
    fn small_numbers_keep_digits_that_mean_something() {
        assert_eq!(number(1e-12), "1.000e-12");
        assert_eq!(number(0.000_012_345), "0.00001234");
        assert_eq!(thousands(-12.0), "-12");
        assert_eq!(thousands(-0.3), "0");
    }
}
