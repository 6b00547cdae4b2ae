//! Tables for a terminal.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle, Width};

use crate::comparison::Comparison;
use crate::summary::Summary;

const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The mark of the best value, which needs no color.
const BEST: &str = " *";

/// More classes than this have another table, so that lines stay short.
const CLASSES: usize = 4;
/// Longer names of classes and rules are wrapped.
const LONGEST_CLASS: u16 = 20;
const LONGEST_RULES: u16 = 40;

pub(crate) fn summary(summary: &Summary) -> String {
    let mut all = String::new();
    for (number, classes) in summary.classes.chunks(CLASSES).enumerate() {
        if number > 0 {
            all.push('\n');
        }
        let mut table = new_table(classes);
        for row in &summary.rows {
            let cells = &row.cells[number * CLASSES..][..classes.len()];
            // A level of a class in another table.
            if cells.iter().all(String::is_empty) {
                continue;
            }
            let label = [Cell::new(&row.label)];
            table.add_row(label.into_iter().chain(cells.iter().map(number_cell)));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_constraint(longest(LONGEST_CLASS));
        }
        all.push_str(&text(&table));
    }
    all
}

pub(crate) fn comparison(comparison: &Comparison) -> String {
    // Numbers stand below each other, with and without a mark.
    let unmarked = " ".repeat(BEST.len());
    let columns = comparison.columns;
    let mut table = new_table(&columns.map(|column| format!("{column}{unmarked}")));
    for block in &comparison.blocks {
        table.add_row([&block.class]);
        for row in &block.rows {
            let label = [Cell::new(format!("  {}", row.label))];
            let cells = row.cells.iter().map(|cell| {
                let mark = if cell.is_best { BEST } else { &unmarked };
                number_cell(&format!("{}{mark}", cell.text))
            });
            table.add_row(label.into_iter().chain(cells));
        }
    }
    for column in table.column_iter_mut().take(1) {
        column.set_constraint(longest(LONGEST_RULES));
    }
    text(&table)
}

fn longest(width: u16) -> ColumnConstraint {
    ColumnConstraint::UpperBoundary(Width::Fixed(width))
}

fn new_table(columns: &[String]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(
        [Cell::new("")]
            .into_iter()
            .chain(columns.iter().map(number_cell)),
    );
    table
}

fn number_cell(text: &String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Returns the lines of a table without spaces at their ends.
fn text(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
