//! Writes what the experiments found: files for each one, and one HTML page for all of them, which loads
//! nothing else.

use std::io;
use std::path::{Path, PathBuf};

use super::findings::{Cell, Findings, Table};
use super::machine::Machine;
use super::markdown;
use super::plot::{self, Plot};

/// The HTML page folds a table with this many rows or more.
const LONG: usize = 30;

/// Writes `NAME.json`, `NAME.md` and, if there are plots, `NAME.svg`; returns their paths.
///
/// # Errors
/// When a file can't be written.
pub fn write(findings: &Findings, folder: &Path, machine: &Machine) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let path = |ending: &str| folder.join(format!("{}.{ending}", findings.name));
    let json = format!("{:#}\n", findings.to_json(machine));
    let mut files = vec![
        (path("json"), json),
        (path("md"), markdown::page(findings, machine, &command())),
    ];
    if !findings.plots.is_empty() {
        let plots = plot::draw(&findings.plots).map_err(io::Error::other)?;
        files.push((path("svg"), plots));
    }
    for (path, text) in &files {
        std::fs::write(path, text)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Our own command line.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("comet {}", arguments.join(" "))
}

/// All findings as one HTML page, the failures first.
pub fn page(all: &[Findings], failed: &[String], machine: &Machine) -> String {
    let sections: String = all.iter().map(section).collect();
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

fn section(findings: &Findings) -> String {
    let tables: String = findings.tables.iter().map(table).collect();
    let notes: String = findings
        .notes
        .iter()
        .map(|note| format!("<li>{}</li>", escape(note)))
        .collect();
    let plots: String = findings.plots.iter().map(figure).collect();
    let (name, question) = (findings.name, escape(findings.question));
    format!(
        "<section id=\"{name}\"><h2>{name}</h2>\n<p>{question}</p>\n<div class=\"plots\">{plots}</div>\n{tables}<ul>{notes}</ul></section>\n"
    )
}

/// A plot. Its label names it to screen readers; its figures are in the tables.
fn figure(plot: &Plot) -> String {
    let name = escape(&plot.title);
    let picture = plot.draw().unwrap_or_default();
    format!("<figure role=\"img\" aria-label=\"{name}\">{picture}</figure>\n")
}

fn table(table: &Table) -> String {
    let title = escape(&table.title);
    let heads = heads(table);
    let rows: String = table.rows.iter().map(|cells| row(cells)).collect();
    let html = format!("<table><thead><tr>{heads}</tr></thead>\n{rows}</table>");
    match table.rows.len() {
        LONG.. => format!("<details><summary>{title}</summary>\n{html}</details>\n"),
        _ => format!("<h3>{title}</h3>\n{html}\n"),
    }
}

fn heads(table: &Table) -> String {
    let heads = table.columns.iter().enumerate();
    let heads = heads.map(|(column, head)| match table.is_text(column) {
        true => format!("<th>{}</th>", escape(head)),
        false => format!("<th class=\"number\">{}</th>", escape(head)),
    });
    heads.collect()
}

fn row(cells: &[Cell]) -> String {
    let cells: String = cells.iter().map(cell).collect();
    format!("<tr>{cells}</tr>\n")
}

fn cell(cell: &Cell) -> String {
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

const INTRODUCTION: &str = "What held connections cost. Each server ran in a process of its own; all clients of an \
    experiment ran on one thread. Where lines overlap, the one named last covers the others.";

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
