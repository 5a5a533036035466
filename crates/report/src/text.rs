//! Text for a terminal: styles, and tables whose columns line up.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use skipbeat_core::Unit;
use skipbeat_measure::Tone;

pub(crate) const BOLD: Style = Style::new().bold();

/// The terminal style of a tone.
pub fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => AnsiColor::Green.on_default().bold(),
        Tone::Plain => BOLD,
        Tone::Unsure => AnsiColor::Yellow.on_default().bold(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
    }
}

/// `text` in the style of `tone`.
pub(crate) fn toned(tone: Tone, text: &str) -> String {
    let style = style(tone);
    format!("{style}{text}{style:#}")
}

/// A share as a percentage.
pub(crate) fn percent(share: Option<f64>) -> String {
    Unit::Ratio.show(share)
}

/// A span given in seconds, in a unit that suits its size.
pub(crate) fn seconds(value: Option<f64>) -> String {
    Unit::Seconds.show(value)
}

/// A table with columns as wide as needed, the first aligned left, the others right. The title
/// replaces the first cell.
pub(crate) fn table<R: AsRef<[String]>>(title: &str, rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| shown_width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let first = &row.as_ref()[0];
        let label = if number == 0 { title } else { first };
        let margin = if number == 0 { "" } else { "  " };
        let padding = (widths[0] + 2).saturating_sub(label.chars().count() + margin.len());
        let style = if number == 0 { BOLD } else { Style::new() };
        let _ = write!(text, "{margin}{style}{label}{style:#}{}", " ".repeat(padding));
        for (cell, width) in row.as_ref().iter().zip(&widths).skip(1) {
            let padding = width.saturating_sub(shown_width(cell));
            let _ = write!(text, "  {}{cell}", " ".repeat(padding));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// The width of a text in characters, not counting escape codes.
fn shown_width(text: &str) -> usize {
    let mut width = 0;
    let mut in_code = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            _ => width += 1,
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_style() {
        let good = toned(Tone::Good, "met");
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let text = table("t", &[row(["", "x"]), row(["name", "12"]), row(["n", &good])]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| shown_width(line) == shown_width(lines[1])), "{text}");
    }
}
