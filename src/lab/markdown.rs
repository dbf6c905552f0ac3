//! An experiment's findings as a Markdown page, to stand beside the docs.

use super::findings::{Cell, Findings, Table};
use super::machine::Machine;

/// Tables, plots (a link to the SVG file) and notes, with the command that measured them.
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
        "# {name}: the figures\n\n{}\n\nMeasured with `{command}`, which rewrites this page, on {}.\n\n{picture}{tables}{notes}",
        findings.question,
        machine.to_text()
    )
}

fn table(table: &Table) -> String {
    let heads = table.columns.join(" | ");
    let columns = 0..table.columns.len();
    let sides: Vec<&str> = columns.map(|column| side(table, column)).collect();
    let rows: String = table.rows.iter().map(|cells| row(cells)).collect();
    format!(
        "## {}\n\n| {heads} |\n| {} |\n{rows}\n",
        table.title,
        sides.join(" | ")
    )
}

/// Aligns a column.
fn side(table: &Table, column: usize) -> &'static str {
    match table.is_text(column) {
        true => "---",
        false => "---:",
    }
}

fn row(cells: &[Cell]) -> String {
    let cells: Vec<String> = cells.iter().map(Cell::to_text).collect();
    format!("| {} |\n", cells.join(" | "))
}
