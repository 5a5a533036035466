//! A CSV file by the names of its columns. An empty cell is an undefined figure.

use std::path::Path;

use crate::error::PageError;

/// Rows under named columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableRow<'a> {
    columns: &'a [String],
    cells: &'a [String],
}

impl Table {
    /// Reads a file; one that is not there is a table without columns.
    pub fn read(path: &Path) -> Result<Table, PageError> {
        let mut table = Table::default();
        table.columns = each_row(path, |row| {
            table.rows.push(row.iter().map(str::to_owned).collect());
        })?;
        Ok(table)
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = TableRow<'_>> {
        self.rows.iter().map(|cells| TableRow { columns: &self.columns, cells })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<'a> TableRow<'a> {
    /// The cell of a column; empty if there is no such column.
    pub fn text(&self, column: &str) -> &'a str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.cells.get(place)).map_or("", String::as_str)
    }

    /// The number in a column, if it is defined.
    pub fn number(&self, column: &str) -> Option<f64> {
        finite(self.text(column))
    }

    /// The columns from one of that name on, with their numbers.
    pub fn numbers_from(&self, column: &str) -> Vec<(String, Option<f64>)> {
        let cells = self.columns.iter().zip(self.cells);
        let cells = cells.skip_while(|(name, _)| *name != column);
        cells.map(|(name, cell)| (name.clone(), finite(cell))).collect()
    }
}

fn finite(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Hands over each row without keeping it, for files that may be large; returns the columns.
pub(super) fn each_row(
    path: &Path,
    mut use_row: impl FnMut(&csv::StringRecord),
) -> Result<Vec<String>, PageError> {
    let Some(file) = super::open(path)? else { return Ok(Vec::new()) };
    let damaged =
        |error: csv::Error| PageError::Damaged { path: path.to_owned(), reason: error.to_string() };
    // A run that was killed may leave half a last row, which is no reason to show nothing.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let columns = reader.headers().map_err(damaged)?.iter().map(str::to_owned).collect();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(damaged)? {
        use_row(&row);
    }
    Ok(columns)
}
