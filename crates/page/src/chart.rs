//! Charts as data: what `page.js` draws. Nothing of a drawing library is in here.

use maud::{Markup, html};
use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::Value;

use crate::format::Unit;

/// A chart.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Chart {
    /// Lines, or points with intervals, over two axes.
    Lines(Lines),
    /// What goes in, where it comes out, in widths.
    Flow(Flow),
}

/// Lines over two axes.
#[derive(Clone, Debug, Serialize)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
    /// Parts of the horizontal axis that are shaded.
    pub areas: Vec<Area>,
}

/// An axis.
#[derive(Clone, Debug, Serialize)]
pub struct Axis {
    /// What it measures, in words.
    pub name: String,
    /// In what unit.
    pub unit: Unit,
    /// How values are placed on it.
    pub scale: Scale,
}

/// How values are placed on an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scale {
    /// In proportion, from zero on where that costs little.
    Linear,
    /// By powers of ten; zero is drawn at `zero`, the lower end.
    Log {
        /// A power of ten below all values.
        zero: f64,
    },
    /// Percentiles p, placed at 1/(1-p) by powers of ten: 90 %, 99 % and 99.9 % are as far apart.
    Percentile,
    /// Names, one after the other; a value is the place of a name.
    Names {
        /// The names, from left to right or from the top down.
        names: Vec<String>,
    },
}

impl Axis {
    /// An axis in proportion.
    pub fn linear(name: impl Into<String>, unit: Unit) -> Axis {
        Axis { name: name.into(), unit, scale: Scale::Linear }
    }

    /// An axis for these values: by powers of ten if they span more than two of them.
    pub fn fitting(
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
            // A power of ten that is itself the least value would be taken for zero.
            let zero = 10_f64.powf((least * 0.99).log10().floor());
            axis.scale = Scale::Log { zero };
        }
        axis
    }
}

/// One line of a chart.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<Spot>,
    /// Whether each point is marked.
    pub marked: bool,
}

/// A point of a line. It is written as an array, so that a page of many stays small.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spot {
    /// Where it is on the horizontal axis.
    pub x: f64,
    /// Where it is on the vertical one; the line has a gap where that is undefined.
    pub y: Option<f64>,
    /// Half of the horizontal interval.
    pub x_error: Option<f64>,
    /// Half of the vertical interval.
    pub y_error: Option<f64>,
    /// What its tooltip says besides.
    pub note: String,
    /// Whether it stands out as one that does not hold what was demanded.
    pub missed: bool,
}

impl Spot {
    /// A point without intervals.
    pub fn new(x: f64, y: impl Into<Option<f64>>) -> Spot {
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

/// Seven significant digits: more than any screen shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// A shaded part of the horizontal axis.
#[derive(Clone, Debug, Serialize)]
pub struct Area {
    /// What it is.
    pub name: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Whether it is the part that counts.
    pub measured: bool,
}

/// What goes in, and where it comes out.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// What all of it passes.
    pub middle: String,
    /// What goes in.
    pub sources: Vec<Stream>,
    /// What comes out.
    pub sinks: Vec<Stream>,
}

/// A part of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// What it is.
    pub name: String,
    /// How much of it there is.
    pub count: f64,
    /// What colour it has.
    pub tone: Tone,
}

/// What colour a stream has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// What was to happen.
    Good,
    /// What was lost.
    Lost,
    /// What is neither.
    Neutral,
    /// What must not be.
    Wrong,
}

/// Collects the charts of a page; the HTML refers to them by their number.
#[derive(Debug, Default)]
pub struct Charts(Vec<Value>);

impl Charts {
    /// Adds a chart, with a title and a sentence that says how to read it.
    pub fn add(&mut self, title: &str, sentence: &str, chart: Chart) -> Markup {
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

    /// Adds several charts in one place, of which the reader chooses one; the first is shown.
    pub fn choice(&mut self, title: &str, sentence: &str, of: Vec<(String, Chart)>) -> Markup {
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
        // A chart has no map with keys that are not texts, which is all that can go wrong.
        self.0.push(serde_json::to_value(chart).unwrap_or_default());
        self.0.len() - 1
    }

    /// What `page.js` gets.
    pub fn into_json(self) -> Value {
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
