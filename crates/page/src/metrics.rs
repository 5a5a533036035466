//! Looks up metrics by their names in result files: label, unit, and which ones are headlines.

use skipbeat_core::Unit;
use skipbeat_measure::Metric;

/// The unit of a metric; an unknown metric is a plain number.
pub(crate) fn unit(name: &str) -> Unit {
    Metric::named(name).map_or(Unit::Number, Metric::unit)
}

/// The label of a metric for people; an unknown metric has only its name in the files.
pub(crate) fn label(name: &str) -> String {
    Metric::named(name).map_or_else(|| name.to_owned(), Metric::label)
}

/// A figure with its unit, for people.
pub(crate) fn show(name: &str, figure: Option<f64>) -> String {
    unit(name).show(figure)
}

/// The text with its first letter in upper case, for the beginning of a heading or a sentence.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect::<String>())
}

/// The headline metrics that are worth showing for at least one of these sets of figures.
pub(crate) fn headlines<F: Fn(&str) -> Option<f64>>(sets: &[F]) -> Vec<Metric> {
    let all = Metric::headlines().into_iter();
    all.filter(|metric| sets.iter().any(|figures| metric.says(figures))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_files_has_a_label_and_a_unit() {
        assert_eq!(label("latency_p99_s"), "latency, p99");
        assert_eq!(label("of_another_version"), "of_another_version");
        assert_eq!(unit("mistake_rate_per_s"), Unit::PerSecond);
        assert_eq!(unit("of_another_version"), Unit::Number);
        assert_eq!(capitalised("über"), "Über");
        assert_eq!(capitalised(""), "");
    }

    #[test]
    fn what_says_nothing_anywhere_is_left_out() {
        let figures = |crashes: f64| {
            move |name: &str| match name {
                "crashes" => Some(crashes),
                "eviction_latency_mean_s" => Some(2.0),
                _ => None,
            }
        };
        let names =
            |sets: &[_]| -> Vec<String> { headlines(sets).into_iter().map(Metric::name).collect() };
        assert!(names(&[figures(0.0)]).is_empty());
        assert_eq!(names(&[figures(0.0), figures(1.0)]), ["crashes", "eviction_latency_mean_s"]);
    }
}
