//! Charts as data, which `page.js` draws. They don't depend on a drawing library.

use maud::{Markup, html};
use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::Value;
use skipbeat_core::Unit;

/// A chart.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Chart {
    /// Lines, or points with intervals, over two axes.
    Lines(Lines),
    /// A flow diagram: what goes in and where it comes out, as bands of proportional width.
    Flow(Flow),
}

/// Lines over two axes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Lines {
    /// The horizontal axis.
    pub(crate) x: Axis,
    /// The vertical axis.
    pub(crate) y: Axis,
    /// The lines, in the order of the legend.
    pub(crate) lines: Vec<Line>,
    /// Parts of the horizontal axis that are shaded.
    pub(crate) areas: Vec<Area>,
}

/// An axis.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Axis {
    /// What it measures, in words.
    pub(crate) name: String,
    /// The unit of its values.
    pub(crate) unit: Unit,
    /// How values are placed on it.
    pub(crate) scale: Scale,
}

/// How values are placed on an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Scale {
    /// Linear. It includes zero unless that would squeeze the values together.
    Linear,
    /// Logarithmic. Zero is drawn at the lower end, at `zero`.
    Log {
        /// A power of ten below all values.
        zero: f64,
    },
    /// Percentiles p, placed at 1/(1-p) on a logarithmic scale: 90 %, 99 % and 99.9 % are equally
    /// far apart.
    Percentile,
    /// Names, one after the other; a value is the index of a name.
    Names {
        /// The names, from left to right or from the top down.
        names: Vec<String>,
    },
}

impl Axis {
    /// A linear axis.
    pub(crate) fn linear(name: impl Into<String>, unit: Unit) -> Axis {
        Axis { name: name.into(), unit, scale: Scale::Linear }
    }

    /// An axis for these values: logarithmic if they span more than two powers of ten.
    pub(crate) fn fitting(
        name: impl Into<String>,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
    ) -> Axis {
        let mut axis = Axis::linear(name, unit);
        let (mut least, mut most, mut below) = (f64::INFINITY, 0.0_f64, false);
        for value in values {
            below |= value < 0.0;
            most = most.max(value);
            if value > 0.0 {
                least = least.min(value);
            }
        }
        if !below && most >= least * 100.0 {
            // If the least value is itself a power of ten, it must not be drawn as zero.
            let zero = 10_f64.powf((least * 0.99).log10().floor());
            axis.scale = Scale::Log { zero };
        }
        axis
    }
}

/// One line of a chart.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Line {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Its points, from left to right.
    pub(crate) points: Vec<Spot>,
    /// Whether each point is marked.
    pub(crate) marked: bool,
}

/// A point of a line. It is written as an array, so that a page with many points stays small.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spot {
    /// Where it is on the horizontal axis.
    pub(crate) x: f64,
    /// Where it is on the vertical axis; `None` leaves a gap in the line.
    pub(crate) y: Option<f64>,
    /// Half of the horizontal interval.
    pub(crate) x_error: Option<f64>,
    /// Half of the vertical interval.
    pub(crate) y_error: Option<f64>,
    /// Further text for its tooltip.
    pub(crate) note: String,
    /// Whether it is marked as one that did not pass.
    pub(crate) missed: bool,
}

impl Spot {
    /// A point without intervals.
    pub(crate) fn new(x: f64, y: impl Into<Option<f64>>) -> Spot {
        Spot { x, y: y.into(), ..Spot::default() }
    }
}

impl Serialize for Spot {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bare = Spot::new(self.x, self.y) == *self;
        let mut list = to.serialize_seq(Some(if bare { 2 } else { 6 }))?;
        list.serialize_element(&rounded(self.x))?;
        list.serialize_element(&self.y.map(rounded))?;
        if !bare {
            list.serialize_element(&self.x_error.map(rounded))?;
            list.serialize_element(&self.y_error.map(rounded))?;
            list.serialize_element(&self.note)?;
            list.serialize_element(&self.missed)?;
        }
        list.end()
    }
}

/// Rounds to seven significant digits, which is more than any screen shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// A shaded part of the horizontal axis.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Area {
    /// What it is.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) from: f64,
    /// Where it ends.
    pub(crate) to: f64,
    /// Whether it is the measured window.
    pub(crate) measured: bool,
}

/// A flow diagram: what goes in, and where it comes out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Flow {
    /// The name of the middle, through which everything flows.
    pub(crate) middle: String,
    /// What goes in.
    pub(crate) sources: Vec<FlowPart>,
    /// What comes out.
    pub(crate) sinks: Vec<FlowPart>,
}

/// A part of a flow.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowPart {
    /// What it is.
    pub(crate) name: String,
    /// How much of it there is.
    pub(crate) count: f64,
    /// Its tone, which decides its colour.
    pub(crate) tone: FlowTone,
}

/// The tone of a part of a flow, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FlowTone {
    /// What should happen.
    Good,
    /// What was lost.
    Lost,
    /// Neither of these.
    Neutral,
    /// What must not happen.
    Wrong,
}

/// Collects the charts of a page; the HTML refers to them by their number.
#[derive(Debug, Default)]
pub(crate) struct Charts(Vec<Value>);

impl Charts {
    /// Adds a chart, with a title and a sentence that says how to read it.
    pub(crate) fn add(&mut self, title: &str, sentence: Markup, chart: Chart) -> Markup {
        let number = self.push(chart);
        html! {
            figure.chart {
                figcaption {
                    h3 { (title) }
                    p { (sentence) }
                }
                (plot(number, title))
            }
        }
    }

    /// Adds several charts in one place. The reader chooses which one to see, at first the first.
    pub(crate) fn choice(
        &mut self,
        title: &str,
        sentence: Markup,
        of: Vec<(String, Chart)>,
    ) -> Markup {
        let named: Vec<(String, usize)> =
            of.into_iter().map(|(name, chart)| (name, self.push(chart))).collect();
        let Some(&(_, first)) = named.first() else { return html! {} };
        html! {
            figure.chart.wide {
                figcaption {
                    h3 { (title) }
                    p { (sentence) }
                    label.choose { "Metric "
                        select {
                            @for (name, number) in &named { option value=(number) { (name) } }
                        }
                    }
                }
                (plot(first, title))
            }
        }
    }

    fn push(&mut self, chart: Chart) -> usize {
        // This can't fail: a chart has no map with keys that are not strings.
        self.0.push(serde_json::to_value(chart).unwrap_or_default());
        self.0.len() - 1
    }

    /// The charts as the JSON that `page.js` reads.
    pub(crate) fn into_json(self) -> Value {
        Value::Array(self.0)
    }
}

fn plot(number: usize, title: &str) -> Markup {
    html! { div.plot data-chart=(number) role="img" aria-label=(title) {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(values: &[f64]) -> Scale {
        Axis::fitting("", Unit::Number, values.iter().copied()).scale
    }

    #[test]
    fn values_that_span_powers_of_ten_get_a_logarithmic_axis() {
        assert_eq!(scale(&[0.002, 5.0]), Scale::Log { zero: 0.001 });
        assert_eq!(scale(&[0.0, 1.0, 5000.0]), Scale::Log { zero: 0.1 });
        assert_eq!(scale(&[1.0, 50.0]), Scale::Linear);
        assert_eq!(scale(&[-1.0, 5000.0]), Scale::Linear);
        assert_eq!(scale(&[0.0]), Scale::Linear);
        assert_eq!(scale(&[]), Scale::Linear);
    }

    #[test]
    fn an_undefined_point_is_a_gap_and_not_zero() {
        let json = serde_json::to_string(&Spot::new(1.0, None)).expect("it is JSON");
        assert_eq!(json, "[1.0,null]");
    }

    #[test]
    fn intervals_and_notes_are_written_where_there_are_any() {
        let spot = Spot { y_error: Some(0.123_456_789), ..Spot::new(1.0, 2.0) };
        let json = serde_json::to_string(&spot).expect("it is JSON");
        assert_eq!(json, r#"[1.0,2.0,null,0.1234568,"",false]"#);
    }
}
