//! What an experiment found, as a page that stands beside the docs.

use super::machine::Machine;
use super::report::{Cell, Findings, Table};

/// The tables, the plots (by the name of their file) and the notes, and how to have them measured again.
pub fn page(findings: &Findings, machine: &Machine, command: &str) -> String {
    let name = findings.name;
    let tables: String = findings.tables.iter().map(table).collect();
    let notes: String = findings
        .notes
        .iter()
        .map(|note| format!("- {note}\n"))
        .collect();
    let picture = match findings.plots.is_empty() {
        true => String::new(),
        false => format!("![{name}, plotted]({name}.svg)\n\n"),
    };
    format!(
        "# {name}: the figures\n\n{}\n\nMeasured with `{command}`, which writes this page anew, on {}.\n\n{picture}{tables}{notes}",
        findings.question,
        machine.to_text()
    )
}

fn table(table: &Table) -> String {
    let heads = table.columns.join(" | ");
    let sides: Vec<&str> = (0..table.columns.len())
        .map(|column| side(table, column))
        .collect();
    let rows: String = table.rows.iter().map(|cells| row(cells)).collect();
    format!(
        "## {}\n\n| {heads} |\n| {} |\n{rows}\n",
        table.title,
        sides.join(" | ")
    )
}

/// Words stand to the left, figures to the right.
fn side(table: &Table, column: usize) -> &'static str {
    let is_text = |row: &Vec<Cell>| matches!(row[column], Cell::Text(_));
    if table.rows.iter().any(is_text) {
        "---"
    } else {
        "---:"
    }
}

fn row(cells: &[Cell]) -> String {
    let cells: Vec<String> = cells.iter().map(Cell::to_text).collect();
    format!("| {} |\n", cells.join(" | "))
}
