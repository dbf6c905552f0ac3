//! Writes the page that shows the table.

use crate::table::{Group, Row, Then};

/// How many bytes of each input are shown.
const SHOWN: usize = 72;

const BEGINNING: &str = "\
# Bad input

Any bytes can arrive on a socket: mistyped by hand, cut off, meant for another port, or made to do harm. comet answers
all of them with a status and a sentence that says what to do, in JSON: `{\"error\":\"…\"}`. The connection stays open if the
server can tell where the next request begins; otherwise it closes, because guessing where a request begins allows
request smuggling.

This page is generated from the table in [tests/bad_input/table.rs](../tests/bad_input/table.rs), and a test sends every row
to a running server, whole and byte by byte. The table lists what we thought of and what a fuzzer found; it can't prove
that nothing else is wrong. `UPDATE_DOCS=1 cargo test --test bad_input` regenerates this page.
";

pub fn page(table: &[Group]) -> String {
    let groups: String = table.iter().map(section).collect();
    format!("{BEGINNING}{groups}")
}

fn section(group: &Group) -> String {
    let rows: String = group.rows.iter().map(line).collect();
    format!(
        "\n## {}\n\n| what is sent | its first bytes | status | the server says | the connection | see |\n\
         | --- | --- | --- | --- | --- | --- |\n{rows}",
        group.title
    )
}

fn line(row: &Row) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        row.what,
        code(&row.bytes),
        statuses(row),
        says(row),
        then(row),
        link(row.rfc)
    )
}

/// The first bytes, escaped as in a string.
fn code(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    let shown = shown.replace("\\\"", "\""); // a quote needs no escape here
    format!("`{shown}{more}`")
}

fn statuses(row: &Row) -> String {
    let statuses: Vec<String> = row.statuses.iter().map(u16::to_string).collect();
    statuses.join(", then ")
}

fn says(row: &Row) -> &str {
    match row.says {
        "" => "–",
        says => says,
    }
}

fn then(row: &Row) -> &str {
    match row.then {
        Then::StaysOpen => "stays open",
        Then::Closes => "closes",
    }
}

fn link((rfc, section): (u16, &str)) -> String {
    format!("[RFC {rfc} §{section}](https://www.rfc-editor.org/rfc/rfc{rfc}#section-{section})")
}
