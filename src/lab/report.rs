//! What an experiment found, and how it is told: as a table on the terminal, as JSON, as a plot in SVG, and
//! all together as one page of HTML that needs nothing else.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::machine::Machine;
use super::markdown;
use super::plot::{self, Plot};

/// What one experiment found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The experiment's name, and its files'.
    pub name: &'static str,
    /// What it asks, in a sentence or two.
    pub question: &'static str,
    pub tables: Vec<Table>,
    pub plots: Vec<Plot>,
    /// What a reader has to know beside the numbers: limits that cut it short, parts that were left out.
    pub notes: Vec<String>,
}

/// Rows of figures under named columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A table of so many rows is folded in the page.
const LONG: usize = 30;

/// One figure, or a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// There is no figure here.
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

    /// As a person reads it: three digits that count, and thousands apart.
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
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Table {
        Table {
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell a column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    fn to_json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let cells = self.columns.iter().zip(row);
            let cells = cells.map(|(column, cell)| (column.to_string(), cell.to_json()));
            Value::Object(cells.collect())
        };
        json!({ "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }

    /// Columns side by side: words to the left, figures to the right.
    pub fn to_text(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| self.width(column))
            .collect();
        let mut text = format!("{}\n", self.title);
        let heads = self.columns.iter().zip(&widths);
        let heads: Vec<String> = heads
            .enumerate()
            .map(|(column, (head, &width))| match self.is_words(column) {
                true => format!("{head:<width$}"),
                false => format!("{head:>width$}"),
            })
            .collect();
        let _ = writeln!(text, "  {}", heads.join("  "));
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells.map(|(cell, &width)| pad(cell, width)).collect();
            let _ = writeln!(text, "  {}", cells.join("  "));
        }
        text
    }

    /// Words stand to the left, figures to the right.
    fn is_words(&self, column: usize) -> bool {
        let first = self.rows.first();
        first.is_some_and(|row| matches!(row[column], Cell::Text(_)))
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

    fn to_html(&self) -> String {
        let heads = self.columns.iter().enumerate();
        let heads: String = heads
            .map(|(column, head)| match self.is_words(column) {
                true => format!("<th>{}</th>", escape(head)),
                false => format!("<th class=\"number\">{}</th>", escape(head)),
            })
            .collect();
        let mut rows = String::new();
        for row in &self.rows {
            let cells: String = row.iter().map(html_cell).collect();
            let _ = writeln!(rows, "<tr>{cells}</tr>");
        }
        let title = escape(&self.title);
        let table = format!("<table><thead><tr>{heads}</tr></thead>\n{rows}</table>");
        match self.rows.len() {
            LONG.. => format!("<details><summary>{title}</summary>\n{table}</details>\n"),
            _ => format!("<h3>{title}</h3>\n{table}\n"),
        }
    }
}

fn pad(cell: &Cell, width: usize) -> String {
    match cell {
        Cell::Text(text) => format!("{text:<width$}"),
        cell => format!("{:>width$}", cell.to_text()),
    }
}

fn html_cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("<td>{}</td>", escape(text)),
        cell => format!("<td class=\"number\">{}</td>", cell.to_text()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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

    /// Writes `NAME.json`, `NAME.md` and, if there is something to draw, `NAME.svg`; answers with their paths.
    pub fn write(&self, folder: &Path, machine: &Machine) -> io::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder)?;
        let path = |ending: &str| folder.join(format!("{}.{ending}", self.name));
        let mut paths = vec![path("json"), path("md")];
        std::fs::write(&paths[0], format!("{:#}\n", self.to_json(machine)))?;
        std::fs::write(&paths[1], markdown::page(self, machine, &command()))?;
        if !self.plots.is_empty() {
            paths.push(path("svg"));
            std::fs::write(
                &paths[2],
                plot::draw(&self.plots).map_err(io::Error::other)?,
            )?;
        }
        Ok(paths)
    }

    fn to_html(&self) -> String {
        let tables: String = self.tables.iter().map(Table::to_html).collect();
        let notes: String = self
            .notes
            .iter()
            .map(|note| format!("<li>{}</li>", escape(note)))
            .collect();
        let pictures: String = self.plots.iter().map(figure).collect();
        let (name, question) = (self.name, escape(self.question));
        format!(
            "<section id=\"{name}\"><h2>{name}</h2>\n<p>{question}</p>\n<div class=\"plots\">{pictures}</div>\n{tables}<ul>{notes}</ul></section>\n"
        )
    }
}

/// A panel, named for those who can't see it: its figures are in the tables.
fn figure(plot: &Plot) -> String {
    let name = escape(&plot.title);
    let picture = plot.draw().unwrap_or_default();
    format!("<figure role=\"img\" aria-label=\"{name}\">{picture}</figure>\n")
}

/// The command line that we were started with.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("comet {}", arguments.join(" "))
}

/// All of it as one page, complete in itself. What could not be measured is named first.
pub fn page(all: &[Findings], failed: &[String], machine: &Machine) -> String {
    let sections: String = all.iter().map(Findings::to_html).collect();
    let failed: String = failed
        .iter()
        .map(|what| format!("<p><strong>Not measured:</strong> {}</p>\n", escape(what)))
        .collect();
    let link = |findings: &Findings| format!("<a href=\"#{0}\">{0}</a>", findings.name);
    let links: Vec<String> = all.iter().map(link).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>comet's lab</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>{STYLE}</style>\n\
         <h1>comet's lab</h1>\n<p>{}</p>\n<p>{}</p>\n<nav>{}</nav>\n{failed}{sections}</html>\n",
        escape(INTRODUCTION),
        escape(&machine.to_text()),
        links.join(" · ")
    )
}

const INTRODUCTION: &str = "What held connections cost, measured: every server ran in a process of its own, and every \
    client of an experiment on one thread. Where lines lie on each other, the one that is named last is seen.";

const STYLE: &str = ":root { color-scheme: light dark }\
    body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }\
    section { margin-top: 3rem } h3 { font-size: 1rem; margin: 1.5rem 0 .3rem }\
    table { display: block; overflow-x: auto; border-collapse: collapse; font-size: .85rem }\
    td, th { padding: .2rem .6rem; border-bottom: 1px solid #8885; text-align: left; vertical-align: bottom }\
    td { white-space: nowrap } th { font-weight: 600; min-width: 3.5rem }\
    summary { font-weight: 600; margin: 1.5rem 0 .3rem } .number { text-align: right; font-variant-numeric: tabular-nums }\
    .plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)) }\
    figure { margin: 0 } svg { display: block; width: 100%; max-width: 36rem; height: auto }\
    @media (prefers-color-scheme: dark) { svg { filter: invert(0.9) hue-rotate(180deg) } }";
