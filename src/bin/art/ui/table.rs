//! Aligned columns.

use std::io::{self, Write};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under headings, written with every column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with its columns.
    pub(crate) fn new<S: ToString>(columns: &[(S, Align)]) -> Table {
        Table { columns: columns.iter().map(|(heading, align)| (heading.to_string(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row; its cells are shown as they are, so the caller escapes them.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Takes away the columns from this one on in which nothing stands.
    pub(crate) fn drop_empty_from(&mut self, first: usize) {
        (first..self.columns.len()).rev().for_each(|at| self.drop_if_empty(at));
    }

    /// Takes away a column if nothing stands in it.
    pub(crate) fn drop_if_empty(&mut self, at: usize) {
        if self.rows.iter().all(|row| row[at].is_empty()) {
            self.columns.remove(at);
            self.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }

    /// Writes the headings and the rows; nothing if there is no row.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| heading.clone()).collect();
        let width = |at: usize| self.rows.iter().chain([&headings]).map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in [&headings].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[at] - cell.chars().count());
                match self.columns[at].1 {
                    Align::Left => line.extend([cell.as_str(), &padding]),
                    Align::Right => line.extend([&padding, cell.as_str()]),
                }
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let mut table = Table::new(&[("NAME", Align::Left), ("SIZE", Align::Right), ("TAGS", Align::Left)]);
        table.row(["größe".into(), "1 B".into(), String::new()]);
        table.row(["a".into(), "100 MB".into(), "x".into()]);
        let mut out = Vec::new();
        table.write(&mut out).expect("a vector takes all");
        assert_eq!(String::from_utf8_lossy(&out), "NAME     SIZE  TAGS\ngröße     1 B\na      100 MB  x\n");
    }
}
