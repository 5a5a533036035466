//! Reads the CSV files, and checks every cell against its column.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use skipbeat_core::{Direction, Unit};
use skipbeat_link::Cause;
use skipbeat_measure::{EvictionCause, Level, Second, Side};

use crate::tables::{self, GROUP, RUN_COLUMNS, RUNS};
use crate::{Estimate, LinkRow, ResultError};

/// A table whose rows are read one by one.
pub(crate) struct Table<'a> {
    path: &'a Path,
    pub(crate) columns: Vec<String>,
    reader: csv::Reader<File>,
}

/// A row of a table, with its place in the file.
pub(crate) struct Row<'a> {
    path: &'a Path,
    line: u64,
    columns: &'a [String],
    cells: &'a csv::StringRecord,
}

impl<'a> Table<'a> {
    /// Opens a table.
    pub(crate) fn open(path: &'a Path) -> Result<Self, ResultError> {
        let file = File::open(path).map_err(|error| ResultError::unreadable(path, error))?;
        let mut reader = csv::Reader::from_reader(file);
        let columns = reader.headers().map_err(|error| ResultError::csv(path, error))?;
        let columns: Vec<String> = columns.iter().map(str::to_owned).collect();
        if columns.is_empty() {
            return Err(ResultError::damaged(path, 1, "has no columns"));
        }
        Ok(Table { path, columns, reader })
    }

    /// Opens a table and checks that it begins with these columns.
    pub(crate) fn with(path: &'a Path, columns: &[&str]) -> Result<Self, ResultError> {
        let table = Table::open(path)?;
        for (number, expected) in columns.iter().enumerate() {
            let found = table.columns.get(number).map_or("nothing", String::as_str);
            if found != *expected {
                let problem = format!("column {}: expected {expected}, got {found}", number + 1);
                return Err(ResultError::damaged(path, 1, problem));
            }
        }
        Ok(table)
    }

    /// Calls `take` with each row in turn, and keeps none.
    pub(crate) fn each(
        mut self,
        mut take: impl FnMut(&Row<'_>) -> Result<(), ResultError>,
    ) -> Result<(), ResultError> {
        let mut cells = csv::StringRecord::new();
        loop {
            let read = self.reader.read_record(&mut cells);
            if !read.map_err(|error| ResultError::csv(self.path, error))? {
                return Ok(());
            }
            let line = cells.position().map_or(0, csv::Position::line);
            take(&Row { path: self.path, line, columns: &self.columns, cells: &cells })?;
        }
    }

    fn rows<T>(
        self,
        read: impl Fn(&Row<'_>) -> Result<T, ResultError>,
    ) -> Result<Vec<T>, ResultError> {
        let mut rows = Vec::new();
        self.each(|row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }
}

impl Row<'_> {
    fn wrong(&self, column: usize, expected: &str) -> ResultError {
        let (name, cell) = (&self.columns[column], &self.cells[column]);
        let problem = format!("{name}: expected {expected}, got {cell:?}");
        ResultError::damaged(self.path, self.line, problem)
    }

    fn text(&self, column: usize) -> &str {
        &self.cells[column]
    }

    /// A cell that has to be one of these names.
    fn one_of<T: Copy>(
        &self,
        column: usize,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, ResultError> {
        let found = all.iter().copied().find(|one| name(*one) == self.text(column));
        let names = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(" or ");
        found.ok_or_else(|| self.wrong(column, &names()))
    }

    fn whole<T: FromStr>(&self, column: usize) -> Result<T, ResultError> {
        self.text(column).parse().map_err(|_| self.wrong(column, "a whole number"))
    }

    /// A number; `None` if the cell is empty.
    fn number(&self, column: usize) -> Result<Option<f64>, ResultError> {
        match self.text(column) {
            "" => Ok(None),
            text => {
                let number = text.parse().ok().filter(|value: &f64| value.is_finite());
                number.map(Some).ok_or_else(|| self.wrong(column, "a number"))
            }
        }
    }

    /// The columns from `from` on, as figures.
    fn figures(&self, from: usize) -> Result<Vec<(String, Option<f64>)>, ResultError> {
        let columns = from..self.columns.len();
        columns.map(|c| Ok((self.columns[c].clone(), self.number(c)?))).collect()
    }

    /// These columns as texts, each with its name.
    fn values(&self, columns: std::ops::Range<usize>) -> Vec<(String, String)> {
        columns.map(|c| (self.columns[c].clone(), self.text(c).to_owned())).collect()
    }
}

/// A row of `summary.csv` or `groups.csv`.
#[derive(Clone, PartialEq, Debug)]
pub struct FigureRow {
    /// The name of the scenario.
    pub scenario: String,
    /// The world, `sim` or `net`.
    pub mode: String,
    /// The seed.
    pub seed: u64,
    /// The number of the combination of values, from 0.
    pub point: u32,
    /// The number of the replication of that combination, from 0.
    pub replication: u32,
    /// The swept keys with their values.
    pub values: Vec<(String, String)>,
    /// The group; `None` for the whole run.
    pub group: Option<String>,
    /// Every metric with its figure; `None` if it is undefined.
    pub figures: Vec<(String, Option<f64>)>,
}

impl FigureRow {
    /// The figure of a metric; `None` if it is undefined or not a column.
    pub fn figure(&self, metric: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| name == metric)?.1
    }
}

/// Reads `summary.csv`, or `groups.csv`; `keys` are the swept keys.
pub(crate) fn figures(
    path: &Path,
    keys: &[String],
    of_groups: bool,
) -> Result<Vec<FigureRow>, ResultError> {
    let keys_and_group = keys.iter().map(String::as_str).chain(of_groups.then_some(GROUP));
    let columns: Vec<&str> = RUN_COLUMNS.into_iter().chain(keys_and_group).collect();
    let first_key = RUN_COLUMNS.len();
    let group = first_key + keys.len();
    Table::with(path, &columns)?.rows(|row| {
        Ok(FigureRow {
            scenario: row.text(0).to_owned(),
            mode: row.text(1).to_owned(),
            seed: row.whole(2)?,
            point: row.whole(3)?,
            replication: row.whole(4)?,
            values: row.values(first_key..group),
            group: of_groups.then(|| row.text(group).to_owned()),
            figures: row.figures(columns.len())?,
        })
    })
}

/// A row of `sweep.csv`.
pub(crate) struct PointRow {
    pub(crate) point: u32,
    pub(crate) values: Vec<String>,
    pub(crate) runs: u64,
    /// Each metric, in the order of the columns.
    pub(crate) figures: Vec<(String, Estimate)>,
}

/// Reads `sweep.csv`; `keys` are the swept keys.
pub(crate) fn points(path: &Path, keys: &[String]) -> Result<Vec<PointRow>, ResultError> {
    let keys_and_runs = keys.iter().map(String::as_str).chain([RUNS]);
    let columns: Vec<&str> =
        ["scenario", "mode", "point"].into_iter().chain(keys_and_runs).collect();
    let table = Table::with(path, &columns)?;
    let estimates = &table.columns[columns.len()..];
    let whole = estimates.len().is_multiple_of(Estimate::SUFFIXES.len());
    let mut metrics = Vec::new();
    for three in estimates.chunks_exact(Estimate::SUFFIXES.len()) {
        let names = three.iter().zip(Estimate::SUFFIXES);
        let mut named = names.map(|(column, suffix)| column.strip_suffix(&format!("_{suffix}")));
        match named.next().flatten() {
            Some(name) if named.all(|other| other == Some(name)) => metrics.push(name.to_owned()),
            _ => {
                let problem = format!("{}: expected _mean, _sd and _ci95 of a metric", three[0]);
                return Err(ResultError::damaged(path, 1, problem));
            }
        }
    }
    if !whole {
        return Err(ResultError::damaged(path, 1, "a metric without mean, deviation or interval"));
    }
    let (values, first) = (3..3 + keys.len(), columns.len());
    table.rows(|row| {
        let estimate = |(number, name): (usize, &String)| {
            let cell = |part: usize| row.number(first + number * 3 + part);
            let (mean, deviation, half_width) = (cell(0)?, cell(1)?, cell(2)?);
            Ok((name.clone(), Estimate { mean, deviation, half_width }))
        };
        Ok(PointRow {
            point: row.whole(2)?,
            values: values.clone().map(|column| row.text(column).to_owned()).collect(),
            runs: row.whole(first - 1)?,
            figures: metrics.iter().enumerate().map(estimate).collect::<Result<_, _>>()?,
        })
    })
}

/// Reads `timeline.csv`.
pub(crate) fn timeline(path: &Path) -> Result<Vec<Second>, ResultError> {
    let lost = Cause::ALL.map(tables::lost_column);
    let columns: Vec<&str> =
        tables::TIMELINE.into_iter().chain(lost.iter().map(String::as_str)).collect();
    let rows = Table::with(path, &columns)?.rows(|row| {
        let mut lost = [0; Cause::ALL.len()];
        for (number, count) in lost.iter_mut().enumerate() {
            *count = row.whole(tables::TIMELINE.len() + number)?;
        }
        let second = Second {
            members: row.whole(1)?,
            up_sent: row.whole(2)?,
            up_received: row.whole(3)?,
            down_sent: row.whole(4)?,
            down_received: row.whole(5)?,
            deliveries: row.whole(6)?,
            evictions: row.whole(7)?,
            false_evictions: row.whole(8)?,
            up_bytes: row.whole(9)?,
            down_bytes: row.whole(10)?,
            lost,
        };
        Ok((row.line, row.whole::<usize>(0)?, second))
    })?;
    let mut numbered = rows.iter().enumerate();
    if let Some((_, (line, ..))) = numbered.find(|(number, (_, second, _))| number != second) {
        return Err(ResultError::damaged(path, *line, "a second is missing or appears twice"));
    }
    Ok(rows.into_iter().map(|(_, _, second)| second).collect())
}

/// Counts the evictions in `evictions.csv` by cause, row by row: there may be millions.
pub(crate) fn eviction_causes(path: &Path) -> Result<Vec<(EvictionCause, u64)>, ResultError> {
    let mut counts = EvictionCause::ALL.map(|cause| (cause, 0));
    Table::with(path, &tables::EVICTIONS)?.each(|row| {
        let cause = row.one_of(3, &EvictionCause::ALL, EvictionCause::name)?;
        row.whole::<u32>(1)?;
        for column in [0, 4, 5, 6, 7, 8] {
            row.number(column)?;
        }
        let count = counts.iter_mut().find(|(known, _)| *known == cause);
        count.into_iter().for_each(|(_, count)| *count += 1);
        Ok(())
    })?;
    Ok(counts.into_iter().filter(|(_, count)| *count > 0).collect())
}

/// A row of `ledger.csv`.
#[derive(Clone, PartialEq, Debug)]
pub struct LedgerLine {
    /// The ledger.
    pub level: Level,
    /// Towards the server or towards the clients; `None` for deliveries.
    pub direction: Option<Direction>,
    /// The group; `None` for all together.
    pub group: Option<String>,
    /// The side of the equation.
    pub side: Side,
    /// The name of the term.
    pub term: String,
    /// The number of datagrams or deliveries.
    pub count: i64,
}

/// Reads `ledger.csv`.
pub(crate) fn ledger(path: &Path) -> Result<Vec<LedgerLine>, ResultError> {
    Table::with(path, &tables::LEDGER)?.rows(|row| {
        Ok(LedgerLine {
            level: row.one_of(0, &Level::ALL, Level::name)?,
            direction: match row.text(1) {
                "" => None,
                _ => Some(row.one_of(1, &Direction::BOTH, Direction::name)?),
            },
            group: Some(row.text(2).to_owned()).filter(|name| !name.is_empty()),
            side: row.one_of(3, &Side::ALL, Side::name)?,
            term: row.text(4).to_owned(),
            count: row.whole(5)?,
        })
    })
}

/// A row of `links.csv`: a stage, and whether what was observed agrees with what is configured.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkLine {
    /// The stage.
    pub row: LinkRow,
    /// Whether chance alone explains the difference; `None` if there is nothing to compare.
    pub agrees: Option<bool>,
}

/// Reads `links.csv`.
pub(crate) fn links(path: &Path) -> Result<Vec<LinkLine>, ResultError> {
    Table::with(path, &tables::LINKS)?.rows(|line| {
        let row = LinkRow {
            group: line.text(0).to_owned(),
            direction: line.one_of(1, &Direction::BOTH, Direction::name)?,
            stage: line.text(2).to_owned(),
            unit: line.one_of(3, &[Unit::Ratio, Unit::Seconds], Unit::name)?,
            configured: line.number(4)?,
            observed: line.number(5)?,
            interval: line.number(6)?,
            datagrams: line.whole(8)?,
        };
        let agrees = match line.text(7) {
            "" => None,
            _ => Some(line.one_of(7, &[true, false], |yes| if yes { "yes" } else { "no" })?),
        };
        Ok(LinkLine { row, agrees })
    })
}
