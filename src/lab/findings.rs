//! What an experiment found: tables, plots and notes, as text for the terminal and as JSON.
//! [`markdown`](super::markdown) and [`report`](super::report) turn them into pages.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::machine::Machine;
use super::plot::Plot;

/// What one experiment found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The experiment's name, also that of its files.
    pub name: &'static str,
    /// What the experiment measures, in a sentence or two.
    pub question: &'static str,
    pub tables: Vec<Table>,
    pub plots: Vec<Plot>,
    /// What a reader must know besides the figures: limits reached, parts left out.
    pub notes: Vec<String>,
}

/// Rows of figures under named columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A figure or a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// No figure.
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Number(number)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Cell {
        Cell::Number(number as f64)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Number(number as f64)
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Cell {
        number.map_or(Cell::Nothing, Cell::Number)
    }
}

impl Cell {
    fn to_json(&self) -> Value {
        match self {
            Cell::Text(text) => json!(text),
            Cell::Number(number) if number.fract() == 0.0 => json!(*number as i64),
            Cell::Number(number) => json!((number * 1000.0).round() / 1000.0),
            Cell::Nothing => Value::Null,
        }
    }

    /// For people: three significant digits, commas between thousands.
    pub fn to_text(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => digits(*number),
            Cell::Nothing => "–".to_string(),
        }
    }
}

fn digits(number: f64) -> String {
    let size = number.abs();
    match size {
        _ if number.fract() == 0.0 || size >= 100.0 => thousands(number.round() as i64),
        _ if size >= 10.0 => format!("{number:.1}"),
        _ if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

fn thousands(number: i64) -> String {
    let plain = number.abs().to_string();
    let mut text = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{text}")
}

impl Table {
    /// Each row has one cell per column.
    pub fn new(
        title: impl Into<String>,
        columns: &[&'static str],
        rows: impl IntoIterator<Item = Vec<Cell>>,
    ) -> Table {
        Table {
            title: title.into(),
            columns: columns.to_vec(),
            rows: rows.into_iter().collect(),
        }
    }

    fn to_json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let cells = self.columns.iter().zip(row);
            let cells = cells.map(|(column, cell)| (column.to_string(), cell.to_json()));
            Value::Object(cells.collect())
        };
        json!({ "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }

    /// For the terminal.
    fn to_text(&self) -> String {
        let columns = 0..self.columns.len();
        let widths: Vec<usize> = columns.map(|column| self.width(column)).collect();
        let mut text = format!("{}\n", self.title);
        let _ = writeln!(text, "  {}", self.heads_to_text(&widths));
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells.map(|(cell, &width)| pad(cell, width)).collect();
            let _ = writeln!(text, "  {}", cells.join("  "));
        }
        text
    }

    fn heads_to_text(&self, widths: &[usize]) -> String {
        let heads = self.columns.iter().zip(widths).enumerate();
        let heads = heads.map(|(column, (head, &width))| match self.is_text(column) {
            true => format!("{head:<width$}"),
            false => format!("{head:>width$}"),
        });
        heads.collect::<Vec<String>>().join("  ")
    }

    /// True for a column with texts, which are aligned left; figures are aligned right.
    pub fn is_text(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row[column]);
        cells.any(|cell| matches!(cell, Cell::Text(_)))
    }

    fn width(&self, column: usize) -> usize {
        let cells = self
            .rows
            .iter()
            .map(|row| row[column].to_text().chars().count());
        cells
            .chain([self.columns[column].chars().count()])
            .max()
            .unwrap_or(0)
    }
}

fn pad(cell: &Cell, width: usize) -> String {
    match cell {
        Cell::Text(text) => format!("{text:<width$}"),
        cell => format!("{:>width$}", cell.to_text()),
    }
}

impl Findings {
    /// Everything as JSON, for other programs.
    pub fn to_json(&self, machine: &Machine) -> Value {
        json!({
            "experiment": self.name,
            "question": self.question,
            "machine": machine.to_json(),
            "tables": self.tables.iter().map(Table::to_json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// The tables and the notes, for the terminal.
    pub fn to_text(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::to_text).collect();
        let notes: String = self
            .notes
            .iter()
            .map(|note| format!("  * {note}\n"))
            .collect();
        format!("{}\n\n{}\n{notes}", self.question, tables.join("\n"))
    }
}
