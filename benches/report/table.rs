//! A table in Markdown, with aligned columns.

use std::fmt;

pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || self.rows.iter().chain([&self.header]);
        let width = |column: usize| lines().map(|line| line[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.header.len()).filter_map(width).collect();
        write_line(f, &self.header, &widths)?;
        let rule = |(column, &width): (usize, &usize)| match column {
            0 => "-".repeat(width),
            _ => "-".repeat(width - 1) + ":",
        };
        let rule: Vec<String> = widths.iter().enumerate().map(rule).collect();
        write_line(f, &rule, &widths)?;
        self.rows
            .iter()
            .try_for_each(|row| write_line(f, row, &widths))
    }
}

/// Writes a line with the first column aligned left and the others right.
fn write_line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        match column {
            0 => write!(f, "| {cell:<width$} |")?,
            _ => write!(f, " {cell:>width$} |")?,
        }
    }
    writeln!(f)
}
